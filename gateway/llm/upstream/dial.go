package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"nexus/gateway/llm"
)

// dialer makes connections, each within its timeout in all: the name's look-up, TCP and TLS.
type dialer struct {
	net     net.Dialer
	timeout time.Duration
	roots   *x509.CertPool // nil: the system's
}

func newDialer(timeout time.Duration) *dialer {
	return &dialer{net: net.Dialer{KeepAlive: 30 * time.Second}, timeout: timeout}
}

// plain connects without TLS.
func (d *dialer) plain(ctx context.Context, network, address string) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.net.DialContext(within, network, address)
	if err != nil {
		return nil, d.failure(ctx, within, err)
	}
	return &wire{Conn: conn}, nil
}

// encrypted connects and shakes hands.
func (d *dialer) encrypted(ctx context.Context, network, address string) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := d.net.DialContext(within, network, address)
	if err != nil {
		return nil, d.failure(ctx, within, err)
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: host, RootCAs: d.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
	if err := secure.HandshakeContext(within); err != nil {
		_ = conn.Close()
		return nil, d.failure(ctx, within, err)
	}
	return &wire{Conn: secure}, nil
}

// failure is why there is no connection, in our words. A call that ended meanwhile is not the provider's fault.
func (d *dialer) failure(ctx, within context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return &llm.TimeoutError{Key: "connect_timeout", Waited: d.timeout}
	}
	return &llm.UnreachableError{Why: unreachable(err)}
}

// isTimeout is whether the network itself gave up waiting: its own deadline may be a moment earlier than ours.
func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// wire is a connection on which an answer can still be read when the provider no longer takes the request: one that refuses
// a large body answers and hangs up, and the transport would hold the failed write against the answer. It would also take a
// write that fails in a body for an error of the body's, and not send it once more.
type wire struct {
	net.Conn
	deaf bool // nobody takes anything more; known to the one goroutine that writes
}

// Write writes, or does as if, once either side has hung up: how that ended is for the next read to say.
func (w *wire) Write(p []byte) (int, error) {
	if w.deaf {
		return len(p), nil
	}
	n, err := w.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) {
		w.deaf = true
		return len(p), nil
	}
	return n, err
}

// ReadFrom writes a request's body from where it lies: without it, there would be a copy of everything. The bodies are those
// of [Payload], which are as long as announced, so that the bound around them can be passed over.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	if bounded, ok := r.(*io.LimitedReader); ok {
		if body, ok := bounded.R.(io.WriterTo); ok {
			n, err := body.WriteTo(onlyWriter{w})
			bounded.N -= n
			return n, err
		}
	}
	return io.Copy(onlyWriter{w}, r)
}

// onlyWriter hides all other methods.
type onlyWriter struct{ io.Writer }
