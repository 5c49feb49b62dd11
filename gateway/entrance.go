package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"
)

const (
	// handshakeTimeout bounds a TLS handshake, from the first byte to the last.
	handshakeTimeout = 5 * time.Second
	// maxHandshakeError is how much of what went wrong with one is logged, in bytes.
	maxHandshakeError = 256
)

// entrance hands the server the connections of a listener as the live snapshot has them: plain, or behind a TLS
// handshake. So TLS comes and goes at one address, while the socket stays. The server itself knows nothing of TLS: what it
// gets has its handshake behind it.
type entrance struct {
	*cappedListener
	live     *live
	logger   *slog.Logger // of what strangers do: bounded
	arriving chan arrival
}

// arrival is what the server's next Accept gives.
type arrival struct {
	conn net.Conn
	err  error
}

// newEntrance makes an entrance. Whoever closes it ends its run.
func newEntrance(l *cappedListener, live *live, logger *slog.Logger) *entrance {
	return &entrance{cappedListener: l, live: live, logger: logger, arriving: make(chan arrival)}
}

// run accepts until the listener is closed.
func (e *entrance) run() {
	for {
		c, err := e.accept()
		if err != nil {
			if !e.hand(arrival{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // the server knows which errors pass, and asks again later
		}
		s := e.live.acquire()
		if s == nil {
			_ = c.Close() // the process is at its end
			continue
		}
		t := s.terms
		s.release()
		c.caller = &caller{terms: t}
		if t != nil {
			go e.shake(c, t)
			continue
		}
		e.hand(arrival{conn: &spoken{Conn: c, caller: c.caller, logger: e.logger}})
	}
}

// Accept gives the server the next connection.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case a := <-e.arriving:
		return a.conn, a.err
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// hand gives an arrival to the server, or nobody, if the door is closed.
func (e *entrance) hand(a arrival) bool {
	select {
	case e.arriving <- a:
		return true
	case <-e.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

// shake does the handshake of one connection. There are no more of them at once than the listener lets in.
func (e *entrance) shake(c *cappedConn, t *terms) {
	handed := false
	defer func() {
		if thrown := recover(); thrown != nil {
			logPanic(e.logger, "a TLS handshake panicked", thrown)
		}
		if !handed {
			_ = c.Close()
		}
	}()
	secure := tls.Server(c, t.tls)
	_ = c.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := secure.HandshakeContext(context.Background()); err != nil {
		e.failed(c, err)
		return
	}
	_ = c.SetDeadline(time.Time{})
	handed = true
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		e.hand(arrival{conn: secure})
		return
	}
	e.hand(arrival{conn: &secured{spoken: spoken{Conn: secure, caller: c.caller, logger: e.logger}, tls: secure}})
}

// failed tells of a handshake that came to nothing: the caller, if it speaks plain HTTP, and the log.
func (e *entrance) failed(c *cappedConn, err error) {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader):
		_, _ = c.Write(ownAnswer(requestID(nil), 400, "this address speaks TLS; call it with https://"))
		linger(c)
		e.logger.Debug("plain HTTP came to an address that speaks TLS", "remote_address", c.RemoteAddr().String())
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		// Probes that only look whether somebody listens, and callers who changed their mind.
		e.logger.Debug("a TLS handshake was not finished", "remote_address", c.RemoteAddr().String(), "err", err)
	default:
		// A stranger's certificate may have a long name.
		e.logger.Warn("a TLS handshake failed", "remote_address", c.RemoteAddr().String(), "err", keep(err.Error(), maxHandshakeError))
	}
}

// looksLikeHTTP is whether what should begin a TLS record begins a request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}
