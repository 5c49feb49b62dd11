package upstream

import "crypto/x509"

// OpenTrusting is Open with other roots than the system's.
func OpenTrusting(settings Settings, roots *x509.CertPool) (*Client, func()) {
	c, end := Open(settings)
	c.dialing.roots = roots
	return c, end
}
