package identity

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"nexus/gateway/trace"
)

// Authorities are the issuers whose client certificates one generation believes. Nil Authorities ask for none.
type Authorities struct {
	pool    *x509.CertPool
	missing *Refusal // nil: a certificate may be missing
}

// CompileAuthorities reads a bundle of certificates in PEM (RFC 7468, section 5). With a key a request without a
// certificate of theirs is refused, and the key is what decided that. A bundle without a certificate, or with a broken
// one, is an error.
func CompileAuthorities(bundle []byte, key string) (*Authorities, error) {
	a, found := &Authorities{pool: x509.NewCertPool()}, false
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a certificate of the bundle: %w", err)
		}
		a.pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("no certificate in the bundle")
	}
	if key != "" {
		a.missing = &Refusal{Reason: trace.ClientCertificateMissing, Key: key}
	}
	return a, nil
}

// maxChain is how many of the certificates that a connection shows are looked at.
const maxChain = 10

// Proof is what came of the certificate that a connection showed. A Proof is only read, by all requests of its
// connection. It holds none of the certificate's memory, and of its content no more than the names that can be client ids.
// The nil Proof: nothing was shown, or there is no connection.
type Proof struct {
	finding     trace.Finding // Found, or why it is not believed at any time
	from, until time.Time     // when it is believed
	names       [fieldCount]name
}

// Prove holds what a connection showed, the caller's own certificate first, against the authorities. It is dear, so a
// connection keeps the Proof as long as the authorities stay the same; [Authorities.Admit] knows when it has ended. It
// costs nothing where nothing was shown.
func (a *Authorities) Prove(shown []*x509.Certificate, now time.Time) *Proof {
	if a == nil || len(shown) == 0 {
		return nil
	}
	shown = shown[:min(len(shown), maxChain)]
	chains, err := a.chains(shown, now)
	if err != nil {
		// Somebody else's, or ours and not the time for it? The library does not tell the two apart where it is one in
		// between that has ended. So we ask for a time when all that was shown had begun.
		chains, err = a.chains(shown, begun(shown))
	}
	if err != nil {
		return &Proof{finding: disbelief(err)}
	}
	p := &Proof{finding: trace.Found, names: namesOf(shown[0])}
	p.from, p.until = lasts(chains)
	return p
}

// chains are the ways from the caller's own certificate to one of the authorities that hold at a time.
func (a *Authorities) chains(shown []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, cert := range shown[1:] {
		between.AddCert(cert)
	}
	return shown[0].Verify(x509.VerifyOptions{
		Roots: a.pool, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// begun is when the last of the certificates began.
func begun(certs []*x509.Certificate) (at time.Time) {
	for _, cert := range certs {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore
		}
	}
	return at
}

// lasts is the time of the chain that holds the longest: each holds as long as all of its certificates.
func lasts(chains [][]*x509.Certificate) (from, until time.Time) {
	for _, chain := range chains {
		end := chain[0].NotAfter
		for _, cert := range chain {
			if cert.NotAfter.Before(end) {
				end = cert.NotAfter
			}
		}
		if end.After(until) {
			from, until = begun(chain), end
		}
	}
	return from, until
}

// disbelief is why a certificate is not believed.
func disbelief(err error) trace.Finding {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return trace.CertificateUnknown
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return trace.CertificateExpired
	}
	return trace.CertificateUnfit
}

// Admit notes the step client_certificate, and refuses where a certificate is needed and none holds at now. The error
// is a [*Refusal].
func (a *Authorities) Admit(p *Proof, now time.Time, tr *trace.Trace) error {
	if a == nil {
		tr.Note(trace.ClientCertificate, trace.Skipped, trace.NotConfigured)
		return nil
	}
	finding := p.at(now)
	switch {
	case finding == trace.Found:
		tr.Note(trace.ClientCertificate, trace.Passed, finding)
		return nil
	case a.missing == nil:
		tr.Note(trace.ClientCertificate, trace.Skipped, finding)
		return nil
	}
	tr.Note(trace.ClientCertificate, trace.Failed, finding).Key = a.missing.Key
	return a.missing
}

// at is what the Proof is worth at a moment.
func (p *Proof) at(now time.Time) trace.Finding {
	switch {
	case p == nil:
		return trace.Absent
	case p.finding == trace.Found && (now.Before(p.from) || now.After(p.until)):
		return trace.CertificateExpired
	}
	return p.finding
}
