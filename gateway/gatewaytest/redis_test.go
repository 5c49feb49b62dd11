package gatewaytest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

func TestARedisIsEmptyAgainAfterItWasStopped(t *testing.T) {
	r := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{Password: "secret"})
	r.Do("SET", "a", "1")
	r.Do("RPUSH", "list", "x", "y")
	if got := r.Do("GET", "a") + "," + r.Do("LRANGE", "list", "0", "-1"); got != "1,x\ny" {
		t.Errorf("got %q", got)
	}
	r.Stop()
	if _, err := net.Dial("tcp", r.Address); err == nil {
		t.Error("a stopped server takes connections")
	}
	r.Start()
	if got := r.Do("GET", "a"); got != "" {
		t.Errorf("kept %q", got)
	}
	if !strings.HasPrefix(r.URL(), "redis://:secret@127.0.0.1:") {
		t.Errorf("URL %s", r.URL())
	}
}

func TestAPausedRedisAnswersWhenItGoesOn(t *testing.T) {
	r := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	r.Pause()
	conn := dial(t, r.Address)
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := hear(t, conn, 50*time.Millisecond); got != "" {
		t.Errorf("a paused server said %q", got)
	}
	r.Resume()
	if got := hear(t, conn, 5*time.Second); got != "+PONG\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestARelaySpoilsWhatIsBetween(t *testing.T) {
	r := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	relay := gatewaytest.StartRelay(t, r.Address)
	ping := func() string {
		conn := dial(t, relay.Address)
		_, _ = io.WriteString(conn, "PING\r\n") // a spoiled one may be gone already
		return hear(t, conn, 300*time.Millisecond)
	}
	const pong = "+PONG\r\n"
	if got := ping(); got != pong {
		t.Fatalf("got %q", got)
	}
	relay.Mute()
	if got := ping(); got != "" {
		t.Errorf("mute, it said %q", got)
	}
	relay.Mend()
	relay.Delay(50 * time.Millisecond)
	if begun, got := time.Now(), ping(); got != pong || time.Since(begun) < 100*time.Millisecond {
		t.Errorf("with a delay, %q came after %v", got, time.Since(begun))
	}
	conn := dial(t, relay.Address)
	relay.Refuse()
	if got := hear(t, conn, 5*time.Second); got != "" {
		t.Errorf("got %q", got)
	}
	if _, err := net.Dial("tcp", relay.Address); err == nil {
		t.Error("it takes connections while it refuses them")
	}
	relay.Mend()
	if got := ping(); got != pong {
		t.Errorf("mended, it said %q", got)
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hear reads one piece; nothing, where none comes in time.
func hear(t *testing.T, conn net.Conn, within time.Duration) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 100)
	n, err := conn.Read(piece)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF) {
		t.Logf("read: %v", err) // it was cut, in one way or another
	}
	return string(piece[:n])
}
