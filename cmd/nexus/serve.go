package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"nexus/admin"
	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/journal"
)

// serve runs the gateway until a signal stops it.
func serve(s *settings) error {
	logger, err := s.logger()
	if err != nil {
		return err
	}
	// What libraries tell the standard log is not ours to show: net/http writes there what a provider sends unasked.
	log.SetOutput(io.Discard)
	operator := admin.New(admin.Options{Logger: logger})
	file := s.file()
	g, err := gateway.New(gateway.Options{
		Load:    file.Load,
		Logger:  logger,
		Version: build().version,
		Surfaces: func(g *gateway.Gateway, cfg *config.Config) (pages, metrics http.Handler) {
			return operator.Surfaces(g, cfg)
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	kill, killNow := context.WithCancel(context.Background())
	defer killNow()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	if err := g.Start(); err != nil {
		return s.tell(err)
	}
	s.announce(g, logger)
	go obey(signals, g, stop, killNow)
	// Until the very end: a save while the process drains is told, too.
	alive, end := context.WithCancel(context.Background())
	defer end()
	go file.Watch(alive, func() { g.Reload(journal.CauseFile) }, g.Watching)
	if err := g.Run(ctx, kill); err != nil {
		logger.Error("stopped", "err", err)
		return errTold
	}
	logger.Info("stopped")
	return nil
}

// obey does what the signals ask: reload; drain and stop; and at the second time, stop at once.
func obey(signals <-chan os.Signal, g *gateway.Gateway, stop, kill func()) {
	// A reload may take its time, and must not keep a signal to stop from being heard; one that is asked for meanwhile
	// comes after it, and more are the same one.
	reloads := make(chan struct{}, 1)
	go func() {
		for range reloads {
			g.Reload(journal.CauseSIGHUP) // what came of it is told in the log
		}
	}()
	stopping := false
	for s := range signals {
		switch {
		case s == syscall.SIGHUP:
			select {
			case reloads <- struct{}{}:
			default:
			}
		case stopping:
			kill()
		default:
			stopping = true
			stop()
		}
	}
}

// tell prints the problems of a file as a compiler would.
func (s *settings) tell(err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(s.stderr, p)
	}
	fmt.Fprintf(s.stderr, "nexus: not started: %s\n", counted(len(problems), "mistake"))
	return errTold
}
