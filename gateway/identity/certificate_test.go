package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"nexus/gateway/identity"
	"nexus/gateway/trace"
)

// issued is a certificate with its key, so that it can sign others.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// sign issues a certificate. It is valid from an hour before noon for two hours, unless the template says otherwise; the
// nil issued lets it sign itself.
func (by *issued) sign(t testing.TB, template x509.Certificate) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore = noon.Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = noon.Add(time.Hour)
	}
	parent, signer := &template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key}
}

// authority is a template of a certificate that signs others.
func authority(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
}

// client is a template of a certificate for clients with one name of type URI.
func client(uri string) x509.Certificate {
	parsed, err := url.Parse(uri)
	if err != nil {
		panic(err)
	}
	return x509.Certificate{
		URIs: []*url.URL{parsed}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// subject is the template of a certificate for clients with a subject of these attributes.
func subject(attributes ...pkix.AttributeTypeAndValue) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{ExtraNames: attributes}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func commonName(text any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: text}
}

// with is a template with a change.
func with(template x509.Certificate, change func(*x509.Certificate)) x509.Certificate {
	change(&template)
	return template
}

// believing gives the authorities of a bundle; with the key a certificate of theirs is needed.
func believing(t testing.TB, key string, certs ...*issued) *identity.Authorities {
	t.Helper()
	var bundle []byte
	for _, cert := range certs {
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	a, err := identity.CompileAuthorities(bundle, key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func shown(certs ...*issued) (all []*x509.Certificate) {
	for _, cert := range certs {
		all = append(all, cert.Certificate)
	}
	return all
}

const keyOfSource = "server.client_identification.client_id.client_certificate"

// TestWhoseCertificatesAreBelieved holds what connections can show against the step client_certificate.
func TestWhoseCertificatesAreBelieved(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	twin := (*issued)(nil).sign(t, authority("root"))
	between := root.sign(t, authority("between"))
	ended := root.sign(t, with(authority("ended"), func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Minute) }))
	serversOnly := root.sign(t, with(authority("servers"), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))
	narrow := root.sign(t, with(authority("narrow"), func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.org"} }))
	noDeeper := root.sign(t, with(authority("no deeper"), func(c *x509.Certificate) { c.MaxPathLenZero = true }))
	deeper := noDeeper.sign(t, authority("deeper"))
	alice := client("spiffe://example.org/alice")
	leaf := root.sign(t, alice)
	old := (*issued)(nil).sign(t, with(authority("old"), func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Minute) }))
	late := with(alice, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Minute) })
	early := with(alice, func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Minute) })

	for name, tt := range map[string]struct {
		shown []*x509.Certificate
		want  trace.Finding
	}{
		"of our authority":                            {shown(leaf), trace.Found},
		"nothing":                                     {nil, trace.Absent},
		"for no use in particular":                    {shown(root.sign(t, with(alice, func(c *x509.Certificate) { c.ExtKeyUsage = nil }))), trace.Found},
		"by one in between, which is shown":           {shown(between.sign(t, alice), between), trace.Found},
		"by one in between, with strangers around":    {shown(between.sign(t, alice), twin, leaf, between), trace.Found},
		"by one in between, which is not shown":       {shown(between.sign(t, alice)), trace.CertificateUnknown},
		"by one in between, as the eleventh":          {shown(between.sign(t, alice), twin, twin, twin, twin, twin, twin, twin, twin, twin, between), trace.CertificateUnknown},
		"of an authority that is called like ours":    {shown(twin.sign(t, alice)), trace.CertificateUnknown},
		"the same, and it shows itself, too":          {shown(twin.sign(t, alice), twin), trace.CertificateUnknown},
		"signed by itself":                            {shown((*issued)(nil).sign(t, alice)), trace.CertificateUnknown},
		"signed by a caller of ours":                  {shown(leaf.sign(t, alice), leaf), trace.CertificateUnknown},
		"ended":                                       {shown(root.sign(t, late)), trace.CertificateExpired},
		"not begun":                                   {shown(root.sign(t, early)), trace.CertificateExpired},
		"by one in between that has ended":            {shown(ended.sign(t, alice), ended), trace.CertificateExpired},
		"of our authority, which has ended":           {shown(old.sign(t, alice)), trace.CertificateExpired},
		"ended, and a stranger's":                     {shown(twin.sign(t, late)), trace.CertificateUnknown},
		"for servers alone":                           {shown(root.sign(t, with(alice, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))), trace.CertificateUnfit},
		"by one in between that is for servers alone": {shown(serversOnly.sign(t, alice), serversOnly), trace.CertificateUnfit},
		"a name that its authority may give":          {shown(narrow.sign(t, alice), narrow), trace.Found},
		"a name that its authority may not give":      {shown(narrow.sign(t, client("spiffe://example.com/alice")), narrow), trace.CertificateUnfit},
		"a rule that nobody knows":                    {shown(root.sign(t, with(alice, func(c *x509.Certificate) { c.ExtraExtensions = unknownRule }))), trace.CertificateUnfit},
		"by one too many in between":                  {shown(deeper.sign(t, alice), deeper, noDeeper), trace.CertificateUnfit},
		"an authority's own":                          {shown(between), trace.Found},
	} {
		t.Run(name, func(t *testing.T) {
			a := believing(t, keyOfSource, root, old)
			var tr trace.Trace
			err := a.Admit(a.Prove(tt.shown, noon), noon, &tr)
			step, verdict := tr.Steps()[0], trace.Failed
			if tt.want == trace.Found {
				verdict = trace.Passed
			}
			if step.Name != trace.ClientCertificate || step.Verdict != verdict || step.Finding != tt.want {
				t.Fatalf("%s %s: %q", step.Name, step.Verdict, step.Sentence())
			}
			var refusal *identity.Refusal
			if errors.As(err, &refusal) != (tt.want != trace.Found) {
				t.Fatalf("error %v", err)
			}
			if refusal != nil && (refusal.Reason != trace.ClientCertificateMissing || refusal.Key != keyOfSource || step.Key != keyOfSource) {
				t.Errorf("refused for %s by %s", refusal.Reason, refusal.Key)
			}

			may, fresh := believing(t, "", root, old), trace.Trace{}
			if err := may.Admit(may.Prove(tt.shown, noon), noon, &fresh); err != nil {
				t.Errorf("where none is needed: %v", err)
			}
			step = fresh.Steps()[0]
			if (step.Verdict == trace.Passed) != (tt.want == trace.Found) || step.Verdict == trace.Failed || step.Finding != tt.want {
				t.Errorf("where none is needed: %s: %q", step.Verdict, step.Sentence())
			}
		})
	}
}

// unknownRule is an extension that whoever does not know it must not pass over.
var unknownRule = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}

// TestNobodyIsAskedWithoutAuthorities, and nothing of what a connection shows is looked at.
func TestNobodyIsAskedWithoutAuthorities(t *testing.T) {
	var a *identity.Authorities
	var tr trace.Trace
	root := (*issued)(nil).sign(t, authority("root"))
	if err := a.Admit(a.Prove(shown(root), noon), noon, &tr); err != nil {
		t.Fatal(err)
	}
	if step := tr.Steps()[0]; step.Verdict != trace.Skipped || step.Finding != trace.NotConfigured {
		t.Errorf("%s: %q", step.Verdict, step.Sentence())
	}
}

// TestAProofHoldsAsLongAsItsChain: a connection stays open for longer than what it has shown is valid, or is there before
// it begins.
func TestAProofHoldsAsLongAsItsChain(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	span := func(template x509.Certificate, from, until int) x509.Certificate {
		return with(template, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = at(from), at(until) })
	}
	root := (*issued)(nil).sign(t, span(authority("root"), -60, 60))
	short := root.sign(t, span(authority("short"), -60, 10))
	alice := client("spiffe://example.org/alice")
	for name, tt := range map[string]struct {
		shown       []*x509.Certificate
		from, until int // minutes around noon, the first and the last at which it holds
	}{
		"its own end":                        {shown(root.sign(t, span(alice, -5, 5))), -5, 5},
		"the end of one in between":          {shown(short.sign(t, span(alice, -5, 50)), short), -5, 10},
		"the end of the authority":           {shown(root.sign(t, span(alice, -5, 90))), -5, 60},
		"it begins in a minute":              {shown(root.sign(t, span(alice, 1, 5))), 1, 5},
		"an authority begins after its leaf": {shown(root.sign(t, span(authority("young"), 2, 50)).sign(t, span(alice, -5, 5))), 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			a := believing(t, keyOfSource, root)
			p := a.Prove(tt.shown, noon)
			for minute := -65; minute <= 95; minute++ {
				err := a.Admit(p, at(minute), &trace.Trace{})
				if want := minute >= tt.from && minute <= tt.until; (err == nil) != want {
					t.Errorf("%d minutes from noon: %v", minute, err)
				}
			}
			if tt.until > 0 {
				if err := a.Admit(p, at(tt.until).Add(time.Second), &trace.Trace{}); err == nil {
					t.Error("a second after the end it still holds")
				}
			}
		})
	}
}

// TestTheLongestOfSeveralChainsCounts: while an authority's certificate is renewed, a caller may show both.
func TestTheLongestOfSeveralChainsCounts(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	first := root.sign(t, with(authority("between"), func(c *x509.Certificate) { c.NotAfter = noon.Add(time.Minute) }))
	again := with(authority("between"), func(c *x509.Certificate) {
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(2), noon.Add(-time.Minute), noon.Add(30*time.Minute)
	})
	der, err := x509.CreateCertificate(rand.Reader, &again, root.Certificate, &first.key.PublicKey, root.key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := first.sign(t, client("spiffe://example.org/alice"))
	a := believing(t, keyOfSource, root)
	for _, chain := range [][]*x509.Certificate{{leaf.Certificate, first.Certificate, second}, {leaf.Certificate, second, first.Certificate}} {
		p := a.Prove(chain, noon)
		if err := a.Admit(p, noon.Add(29*time.Minute), &trace.Trace{}); err != nil {
			t.Error(err)
		}
		if err := a.Admit(p, noon.Add(31*time.Minute), &trace.Trace{}); err == nil {
			t.Error("it holds for longer than any chain")
		}
	}
}

// TestABundleMustHoldCertificates: none, or one that cannot be read, is not taken for nobody.
func TestABundleMustHoldCertificates(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw[:100]}))
	other := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}))
	for _, bundle := range []string{"", "no certificate", other, broken, good + broken} {
		if _, err := identity.CompileAuthorities([]byte(bundle), ""); err == nil {
			t.Errorf("taken: %q", bundle)
		}
	}
	for _, bundle := range []string{good, "a note\n" + other + good, strings.ReplaceAll(good, "\n", "\r\n")} {
		if _, err := identity.CompileAuthorities([]byte(bundle), ""); err != nil {
			t.Error(err)
		}
	}
}
