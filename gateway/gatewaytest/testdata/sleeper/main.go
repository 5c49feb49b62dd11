// Command sleeper is a program for the harness to start: it exits at once, waits for a signal, or works.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch os.Args[1] {
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		fmt.Println("exiting with", code)
		os.Exit(code)
	case "work":
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	default:
		fmt.Println("waiting")
		<-stop
	}
}
