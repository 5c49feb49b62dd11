package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"strings"

	"nexus/config"
	"nexus/gateway/trace"
)

// fields are the fields of a certificate that can say who calls, in the order of [Proof].
var fields = [fieldCount]config.CertificateField{
	config.CertificateURI, config.CertificateDNS, config.CertificateEmail, config.CertificateCommonName, config.CertificateFingerprint,
}

const fieldCount = 5

// name is what one field of a certificate says.
type name struct {
	text    string        // owns its bytes; empty: it says nothing
	finding trace.Finding // Found, or why it says nothing
}

// findCertified gives what the field of the caller's certificate says, or "" where that is nothing, and notes the step.
// Whether there is a certificate, whose, and whether it holds at this moment is the step before: [Authorities.Admit].
func (s *source) findCertified(p *Proof, tr *trace.Trace) (string, *Refusal) {
	if p == nil || p.finding != trace.Found {
		s.fail(tr, trace.Absent)
		return "", nil
	}
	found := &p.names[s.certificate-1]
	switch found.finding {
	case trace.Found:
		s.note(tr, trace.Passed, trace.Found).Value = found.text
		return found.text, nil
	case trace.Absent, trace.Empty:
		s.fail(tr, found.finding).Near = p.speaking()
		return "", nil
	}
	s.fail(tr, found.finding)
	return "", s.invalid
}

// speaking are the fields that say something, as the configuration spells them.
func (p *Proof) speaking() []string {
	names := make([]string, 0, fieldCount)
	for i, field := range fields {
		if p.names[i].finding == trace.Found {
			names = append(names, string(field))
		}
	}
	return names
}

// namesOf reads all fields of a certificate.
func namesOf(cert *x509.Certificate) (names [fieldCount]name) {
	for i, field := range fields {
		names[i] = read(cert, field)
	}
	return names
}

// read gives what a field of a certificate says.
func read(cert *x509.Certificate, field config.CertificateField) name {
	values, finding := valuesOf(cert, field)
	if len(values) == 0 {
		return name{finding: trace.Absent}
	}
	value := strings.TrimSpace(values[0])
	if len(values) == 1 && value == "" {
		return name{finding: trace.Empty}
	}
	if found := examine(values, value); found != trace.Found {
		return name{finding: found}
	}
	if finding != trace.Found {
		return name{finding: finding}
	}
	return name{text: strings.Clone(value), finding: trace.Found}
}

// valuesOf gives all that a field says, and what else speaks against it.
func valuesOf(cert *x509.Certificate, field config.CertificateField) ([]string, trace.Finding) {
	switch field {
	case config.CertificateURI:
		return urisOf(cert)
	case config.CertificateDNS:
		return cert.DNSNames, trace.Found
	case config.CertificateEmail:
		return cert.EmailAddresses, trace.Found
	case config.CertificateCommonName:
		return commonNames(cert), trace.Found
	}
	sum := sha256.Sum256(cert.Raw)
	return []string{hex.EncodeToString(sum[:])}, trace.Found
}

// urisOf gives the names of type URI as they stand in the certificate. One that is not written as its parts are, with a
// scheme in capitals or an empty fragment, speaks against itself: another reader could take it for somebody else's. So
// does a SPIFFE ID in a certificate that may sign others (X509-SVID, section 5.2).
func urisOf(cert *x509.Certificate) ([]string, trace.Finding) {
	uris := written(cert)
	switch {
	case len(uris) != len(cert.URIs):
		return uris, trace.OddURI
	case len(uris) == 0:
		return nil, trace.Absent
	case uris[0] != cert.URIs[0].String():
		return uris, trace.OddURI
	case cert.URIs[0].Scheme == "spiffe" && (cert.IsCA || cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0):
		return uris, trace.SignsOthers
	}
	return uris, trace.Found
}

// written are the names of type URI, letter by letter (RFC 5280, section 4.2.1.6). The library has only their parts.
func written(cert *x509.Certificate) (uris []string) {
	const ofTypeURI = 6
	alternative := asn1.ObjectIdentifier{2, 5, 29, 17}
	for _, extension := range cert.Extensions {
		var names []asn1.RawValue
		if !extension.Id.Equal(alternative) {
			continue
		}
		if _, err := asn1.Unmarshal(extension.Value, &names); err != nil {
			return nil
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == ofTypeURI {
				uris = append(uris, string(n.Bytes))
			}
		}
	}
	return uris
}

// commonNames are all there are: a subject may have several, and readers do not agree on which one counts.
func commonNames(cert *x509.Certificate) (names []string) {
	commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
	for _, attribute := range cert.Subject.Names {
		if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(commonName) {
			names = append(names, text)
		}
	}
	return names
}
