package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// spoken is a connection that speaks HTTP/1.1. What net/http answers by itself, to what it cannot read as a request,
// goes out in the shape of all our errors.
type spoken struct {
	net.Conn
	caller *caller
	logger *slog.Logger // of what strangers do: bounded
	told   bool         // net/http has answered by itself, and will close
}

// closeWriter ends one direction of a connection.
type closeWriter interface{ CloseWrite() error }

// Write sends what net/http writes. While no handler has the connection that is an answer of its own, in one piece.
func (s *spoken) Write(p []byte) (int, error) {
	if s.caller.answering.Load() || !bytes.HasPrefix(p, []byte("HTTP/1.")) {
		return s.Conn.Write(p)
	}
	s.told = true
	line, _, _ := bytes.Cut(p, []byte("\r\n"))
	status, what := readStatus(string(line))
	id := requestID(nil)
	s.logger.Warn("a request could not be read", "request_id", id, "remote_address", s.RemoteAddr().String(), "status", status, "err", what)
	if _, err := s.Conn.Write(ownAnswer(id, status, what)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite lets the caller read to the end what was sent, before all is closed.
func (s *spoken) CloseWrite() error {
	if c, ok := s.Conn.(closeWriter); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close closes the connection. A caller who was told that its request cannot be read may still be sending it.
func (s *spoken) Close() error {
	if s.told {
		s.told = false
		linger(s)
	}
	return s.Conn.Close()
}

// secured is a connection that speaks HTTP/1.1 over TLS.
type secured struct {
	spoken
	tls *tls.Conn
}

// ConnectionState is what net/http makes the field TLS of a request from.
func (s *secured) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger reads what a caller still sends, for a moment: a connection that is closed with something unread is reset, and the
// caller may lose the answer that it was sent.
func linger(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(lingerTime))
	if w, ok := c.(closeWriter); ok {
		_ = w.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, lingerBytes))
}

// readStatus takes the status line of net/http apart: the status, and what it says of a bad request in its own words, none
// of which are the caller's.
func readStatus(line string) (status int, what string) {
	const code = len("HTTP/1.1 ")
	if len(line) >= code+3 {
		status, _ = strconv.Atoi(line[code : code+3])
	}
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		return status, "the header is larger than " + strconv.Itoa(maxHeaderBytes>>10) + " KiB"
	case http.StatusNotImplemented:
		return status, "of all transfer codings only chunked is known"
	case http.StatusHTTPVersionNotSupported:
		return status, "the version of HTTP is none that is spoken here"
	case http.StatusExpectationFailed:
		return status, "of all expectations only 100-continue is known"
	case http.StatusBadRequest:
		if text := "HTTP/1.1 400 Bad Request: "; len(line) > len(text) {
			return status, line[len(text):]
		}
	default:
		status = http.StatusBadRequest
	}
	return status, "it cannot be read as HTTP"
}

// ownAnswer is a whole answer to what is no request, and the last one of its connection.
func ownAnswer(id string, status int, what string) []byte {
	body := openai.Dialect{}.Failure(nil, &llm.Failure{
		Status: status, Type: typeInvalidRequest, Code: "invalid_request", Message: "Invalid request: " + what, RequestID: id,
	})
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nDate: %s\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), time.Now().UTC().Format(http.TimeFormat), id, body)
}
