package limit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// connectError is a connection that could not be made, by TLS or not.
type connectError struct {
	error
	secure bool
}

func (e connectError) Unwrap() error { return e.error }

// fileError is a file of the configuration that cannot be read or holds no certificate.
type fileError struct{ key string }

func (e fileError) Error() string { return e.key + " cannot be read" }

// errLate is a script that ran when nobody waited for it any more, and did nothing.
var errLate = errors.New("the script came too late")

// errHandshake is TLS that was not agreed upon.
var errHandshake = errors.New("no agreement on TLS")

// refusals are the beginnings of what Redis says, or the middle where a script has met it, with our words for it. A server
// that says one of these does so until somebody changes something, or it has finished what it is at.
var refusals = []struct{ code, why string }{
	{"NOAUTH", "it wants a password"},
	{"WRONGPASS", "it refuses the password"},
	{"invalid password", "it refuses the password"},
	{"without any password", "it refuses the password"},
	{"NOPERM", "its user lacks a right"},
	{"can't run this command", "its user lacks a right"},
	{"can't access at least one of the keys", "its user lacks a right"},
	{"READONLY", "it refuses writes: it is a replica"},
	{"OOM", "it refuses writes: its memory is full"},
	{"MISCONF", "it refuses writes: it cannot save"},
	{"NOREPLICAS", "it refuses writes: it lacks replicas"},
	{"LOADING", "it is still loading"},
	{"CLUSTERDOWN", "its cluster is down"},
	{"MOVED", "another node of its cluster has the keys"},
	{"CROSSSLOT", "its cluster spreads the keys: key_prefix holds {}"},
	{"MASTERDOWN", "it is a replica without a master"},
	{"BUSY", "it is busy with a script"},
	{"max number of clients", crowded},
	{"DB index is out of range", "it has no such database"},
}

const crowded = "it takes no more connections"

// refusal is what Redis has refused, in our words; empty: it has not, or in words that we do not know.
func refusal(err error) string {
	var said *rueidis.RedisError
	if !errors.As(err, &said) {
		return ""
	}
	for _, r := range refusals {
		if strings.Contains(said.Error(), r.code) {
			return r.why
		}
	}
	return ""
}

// movedTo is the node of a cluster that has our keys, if that is what Redis has said.
func movedTo(err error) string {
	var said *rueidis.RedisError
	if errors.As(err, &said) {
		if node, moved := said.IsMoved(); moved {
			return node
		}
	}
	return ""
}

// lasting reports whether the server has said that it will fail other calls as well, whatever still goes well.
func lasting(err error) bool { return refusal(err) != "" && !unreached(err) }

// unreached reports whether there is no new connection to be had. Those that there are may work on.
func unreached(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || refusal(err) == crowded
}

// why says what has gone wrong, in words of ours: the error's own may hold an address, a user or a piece of a key.
func (s *RedisSettings) why(err error) string {
	var file fileError
	var connect connectError
	switch {
	case refusal(err) != "":
		return refusal(err)
	case errors.As(err, &file):
		return file.Error()
	case errors.Is(err, errSettings):
		return errSettings.Error()
	case errors.Is(err, errAnswer):
		return errAnswer.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, errHandshake), alerted(err):
		return whyNoTLS(err)
	case errors.As(err, new(*net.DNSError)):
		return "its name is not known"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no way to it"
	case errors.As(err, &connect) && timedOut(err):
		return "no connection in " + s.ConnectionTimeout.String()
	case timedOut(err):
		return "no answer in " + s.ResponseTimeout.String()
	case connect.secure && !errors.As(err, new(*rueidis.RedisError)):
		// Behind the handshake of TLS 1.3 the reason can be lost when the other side hangs up.
		return "it hung up: it may refuse our certificate"
	}
	if errors.As(err, new(*rueidis.RedisError)) {
		return "it answers with an error"
	}
	return "the connection broke"
}

// whyNoTLS says what has kept the two from an agreement.
func whyNoTLS(err error) string {
	var unverified *tls.CertificateVerificationError
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return "its certificate is for another name"
	case errors.As(err, &unverified):
		return "its certificate is not trusted"
	case alerted(err):
		return "it refuses our certificate"
	}
	return "it does not speak TLS"
}

// alerted reports whether the other side has ended TLS. With TLS 1.3 a certificate is refused behind the handshake.
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func timedOut(err error) bool {
	var slow net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errLate) ||
		errors.As(err, &slow) && slow.Timeout()
}
