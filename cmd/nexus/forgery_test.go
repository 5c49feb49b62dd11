package main_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	forgers       = 100    // connections
	forgeries     = 10_000 // in all
	honestCallers = 2
	honestPace    = 4 * time.Millisecond
	stall         = 10 * time.Millisecond // of a machine that others use, too
)

// TestSoakAFloodOfForgeries sends tokens with random key ids from many connections, as fast as they are answered: the issuer is hardly asked, honest
// callers hardly notice, and a key that is really new is picked up meanwhile.
func TestSoakAFloodOfForgeries(t *testing.T) {
	old, next := gatewaytest.NewKey(t, "old", "RS256"), gatewaytest.NewKey(t, "new", "RS256")
	i := gatewaytest.StartIssuer(t, old)
	nexus := gatewaytest.Start(t, tokened(i))
	token := i.Token(t, old, nil)
	honest(t, nexus.URL, token, 500) // warm
	quiet := honest(t, nexus.URL, token, 1500)

	fetched, began := i.Fetches(), time.Now()
	var flood sync.WaitGroup
	failures := make([]error, forgers)
	for n := range forgers {
		flood.Go(func() { failures[n] = forge(nexus.URL, token, forgeries/forgers) })
	}
	over := make(chan time.Duration, 1)
	go func() { flood.Wait(); over <- time.Since(began) }()
	busy := honest(t, nexus.URL, token, 1500)
	i.Publish(t, old, next)
	rotated, fresh := time.Now(), i.Token(t, next, nil)
	for status := 0; status != http.StatusOK; <-time.After(50 * time.Millisecond) {
		var err error
		if status, _, err = askWith(http.DefaultClient, nexus.URL, fresh); err != nil {
			t.Fatal(err)
		}
		if time.Since(rotated) > 15*time.Second {
			t.Fatal("the new key was not picked up within 15 s")
		}
	}
	t.Logf("the new key was picked up after %v", time.Since(rotated).Round(time.Millisecond))
	if length := <-over; length < 8*time.Second {
		t.Errorf("%d forgeries were answered within %v: nobody slowed them down", forgeries, length)
	}
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if fetches, most := i.Fetches()-fetched, int(took/(10*time.Second))+1; fetches > most {
		t.Errorf("%d fetches in %v, want %d at most", fetches, took, most)
	}
	ratio := float64(busy) / float64(quiet)
	if busy > 2*quiet+stall {
		t.Errorf("the p99 of honest calls went from %v to %v", quiet, busy)
	}
	t.Logf("%d forgeries in %v; %d fetches; p99 of honest calls %v, during the flood %v: ratio %.2f", forgeries, took.Round(time.Millisecond), i.Fetches()-fetched, quiet, busy, ratio)
}

// honest sends good calls at a steady pace and gives the 99th percentile of their times.
func honest(t *testing.T, url, token string, calls int) time.Duration {
	t.Helper()
	times, failures := make([][]time.Duration, honestCallers), make([]error, honestCallers)
	var wait sync.WaitGroup
	for n := range honestCallers {
		wait.Go(func() {
			times[n], failures[n] = timed(url, "Bearer "+token, calls/honestCallers, time.Duration(n)*honestPace/honestCallers)
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	return percentile(append(times[0], times[1]...), 99)
}

// timed sends calls over one connection, beginning after a while, and gives the time of each.
func timed(url, authorization string, calls int, after time.Duration) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(roundLimit)); err != nil {
		return nil, err
	}
	answers, times := bufio.NewReader(conn), make([]time.Duration, 0, calls)
	<-time.After(after)
	pace := time.NewTicker(honestPace)
	defer pace.Stop()
	for range calls {
		<-pace.C
		began := time.Now()
		status, err := converseWith(conn, answers, authorization)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("answered %d: %w", status, err)
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

// forge sends forged tokens over one connection: the payload of a good one, a key id that nobody has, any signature.
func forge(url, good string, calls int) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(roundLimit)); err != nil {
		return err
	}
	answers, payload := bufio.NewReader(conn), strings.Split(good, ".")[1]
	for range calls {
		header := fmt.Sprintf(`{"alg":"RS256","typ":"JWT","kid":"%016x"}`, rand.Uint64())
		signature := make([]byte, 256)
		for at := range signature {
			signature[at] = byte(rand.Uint32())
		}
		token := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature)
		status, err := converseWith(conn, answers, "Bearer "+token)
		if err != nil || status != http.StatusUnauthorized {
			return fmt.Errorf("a forgery is answered %d: %w", status, err)
		}
	}
	return nil
}

// converseWith sends one call over a kept connection and reads its answer to the end.
func converseWith(conn net.Conn, answers *bufio.Reader, authorization string) (int, error) {
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: nexus\r\nContent-Type: application/json\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		chatPath, authorization, len(hello), hello)
	if err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
