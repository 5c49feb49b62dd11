package config

// TLS is the table server.tls: the public listener speaks TLS 1.2 or 1.3 (RFC 8446), with HTTP/2 where the caller
// has it. Without the table it speaks plain HTTP.
type TLS struct {
	Enabled bool `toml:"enabled"`
	// Certificate is the path of a file with the certificate, and behind it those that lead to its authority, in PEM. A
	// relative path begins in the directory of the file that says it. Needed.
	Certificate string `toml:"certificate"`
	// Key is the path of a file with the certificate's key, in PEM and without a passphrase. Needed.
	Key string `toml:"key"`
	// ClientCA is the path of a file with the authorities whose client certificates are believed, in PEM. Empty: callers
	// are not asked for a certificate.
	ClientCA string `toml:"client_ca" guard:"\"\""`
	// ClientAuth says what becomes of callers without a certificate of ClientCA. Default "require".
	ClientAuth ClientAuth `toml:"client_auth" guard:"\"request\""`
}

// ClientAuth is whether callers must show a certificate.
type ClientAuth string

// The ways to ask for a certificate.
const (
	ClientAuthRequire ClientAuth = "require" // without one there is no connection
	ClientAuthRequest ClientAuth = "request" // it is asked for, and may be missing
)

var clientAuths = []string{string(ClientAuthRequire), string(ClientAuthRequest)}

func (a *ClientAuth) example() string { return `"require"` }

func (a *ClientAuth) parse(text string) *mistake {
	m := oneOf(text, clientAuths, "is not a way to ask for certificates")
	if m == nil {
		*a = ClientAuth(text)
	}
	return m
}

// CertificateField is the part of a client certificate that says who calls.
type CertificateField string

// The parts of a certificate that can be a client id.
const (
	CertificateURI         CertificateField = "san_uri"     // the subject alternative name of type URI: a SPIFFE ID is one
	CertificateDNS         CertificateField = "san_dns"     // that of type DNS name
	CertificateEmail       CertificateField = "san_email"   // that of type e-mail address
	CertificateCommonName  CertificateField = "subject_cn"  // the common name of the subject
	CertificateFingerprint CertificateField = "fingerprint" // SHA-256 of the whole certificate (DER), in lower-case hexadecimal
)

var certificateFields = []string{
	string(CertificateURI), string(CertificateDNS), string(CertificateEmail), string(CertificateCommonName), string(CertificateFingerprint),
}

func (f *CertificateField) example() string { return `"san_uri"` }

func (f *CertificateField) parse(text string) *mistake {
	if text == "" {
		*f = ""
		return nil
	}
	m := oneOf(text, certificateFields, "is not a part of a certificate that says who calls")
	if m == nil {
		*f = CertificateField(text)
	}
	return m
}
