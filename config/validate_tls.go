package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"time"
)

const (
	tlsTable   = "server.tls"
	tlsCert    = tlsTable + ".certificate"
	tlsKey     = tlsTable + ".key"
	clientCA   = tlsTable + ".client_ca"
	clientAuth = tlsTable + ".client_auth"

	certificateOf = ".client_certificate"
)

// renewal is how long before its end a certificate should have been renewed.
const renewal = 7 * 24 * time.Hour

// checkTLS reads the files that the table names.
func (r *reading) checkTLS() {
	t := &r.cfg.Server.TLS
	if !t.Enabled {
		return
	}
	r.checkPair(t)
	if t.ClientCA == "" {
		if r.said(clientAuth) && r.sound(clientAuth) && r.sound(clientCA) {
			r.fail(clientAuth, "asks for certificates, but nothing says whose are believed", "name a file of authorities in client_ca "+placeOf(tlsTable)+", or take it out")
		}
		return
	}
	for _, authority := range certificatesOf(r.readCertificates(clientCA, t.ClientCA)) {
		r.checkDates(clientCA, "the authority "+quote(name64(authority)), authority)
	}
	if t.ClientAuth == ClientAuthRequire && r.sound(clientAuth) {
		key := clientAuth
		if !r.said(clientAuth) {
			key = clientCA
		}
		r.warn(key, "lets nobody connect without a certificate, probes of an orchestrator included",
			`give the prober a certificate, or write client_auth = "request" `+placeOf(tlsTable)+", so that only calls to models need one")
	}
}

// name64 is the name of an authority as far as a message bears it.
func name64(cert *x509.Certificate) string {
	text := cert.Subject.String()
	return text[:min(len(text), 64)]
}

// checkPair looks at the certificate and its key.
func (r *reading) checkPair(t *TLS) {
	for _, file := range []struct{ key, path, what string }{
		{tlsCert, t.Certificate, `certificate = "cert.pem"`}, {tlsKey, t.Key, `key = "key.pem"`},
	} {
		if file.path == "" && r.sound(file.key) {
			r.fail(file.key, "is missing or empty, but TLS needs a certificate and its key", "write "+file.what+" "+placeOf(tlsTable)+", or enabled = false")
		}
	}
	var certificate, private []byte
	if t.Certificate != "" {
		certificate = r.readCertificates(tlsCert, t.Certificate)
	}
	if t.Key != "" {
		private = r.readPEM(tlsKey, t.Key)
	}
	switch {
	case private == nil:
	case !hasPrivateKey(private):
		r.fail(tlsKey, r.show(tlsKey, t.Key)+" holds no private key that can be read", "write the path of the certificate's key, in PEM and without a passphrase")
	case certificate == nil:
	default:
		if _, err := tls.X509KeyPair(certificate, private); err != nil {
			r.fail(tlsKey, r.show(tlsKey, t.Key)+" is not the key of the first certificate in "+tlsCert, "write the path of its key, in PEM; the certificate itself comes before those that lead to its authority")
			return
		}
		r.checkDates(tlsCert, "the certificate", certificatesOf(certificate)[0])
	}
}

// hasPrivateKey reports whether a text in PEM has a key that is not under a passphrase.
func hasPrivateKey(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PRIVATE KEY" || bytes.HasSuffix([]byte(block.Type), []byte(" PRIVATE KEY")) {
			return block.Type != "ENCRYPTED PRIVATE KEY" && block.Headers["DEK-Info"] == ""
		}
	}
	return false
}

// certificatesOf are those of a text that was found to hold some.
func certificatesOf(text []byte) (all []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			all = append(all, cert)
		}
	}
	return all
}

// checkDates warns of a certificate that does not count at the moment, or not for long. It is no mistake of the file: what
// ends by itself must not keep a process from starting.
func (r *reading) checkDates(key, what string, cert *x509.Certificate) {
	now := time.Now()
	said := func(text string, at time.Time) {
		r.warn(key, what+text+at.UTC().Format(time.DateTime)+" UTC", "renew it; the new one is taken when the file changes")
	}
	switch {
	case now.After(cert.NotAfter):
		said(" has expired at ", cert.NotAfter)
	case now.Before(cert.NotBefore):
		said(" is not valid before ", cert.NotBefore)
	case cert.NotAfter.Sub(now) < renewal && cert.NotAfter.Sub(cert.NotBefore) > 2*renewal: // short ones are renewed later
		said(" ends at ", cert.NotAfter)
	}
}
