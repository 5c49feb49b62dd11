package main_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// overTLS is a file whose listener speaks TLS; more are lines below [server.tls].
func overTLS(cert, key string, more ...string) string {
	return fmt.Sprintf("[server.tls]\ncertificate = %q\nkey = %q\n%s\n%s", cert, key, strings.Join(more, "\n"), identified)
}

// startTLS starts a gateway that speaks TLS and gives a client that trusts it.
func startTLS(t *testing.T, config string, trust *tls.Config) (*gatewaytest.Nexus, *http.Client) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n := gatewaytest.Setup{Path: path, TLS: trust}.Start(t)
	return n, clientTLS(t, trust, true)
}

// clientTLS is a client with connections of its own.
func clientTLS(t *testing.T, trust *tls.Config, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: http2, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// serial is the number of the certificate that the next handshake shows.
func serial(address string, trust *tls.Config) (*big.Int, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, trust)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber, nil
}

// copyOver puts what is at from in the place of to, at once, as a program does that renews certificates.
func copyOver(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := replace(to, string(text)); err != nil {
		t.Fatal(err)
	}
}

// TestSoakCertificatesAreRenewedUnderLoad: nobody notices but by the new certificate.
func TestSoakCertificatesAreRenewedUnderLoad(t *testing.T) {
	renewals := 5
	if soaking() {
		renewals = 100
	}
	ca, dir := gatewaytest.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	first := ca.Server(t)
	copyOver(t, first.Certificate, cert)
	copyOver(t, first.Key, key)
	trust := &tls.Config{RootCAs: ca.Pool}
	n, _ := startTLS(t, overTLS(cert, key), trust)
	address := strings.TrimPrefix(n.URL, "https://")

	stream := strings.Replace(strings.Replace(hello, "Hello", "slow:20ms Hello", 1), "{", `{"stream":true,`, 1)
	var calls, handshakes atomic.Int64
	var wait sync.WaitGroup
	ended := make(chan struct{})
	errs := make(chan error, 16)
	keep := func(client *http.Client, fresh bool, body, ending string) {
		defer wait.Done()
		for {
			select {
			case <-ended:
				return
			default:
			}
			if fresh {
				client.CloseIdleConnections()
				handshakes.Add(1)
			}
			if err := sendWhole(client, n.URL, body, ending); err != nil {
				errs <- err
				return
			}
			calls.Add(1)
		}
	}
	for i := range 8 {
		wait.Add(1)
		body, ending := hello, `"finish_reason":"stop"`
		if i%4 == 3 {
			body, ending = stream, "data: [DONE]\n\n"
		}
		go keep(clientTLS(t, trust, i%2 == 0), i < 3, body, ending)
	}
	for range renewals {
		next := ca.Server(t)
		before := calls.Load()
		copyOver(t, next.Certificate, cert)
		copyOver(t, next.Key, key)
		await(t, "the next handshake has the new certificate", func() bool {
			now, err := serial(address, trust)
			if err != nil {
				t.Fatalf("a handshake failed: %v", err)
			}
			return now.Cmp(next.Pair.Leaf.SerialNumber) == 0
		})
		await(t, "calls go on", func() bool { return calls.Load() > before+20 || len(errs) > 0 })
	}
	close(ended)
	wait.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	t.Logf("%d renewals, %d calls, %d of them after a handshake of their own", renewals, calls.Load(), handshakes.Load())
}

// line is a connection that a test speaks HTTP/1.1 over by hand.
type line struct {
	net.Conn
	in *bufio.Reader
}

func dialPlain(t *testing.T, address string) *line {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &line{c, bufio.NewReader(c)}
}

// ask sends a request and reads the answer to its end.
func (l *line) ask(t *testing.T, path, body string) (*http.Response, string) {
	t.Helper()
	method := "GET"
	if body != "" {
		method = "POST"
	}
	_ = l.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(l, "%s %s HTTP/1.1\r\nHost: localhost\r\nX-Client-ID: alice\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body); err != nil {
		t.Fatal(err)
	}
	return l.answer(t)
}

func (l *line) answer(t *testing.T) (*http.Response, string) {
	t.Helper()
	answer, err := http.ReadResponse(l.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// isClosed reports whether the other side has closed.
func (l *line) isClosed() bool {
	_, err := l.in.ReadByte()
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

// TestTLSComesAndGoesAtOneAddress: connections from before a change end with the answer that they are owed.
func TestTLSComesAndGoesAtOneAddress(t *testing.T) {
	ca := gatewaytest.NewAuthority(t)
	cert := ca.Server(t)
	trust := &tls.Config{RootCAs: ca.Pool}
	n := gatewaytest.Start(t, identified)
	address := strings.TrimPrefix(n.URL, "http://")
	secure, secureURL := clientTLS(t, trust, true), "https://"+address

	idle, busy := dialPlain(t, address), dialPlain(t, address)
	if answer, _ := idle.ask(t, "/health", ""); answer.StatusCode != 200 || answer.Close {
		t.Fatalf("before: %s, close %v", answer.Status, answer.Close)
	}
	stream := strings.Replace(strings.Replace(hello, "Hello", "slow:100ms Hello there, how are you on this day", 1), "{", `{"stream":true,`, 1)
	streamed := make(chan string, 1)
	go func() {
		_, text := busy.ask(t, chatPath, stream)
		streamed <- text
	}()

	if err := replace(n.ConfigPath, overTLS(cert.Certificate, cert.Key)); err != nil {
		t.Fatal(err)
	}
	await(t, "TLS", func() bool { return sendWhole(secure, secureURL, hello, "stop") == nil })
	if answer, _ := idle.ask(t, "/health", ""); answer.StatusCode != 200 || !answer.Close || !idle.isClosed() {
		t.Errorf("a connection from before: %s, close %v", answer.Status, answer.Close)
	}
	if text := <-streamed; !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("a stream from before ends with %q", text)
	}
	answer, text := dialPlain(t, address).ask(t, "/health", "")
	if answer.StatusCode != 400 || !strings.Contains(text, "https://") || !json.Valid([]byte(text)) || answer.Header.Get("X-Request-ID") == "" {
		t.Errorf("plain HTTP is answered %s: %s", answer.Status, text)
	}

	// A file that merely lacks the table is refused; one that says so is taken.
	if err := replace(n.ConfigPath, identified); err != nil {
		t.Fatal(err)
	}
	n.Await(t, "server.tls")
	n.Await(t, "reload refused")
	if err := sendWhole(secure, secureURL, hello, "stop"); err != nil {
		t.Errorf("after half a file: %v", err)
	}
	if err := replace(n.ConfigPath, overTLS(cert.Certificate, cert.Key, "enabled = false")); err != nil {
		t.Fatal(err)
	}
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	await(t, "plain HTTP again", func() bool { return sendWhole(plain, n.URL, hello, "stop") == nil })
}

// TestHTTP2IsSpokenOverTLS, with streams, and refusals in our own words.
func TestHTTP2IsSpokenOverTLS(t *testing.T) {
	ca := gatewaytest.NewAuthority(t)
	cert := ca.Server(t)
	n, client := startTLS(t, overTLS(cert.Certificate, cert.Key), &tls.Config{RootCAs: ca.Pool})
	stream := strings.Replace(hello, "{", `{"stream":true,`, 1)
	if err := sendWhole(client, n.URL, stream, "data: [DONE]\n\n"); err != nil {
		t.Error(err)
	}
	answer, err := client.Get(n.URL + "/llm/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != 400 {
		t.Errorf("%s %s", answer.Proto, answer.Status)
	}
	page, err := client.Get(n.URL + "/admin")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if page.StatusCode != 200 || page.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("the page: %s, %q", page.Status, page.Header.Get("Strict-Transport-Security"))
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := serial(strings.TrimPrefix(n.URL, "https://"), &tls.Config{RootCAs: ca.Pool, MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("TLS %x is spoken", version)
		}
	}
}
