package gateway_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"nexus/gateway"
)

func TestNoMoreConnectionsThanTheCapAreLetIn(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := gateway.CapListener(tcp.(*net.TCPListener), 1)
	accepted := make(chan net.Conn, 2)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	if _, ok := first.(interface{ CloseWrite() error }); !ok {
		t.Error("net/http cannot close one side of a connection")
	}
	select {
	case <-accepted:
		t.Error("a second connection is let in")
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	first.Close() // makes room once
	second := <-accepted
	l.Close()
	if err := <-ended; err == nil {
		t.Error("Accept goes on after Close")
	}
	second.Close()
}

func TestStrangersCannotFillTheLogOfTheServer(t *testing.T) {
	log := &lines{}
	bounded := slog.New(gateway.BoundedHandler(slog.NewTextHandler(log, nil)))
	for range 1000 {
		bounded.Warn(strings.Repeat("x", 5000))
	}
	text := log.String()
	if n := strings.Count(text, "\n"); n < 10 || n > 20 || len(text) > n*1200 {
		t.Errorf("%d lines, %d bytes", n, len(text))
	}
}
