package identity_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"testing"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/trace"
)

// certified is an identification by a field of the client certificate, with a group in a header.
func certified(field config.CertificateField) *config.ClientIdentification {
	return &config.ClientIdentification{
		Enabled:    true,
		ClientID:   config.ClientSource{ClientCertificate: field},
		GroupID:    config.Source{HTTPHeader: "X-User-Tier"},
		Validation: config.Validation{GroupValues: []string{"free", "pro"}},
	}
}

// alternatives is the template of a certificate for clients whose names of type URI are just these texts.
func alternatives(t *testing.T, uris ...string) x509.Certificate {
	var names []asn1.RawValue
	for _, uri := range uris {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)})
	}
	value, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return x509.Certificate{
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}},
	}
}

// TestWhoACertificateNames, by each of its fields.
func TestWhoACertificateNames(t *testing.T) {
	const uri, dns, email, cn = config.CertificateURI, config.CertificateDNS, config.CertificateEmail, config.CertificateCommonName
	alice := client("spiffe://example.org/alice")
	whole := with(alice, func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.EmailAddresses = pkix.Name{CommonName: "Alice"}, []string{"alice.example.org"}, []string{"alice@example.org"}
	})
	dnsNames := func(names ...string) x509.Certificate {
		return with(x509.Certificate{}, func(c *x509.Certificate) { c.DNSNames = names })
	}
	for name, tt := range map[string]struct {
		field    config.CertificateField
		template x509.Certificate
		want     string
		finding  trace.Finding // Found where it is not said
		says     string
	}{
		"a SPIFFE ID":                         {field: uri, template: alice, want: "spiffe://example.org/alice", says: `says "spiffe://example.org/alice"`},
		"a URI among others of its own":       {field: uri, template: whole, want: "spiffe://example.org/alice"},
		"a DNS name":                          {field: dns, template: whole, want: "alice.example.org"},
		"an e-mail address":                   {field: email, template: whole, want: "alice@example.org"},
		"a common name":                       {field: cn, template: whole, want: "Alice"},
		"another URI, letter by letter":       {field: uri, template: alternatives(t, "https://Example.org/a%2Fb?q=1#x"), want: "https://Example.org/a%2Fb?q=1#x"},
		"a URN":                               {field: uri, template: alternatives(t, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), want: "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		"256 bytes":                           {field: cn, template: subject(commonName(strings.Repeat("a", 256))), want: strings.Repeat("a", 256)},
		"letters of another alphabet":         {field: cn, template: subject(commonName("Ålice")), want: "Ålice"},
		"white space around it is cut":        {field: cn, template: subject(commonName("  alice ")), want: "alice"},
		"no URI":                              {field: uri, template: with(whole, func(c *x509.Certificate) { c.URIs = nil }), finding: trace.Absent, says: "(san_uri); it has none; what the certificate has is san_dns, san_email, subject_cn, fingerprint"},
		"no DNS name":                         {field: dns, template: alice, finding: trace.Absent, says: "what the certificate has is san_uri, fingerprint"},
		"no e-mail address":                   {field: email, template: alice, finding: trace.Absent},
		"an e-mail address in the subject":    {field: email, template: subject(pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "alice@example.org"}), finding: trace.Absent},
		"no common name":                      {field: cn, template: alice, finding: trace.Absent},
		"a blank common name":                 {field: cn, template: subject(commonName(" ")), finding: trace.Empty, says: "it is empty"},
		"two URIs":                            {field: uri, template: alternatives(t, "spiffe://example.org/alice", "spiffe://example.org/bob"), finding: trace.Repeated, says: "more than once"},
		"twice the same URI":                  {field: uri, template: alternatives(t, "spiffe://example.org/alice", "spiffe://example.org/alice"), finding: trace.Repeated},
		"two DNS names":                       {field: dns, template: dnsNames("a.example.org", "b.example.org"), finding: trace.Repeated},
		"two e-mail addresses":                {field: email, template: x509.Certificate{EmailAddresses: []string{"a@example.org", "b@example.org"}}, finding: trace.Repeated},
		"two common names":                    {field: cn, template: subject(commonName("alice"), commonName("bob")), finding: trace.Repeated},
		"a common name and a blank one":       {field: cn, template: subject(commonName(""), commonName("bob")), finding: trace.Repeated},
		"257 bytes":                           {field: cn, template: subject(commonName(strings.Repeat("a", 257))), finding: trace.TooLong, says: "256 bytes"},
		"a long SPIFFE ID":                    {field: uri, template: client("spiffe://example.org/" + strings.Repeat("a", 300)), finding: trace.TooLong},
		"a line break":                        {field: cn, template: subject(commonName("alice\nbob")), finding: trace.Unprintable, says: "control characters"},
		"a null byte":                         {field: dns, template: dnsNames("alice\x00.example.org"), finding: trace.Unprintable},
		"a scheme in capitals":                {field: uri, template: alternatives(t, "SPIFFE://example.org/alice"), finding: trace.OddURI, says: "plain form"},
		"an empty fragment":                   {field: uri, template: alternatives(t, "spiffe://example.org/alice#"), finding: trace.OddURI},
		"a letter that need not be escaped":   {field: uri, template: alternatives(t, "spiffe://example.org:/al\"ice"), finding: trace.OddURI},
		"a SPIFFE ID that may sign others":    {field: uri, template: with(authority(""), func(c *x509.Certificate) { c.URIs = alice.URIs }), finding: trace.SignsOthers, says: "CA:TRUE"},
		"a SPIFFE ID with an authority's use": {field: uri, template: with(alice, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }), finding: trace.SignsOthers},
		"a pinned one that may sign others":   {field: cn, template: authority("alice"), want: "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			root := (*issued)(nil).sign(t, authority("root"))
			a, leaf := believing(t, keyOfSource, root), root.sign(t, tt.template)
			p := a.Prove(shown(leaf), noon)
			if err := a.Admit(p, noon, &trace.Trace{}); err != nil {
				t.Fatal(err)
			}
			if tt.finding == 0 {
				tt.finding = trace.Found
			}
			holdsCertified(t, tt.field, p, tt.want, tt.finding, tt.says)
			sum := sha256.Sum256(leaf.Raw)
			holdsCertified(t, config.CertificateFingerprint, p, hex.EncodeToString(sum[:]), trace.Found, "fingerprint says")
		})
	}
}

// holdsCertified is what a field of a proven certificate leads to.
func holdsCertified(t *testing.T, field config.CertificateField, p *identity.Proof, want string, finding trace.Finding, says string) {
	t.Helper()
	var tr trace.Trace
	client, err := identity.Compile(certified(field)).Identify(identity.Evidence{Header: headers("X-User-Tier", "pro"), Proof: p}, &tr)
	step := &tr.Steps()[0]
	if step.Name != trace.ClientID || step.Source != trace.Certificate || step.Key != string(field) || step.Finding != finding {
		t.Fatalf("%s: %s: %q", field, step.Verdict, step.Sentence())
	}
	if !strings.Contains(step.Sentence(), says) {
		t.Errorf("%s: %q says nothing of %q", field, step.Sentence(), says)
	}
	if client.ID != want || step.Value != want {
		t.Errorf("%s: client id %q, in the trace %q, want %q", field, client.ID, step.Value, want)
	}
	var refusal *identity.Refusal
	if errors.As(err, &refusal) != (finding != trace.Found) {
		t.Fatalf("%s: error %v", field, err)
	}
	switch {
	case refusal == nil:
		if client.Group != "pro" {
			t.Errorf("%s: group %q", field, client.Group)
		}
	case refusal.Key != keyOfSource:
		t.Errorf("%s: refused by %s", field, refusal.Key)
	case (refusal.Reason == trace.ClientIDMissing) != (finding == trace.Absent || finding == trace.Empty):
		t.Errorf("%s: refused for %s", field, refusal.Reason)
	case refusal.Reason != trace.ClientIDMissing && refusal.Reason != trace.ClientIDInvalid:
		t.Errorf("%s: refused for %s", field, refusal.Reason)
	}
}

// TestWhatIsNotBelievedNamesNobody: whoever asks without having been admitted learns no name.
func TestWhatIsNotBelievedNamesNobody(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	strange := (*issued)(nil).sign(t, authority("root")).sign(t, client("spiffe://example.org/alice"))
	a := believing(t, "", root)
	for name, p := range map[string]*identity.Proof{"nothing": nil, "a stranger's": a.Prove(shown(strange), noon)} {
		for _, field := range []config.CertificateField{config.CertificateURI, config.CertificateFingerprint} {
			var tr trace.Trace
			client, err := identity.Compile(certified(field)).Identify(identity.Evidence{Proof: p}, &tr)
			var refusal *identity.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != trace.ClientIDMissing || client != (identity.Client{}) {
				t.Errorf("%s, %s: %+v, %v", name, field, client, err)
			}
			if says := tr.Steps()[0].Sentence(); strings.Contains(says, "alice") {
				t.Errorf("%s, %s: %q", name, field, says)
			}
		}
	}
}

// TestAProofKeepsNoCertificate: it lives as long as its connection, and the names in it as long as their traces.
func TestAProofKeepsNoCertificate(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	a := believing(t, keyOfSource, root)
	der := root.sign(t, with(client("spiffe://example.org/alice"), func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: make([]byte, 60_000)}}
	})).Raw
	before := heap()
	var kept []*identity.Proof
	for range 200 {
		cert, err := x509.ParseCertificate(append([]byte(nil), der...))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, a.Prove([]*x509.Certificate{cert}, noon))
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d proofs keep %d KiB", len(kept), grown>>10)
	}
	runtime.KeepAlive(kept)
}

// TestACallerWithAKnownCertificateCostsNoMemory, nor does one without a certificate where none is needed.
func TestACallerWithAKnownCertificateCostsNoMemory(t *testing.T) {
	root := (*issued)(nil).sign(t, authority("root"))
	leaf := root.sign(t, client("spiffe://example.org/alice"))
	for name, tt := range map[string]struct {
		key   string
		shown []*x509.Certificate
		cfg   *config.ClientIdentification
	}{
		"a known certificate": {keyOfSource, shown(leaf), certified(config.CertificateURI)},
		"none is needed":      {"", nil, tiered()},
	} {
		a, id := believing(t, tt.key, root), identity.Compile(tt.cfg)
		p, h := a.Prove(tt.shown, noon), headers("X-Client-ID", "alice", "X-User-Tier", "pro")
		var tr trace.Trace
		if got := testing.AllocsPerRun(200, func() {
			tr = trace.Trace{}
			if err := a.Admit(p, noon, &tr); err != nil {
				t.Fatal(err)
			}
			if _, err := id.Identify(identity.Evidence{Header: h, Proof: p}, &tr); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
		if got := testing.AllocsPerRun(200, func() { a.Prove(nil, noon) }); got != 0 {
			t.Errorf("%s: to prove nothing takes %v allocations", name, got)
		}
	}
}

// BenchmarkIdentifyByCertificate is all that identifies a caller by a certificate that its connection showed before.
func BenchmarkIdentifyByCertificate(b *testing.B) {
	root := (*issued)(nil).sign(b, authority("root"))
	a, id := believing(b, keyOfSource, root), identity.Compile(certified(config.CertificateURI))
	p, h := a.Prove(shown(root.sign(b, client("spiffe://example.org/alice"))), noon), headers("X-User-Tier", "pro")
	var tr trace.Trace
	b.ReportAllocs()
	for b.Loop() {
		tr = trace.Trace{}
		if err := a.Admit(p, noon, &tr); err != nil {
			b.Fatal(err)
		}
		if _, err := id.Identify(identity.Evidence{Header: h, Proof: p}, &tr); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProve is what a connection's certificate costs once.
func BenchmarkProve(b *testing.B) {
	root := (*issued)(nil).sign(b, authority("root"))
	between := root.sign(b, authority("between"))
	chain, a := shown(between.sign(b, client("spiffe://example.org/alice")), between), believing(b, keyOfSource, root)
	b.ReportAllocs()
	for b.Loop() {
		if a.Prove(chain, noon) == nil {
			b.Fatal("nothing came of it")
		}
	}
}
