package upstream

import (
	"compress/flate"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"nexus/gateway/llm"
)

// The words for what goes wrong. Those of the libraries name addresses, hosts and pieces of the answer, which may come from
// the environment or from a prompt.
const (
	noAnswer  = "the connection was closed before an answer came"
	cutOff    = "the answer was cut off"
	noHead    = "its head cannot be read"
	tooLong   = "it is too long"
	noFraming = "its parts do not fit together"
)

// closedIdle is the text of an error that net/http does not export: the provider has closed a connection before the call.
const closedIdle = "http: server closed idle connection"

// explain is why a call has no answer.
func explain(err error) error {
	var (
		timeout *llm.TimeoutError
		told    *llm.UnreachableError
	)
	switch {
	case errors.As(err, &timeout):
		return timeout
	case errors.As(err, &told):
		return told
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &llm.BrokenError{Why: cutOff}
	case errors.Is(err, io.EOF), hungUp(err), err.Error() == closedIdle:
		return &llm.UnreachableError{Why: noAnswer}
	case isAlert(err):
		return &llm.UnreachableError{Why: unreachable(err)}
	}
	return &llm.BrokenError{Why: noHead}
}

// unreachable says why there is no connection.
func unreachable(err error) string {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		invalid     x509.CertificateInvalidError
		host        x509.HostnameError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "no such host"
	case errors.As(err, &name):
		return "the host's name could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to the host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "TLS: the certificate has expired, or is not valid yet"
	case errors.As(err, &host):
		return "TLS: the certificate is for another name"
	case errors.As(err, &certificate):
		return "TLS: the certificate is not trusted"
	case errors.As(err, &record):
		return "TLS: the provider does not speak it"
	case isAlert(err):
		return "TLS: the provider refused the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), hungUp(err):
		return "the connection was closed before it was ready"
	}
	return "there is no connection"
}

// cut is why a body ended before its end.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || hungUp(err) {
		return &llm.BrokenError{Why: cutOff}
	}
	return &llm.BrokenError{Why: noFraming}
}

// unpacking is why a packed body cannot be unpacked; other errors stay as they are.
func unpacking(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == io.ErrUnexpectedEOF:
		return &llm.BrokenError{Why: cutOff}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return &llm.BrokenError{Why: "it cannot be unpacked"}
	}
	return err
}

// hungUp reports whether the other side broke a connection off, or the system did.
func hungUp(err error) bool {
	var network *net.OpError
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && !isAlert(err)
}

// isAlert reports whether the other side has refused by the means of TLS, which it may do as late as with the answer.
func isAlert(err error) bool {
	var alert tls.AlertError
	return errors.As(err, &alert)
}
