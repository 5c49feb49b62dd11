package gateway

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"net/http"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
)

const (
	keyTLS      = "server.tls"
	keyTLSCert  = keyTLS + ".certificate"
	keyTLSKey   = keyTLS + ".key"
	keyClientCA = keyTLS + ".client_ca"
)

// terms are what the connections of one or more generations are accepted under. Generations with equal settings and files
// share one, so that a connection, and the tickets by which callers resume one, outlive an edit of anything else. Nil: the
// connections are plain.
type terms struct {
	sum [sha256.Size]byte // of all that makes a difference
	tls *tls.Config
}

// compileTerms reads no file: the configuration has, and has found that they fit.
func compileTerms(cfg *config.Config) *terms {
	settings := &cfg.Server.TLS
	if !settings.Enabled {
		return nil
	}
	cert, key, ca := cfg.Material(keyTLSCert), cfg.Material(keyTLSKey), cfg.Material(keyClientCA)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		panic(err)
	}
	t := &terms{
		sum: sumOf(cert, key, ca, []byte(settings.ClientAuth)),
		tls: &tls.Config{
			Certificates: []tls.Certificate{pair},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		},
	}
	if len(ca) > 0 {
		t.tls.ClientCAs = x509.NewCertPool()
		t.tls.ClientCAs.AppendCertsFromPEM(ca)
		t.tls.ClientAuth = tls.RequestClientCert
		if settings.ClientAuth == config.ClientAuthRequire {
			t.tls.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return t
}

// sumOf tells lists of texts apart.
func sumOf(parts ...[]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// compileAuthorities gives those whose client certificates are believed; nil: nobody's are asked for.
func compileAuthorities(cfg *config.Config) *identity.Authorities {
	settings, who := &cfg.Server.TLS, &cfg.Server.ClientIdentification
	ca := cfg.Material(keyClientCA)
	if !settings.Enabled || len(ca) == 0 {
		return nil
	}
	needed := ""
	switch {
	case settings.ClientAuth == config.ClientAuthRequire:
		needed = keyTLS + ".client_auth"
	case who.Enabled && who.ClientID.ClientCertificate != "":
		needed = "server.client_identification.client_id.client_certificate"
	}
	authorities, err := identity.CompileAuthorities(ca, needed)
	if err != nil {
		panic(err)
	}
	return authorities
}

// caller is what is known of one connection.
type caller struct {
	terms *terms // that it was accepted under
	// answering is set while a handler has the connection: what the server writes then is the handler's.
	answering atomic.Bool
	proved    atomic.Pointer[proved]
}

// proved is what came of the connection's certificate, by the authorities of one generation.
type proved struct {
	by    *identity.Authorities
	proof *identity.Proof
}

// callerKey is where a request's context has its connection.
type callerKey struct{}

// callerOf is the connection of a request; nil: it has none, as in a test without a socket.
func callerOf(r *http.Request) *caller {
	c, _ := r.Context().Value(callerKey{}).(*caller)
	return c
}

// proofOf is what this generation makes of the certificate that the request's connection showed. It is looked into once
// for each connection and generation.
func (p *Plan) proofOf(r *http.Request, now time.Time) *identity.Proof {
	if p.clients == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	c := callerOf(r)
	if c == nil {
		return p.clients.Prove(r.TLS.PeerCertificates, now)
	}
	if known := c.proved.Load(); known != nil && known.by == p.clients {
		return known.proof
	}
	proof := p.clients.Prove(r.TLS.PeerCertificates, now)
	c.proved.Store(&proved{by: p.clients, proof: proof})
	return proof
}
