package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"nexus/config"
)

// healthTime is how long the running instance has to answer.
const healthTime = 5 * time.Second

// healthcheck asks the running instance's health endpoint. It needs no more of the file than an address, a path and whether
// TLS is spoken, if they are there: a mistake that somebody is just saving is no reason to restart what runs.
func healthcheck(s *settings) error {
	// Whether the file has health switched on is not asked: it need not be the file that runs.
	address, path, secure := config.Probe(s.configPath(), s.overlay())
	place := reachable(address.String()) + string(path)
	response, url, err := askHealth(place, secure)
	if wantsCertificate(err) {
		// Nothing else than a running instance asks for one, and this command has none to show.
		fmt.Fprintf(s.stdout, "alive: nexus answers at %s, and shows its health to none but those with a client certificate\n", url)
		return nil
	}
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

// askHealth asks with TLS or without, and where that is not what is spoken there, the other way: a file may say already, or
// still, what the running instance has refused.
func askHealth(place string, secure bool) (*http.Response, string, error) {
	client := http.Client{
		Timeout:       healthTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// The certificate is for the name that callers know. What is asked here is this machine's own process, and
			// nothing is told to it.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
	}
	schemes := []string{"http://", "https://"}
	if secure {
		slices.Reverse(schemes)
	}
	response, err := client.Get(schemes[0] + place)
	switch {
	case err == nil && !secure && response.StatusCode == http.StatusBadRequest: // as one answers who speaks TLS alone
		if other, otherErr := client.Get(schemes[1] + place); otherErr == nil || wantsCertificate(otherErr) {
			_ = response.Body.Close()
			return other, schemes[1] + place, otherErr
		}
	case err != nil && secure && speaksPlain(err):
		if other, otherErr := client.Get(schemes[1] + place); otherErr == nil {
			return other, schemes[1] + place, nil
		}
	}
	return response, schemes[0] + place, err
}

// speaksPlain is whether a call over TLS was answered by something that does not speak it.
func speaksPlain(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// certificateRequired is the alert of TLS 1.3 (RFC 8446, section 6) to who shows no certificate where one is needed;
// badCertificate is that of TLS 1.2.
const (
	certificateRequired = tls.AlertError(116)
	badCertificate      = tls.AlertError(42)
	handshakeFailure    = tls.AlertError(40)
)

// wantsCertificate is whether the other side has ended the call for want of a client certificate.
func wantsCertificate(err error) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	text := remote.Err.Error()
	return text == certificateRequired.Error() || text == badCertificate.Error() || text == handshakeFailure.Error()
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
