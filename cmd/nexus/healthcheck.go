package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"nexus/config"
)

// healthTime is how long the running instance has to answer.
const healthTime = 5 * time.Second

// healthcheck asks the running instance's health endpoint. It needs no more of the file than an address, and a path if
// there is one: a mistake that somebody is just saving is no reason to restart what runs.
func healthcheck(s *settings) error {
	// Whether the file has health switched on is not asked: it need not be the file that runs.
	address, path := config.Probe(s.configPath(), s.overlay())
	url := "http://" + reachable(address.String()) + string(path)
	client := http.Client{Timeout: healthTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound && response.Header.Get("X-Request-ID") != "" {
		// A file that is broken, or refused, need not say where what runs has its health. An answer is a sign of life.
		fmt.Fprintf(s.stdout, "alive: nexus answers at %s, but what runs has its health elsewhere than %s says\n", url, s.configPath())
		return nil
	}
	if _, err := io.Copy(s.stdout, io.LimitReader(response.Body, 4<<10)); err != nil {
		return fmt.Errorf("read the health from %s: %w", url, err)
	}
	fmt.Fprintln(s.stdout)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// reachable turns an address to listen on into one to call: "all interfaces" is answered on this machine's own name,
// whichever of its two address families that is.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
