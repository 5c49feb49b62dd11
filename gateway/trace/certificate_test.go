package trace_test

import (
	"strings"
	"testing"

	"nexus/gateway/trace"
)

// TestCertificateSentences holds the words about client certificates against what an operator needs: what was looked for,
// what was found, and who must change what.
func TestCertificateSentences(t *testing.T) {
	const require, source = "server.tls.client_auth", "server.client_identification.client_id.client_certificate"
	shown := func(verdict trace.Verdict, finding trace.Finding, key string) trace.Step {
		return trace.Step{Name: trace.ClientCertificate, Verdict: verdict, Finding: finding, Key: key}
	}
	named := func(finding trace.Finding, field string, near ...string) trace.Step {
		return trace.Step{Name: trace.ClientID, Verdict: trace.Failed, Source: trace.Certificate, Finding: finding, Key: field, Near: near}
	}
	tests := []struct {
		step trace.Step
		says []string
	}{
		{shown(trace.Skipped, trace.NotConfigured, ""), []string{"no client certificate is asked for"}},
		{shown(trace.Passed, trace.Found, ""), []string{"an authority in server.tls.client_ca has signed it"}},
		{shown(trace.Failed, trace.Absent, require), []string{"showed no client certificate", "because of " + require, "the caller must show one"}},
		{shown(trace.Failed, trace.CertificateUnknown, source), []string{"no authority in server.tls.client_ca", "because of " + source, "those that lead to it", "must have the authority"}},
		{shown(trace.Failed, trace.CertificateExpired, source), []string{"expired or is not valid yet", "get a new one", "clocks"}},
		{shown(trace.Failed, trace.CertificateUnfit, source), []string{"is not one for clients", "clientAuth"}},
		{shown(trace.Skipped, trace.Absent, ""), []string{"showed no client certificate", "none is needed"}},
		{shown(trace.Skipped, trace.CertificateUnknown, ""), []string{"counts as none", "none is needed"}},

		{trace.Step{Name: trace.ClientID, Verdict: trace.Passed, Source: trace.Certificate, Finding: trace.Found, Key: "san_uri", Value: "spiffe://example.org/alice"},
			[]string{`name of type URI says "spiffe://example.org/alice"`}},
		{named(trace.Absent, "san_uri", "san_dns", "fingerprint"), []string{"looked for the client certificate's name of type URI (san_uri); it has none; what the certificate has is san_dns, fingerprint", source}},
		{named(trace.Empty, "subject_cn", "fingerprint"), []string{"common name (subject_cn); it is empty"}},
		{named(trace.Repeated, "san_dns"), []string{"name of type DNS occurs more than once", "exactly once", source}},
		{named(trace.TooLong, "san_email"), []string{"name of type e-mail address is longer than 256 bytes", "shorter client id"}},
		{named(trace.Unprintable, "subject_cn"), []string{"common name holds control characters", "plain text"}},
		{named(trace.OddURI, "san_uri"), []string{"not in its plain form", "small letters"}},
		{named(trace.SignsOthers, "san_uri"), []string{"SPIFFE ID", "CA:TRUE", "keyCertSign"}},
	}
	for _, tt := range tests {
		got := tt.step.Sentence()
		for _, want := range tt.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s %d: %q says nothing of %q", tt.step.Name, tt.step.Finding, got, want)
			}
		}
	}
}
