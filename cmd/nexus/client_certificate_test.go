package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// byCertificate is a file in which callers are known by their certificates.
func byCertificate(server gatewaytest.Issued, clientCA, clientAuth string) string {
	return fmt.Sprintf(`
[server.tls]
certificate = %q
key = %q
client_ca = %q
client_auth = %q
[server.client_identification]
client_id.client_certificate = "san_uri"
[llm.providers.demo]
type = "demo"
[llm.providers.demo.models.demo-small]
`, server.Certificate, server.Key, clientCA, clientAuth)
}

// shownJSON is what the tests need of a refusal's body, or of a trace.
type shownJSON struct {
	Error    struct{ Code, Message string }
	ClientID *string `json:"client_id"`
	Reason   *string
	Steps    []struct{ Name, Verdict, Text string }
}

// reads sends a request with an id and reads the JSON of the answer.
func reads(t *testing.T, client *http.Client, url, id string) (answer *http.Response, body shownJSON) {
	t.Helper()
	call, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		call.Header.Set("X-Request-ID", id)
	}
	if answer, err = client.Do(call); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(text, &body) // what is not JSON has none of it
	return answer, body
}

// withCertificate is a client that shows one, over HTTP/1.1 or HTTP/2.
func withCertificate(t *testing.T, trust *tls.Config, issued gatewaytest.Issued, http2 bool) *http.Client {
	t.Helper()
	config := trust.Clone()
	// Not by Certificates: the library would show none to a server that names other authorities.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &issued.Pair, nil }
	return clientTLS(t, config, http2)
}

// step is what a trace says of one step.
func (b shownJSON) step(name string) string {
	for _, s := range b.Steps {
		if s.Name == name {
			return s.Verdict + ": " + s.Text
		}
	}
	return ""
}

const modelsPath = "/llm/v1/models"

// TestASPIFFECertificateSaysWhoCalls, and one of another authority says nothing.
func TestASPIFFECertificateSaysWhoCalls(t *testing.T) {
	ca, clients, strangers := gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t)
	alice, eve := clients.SPIFFE(t, "spiffe://example.org/alice"), strangers.SPIFFE(t, "spiffe://example.org/alice")
	trust := &tls.Config{RootCAs: ca.Pool}
	n, nobody := startTLS(t, byCertificate(ca.Server(t), clients.Path, "request"), trust)

	for _, http2 := range []bool{false, true} {
		id := fmt.Sprintf("known-%v", http2)
		known := withCertificate(t, trust, alice, http2)
		if answer, _ := reads(t, known, n.URL+modelsPath, id); answer.StatusCode != 200 || (answer.ProtoMajor == 2) != http2 {
			t.Errorf("%s: %s %s", id, answer.Proto, answer.Status)
		}
		_, trace := reads(t, nobody, n.URL+"/admin/api/traces/"+id, "")
		if trace.ClientID == nil || *trace.ClientID != "spiffe://example.org/alice" || !strings.HasPrefix(trace.step("client_certificate"), "passed") {
			t.Errorf("%s: %+v", id, trace)
		}
	}
	for id, client := range map[string]*http.Client{"none": nobody, "strange": withCertificate(t, trust, eve, true)} {
		answer, body := reads(t, client, n.URL+modelsPath, id)
		if answer.StatusCode != 400 || body.Error.Code != "missing_client_id" || body.Error.Message != "Client identification is required" {
			t.Errorf("%s: %s %+v", id, answer.Status, body.Error)
		}
		_, trace := reads(t, nobody, n.URL+"/admin/api/traces/"+id, "")
		if trace.Reason == nil || *trace.Reason != "client_certificate_missing" || !strings.HasPrefix(trace.step("client_certificate"), "failed") {
			t.Errorf("%s: %+v", id, trace)
		}
		if answer, _ := reads(t, client, n.URL+"/health", ""); answer.StatusCode != 200 {
			t.Errorf("%s: health: %s", id, answer.Status)
		}
	}
}

// TestAnAuthorityThatAReloadRemovedCountsNoMore, also on a connection that was open before, whichever way it is asked for.
func TestAnAuthorityThatAReloadRemovedCountsNoMore(t *testing.T) {
	ca, before, after := gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t)
	server, trust := ca.Server(t), &tls.Config{RootCAs: ca.Pool}
	for _, auth := range []string{"require", "request"} {
		for _, byFile := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, the authority's own file changes: %v", auth, byFile), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "clients.pem")
				copyOver(t, before.Path, path)
				old, now := before.SPIFFE(t, "spiffe://example.org/alice"), after.SPIFFE(t, "spiffe://example.org/bob")
				shown := trust.Clone()
				shown.Certificates = append(shown.Certificates, old.Pair)
				n, _ := startTLS(t, byCertificate(server, path, auth), shown)
				h1, h2, probe := withCertificate(t, trust, old, false), withCertificate(t, trust, old, true), withCertificate(t, trust, old, false)
				for _, c := range []*http.Client{h1, h2, probe} {
					if answer, _ := reads(t, c, n.URL+modelsPath, ""); answer.StatusCode != 200 {
						t.Fatalf("before: %s", answer.Status)
					}
				}
				if byFile {
					copyOver(t, after.Path, path)
				} else if err := replace(n.ConfigPath, byCertificate(server, after.Path, auth)); err != nil {
					t.Fatal(err)
				}
				next := withCertificate(t, trust, now, true)
				await(t, "the new authority counts", func() bool {
					next.CloseIdleConnections()
					answer, err := next.Get(n.URL + modelsPath)
					if err != nil {
						return false
					}
					defer answer.Body.Close()
					return answer.StatusCode == 200
				})
				for _, c := range []*http.Client{h1, h2} {
					answer, body := reads(t, c, n.URL+modelsPath, "")
					if answer.StatusCode != 400 || body.Error.Code != "missing_client_id" {
						t.Errorf("on an open connection: %s %+v", answer.Status, body.Error)
					}
				}
				healthy := map[string]int{"require": 400, "request": 200}[auth]
				if answer, _ := reads(t, probe, n.URL+"/health", ""); answer.StatusCode != healthy || !answer.Close {
					t.Errorf("health on an open connection: %s, close %v", answer.Status, answer.Close)
				}
				for _, c := range []*http.Client{h1, h2} {
					await(t, "connections from before are closed", func() bool {
						answer, err := c.Get(n.URL + "/health")
						if err != nil {
							return auth == "require"
						}
						defer answer.Body.Close()
						return auth == "request" && answer.StatusCode == 200
					})
				}
			})
		}
	}
}

// TestWhereCertificatesAreRequiredNobodyGetsInWithoutOne, whatever the path.
func TestWhereCertificatesAreRequiredNobodyGetsInWithoutOne(t *testing.T) {
	ca, clients, strangers := gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t), gatewaytest.NewAuthority(t)
	trust := &tls.Config{RootCAs: ca.Pool}
	expired := clients.Issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "late"}, NotAfter: time.Now().Add(-time.Minute),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	shown := trust.Clone()
	shown.Certificates = []tls.Certificate{clients.SPIFFE(t, "spiffe://example.org/alice").Pair}
	n, known := startTLS(t, byCertificate(ca.Server(t), clients.Path, "require"), shown)
	for _, path := range []string{"/health", "/admin", modelsPath} {
		if answer, _ := reads(t, known, n.URL+path, ""); answer.StatusCode != 200 {
			t.Errorf("%s: %s", path, answer.Status)
		}
		for name, client := range map[string]*http.Client{
			"nothing": clientTLS(t, trust, true), "a stranger's": withCertificate(t, trust, strangers.SPIFFE(t, "spiffe://example.org/alice"), true),
			"an expired one": withCertificate(t, trust, expired, false),
		} {
			if answer, err := client.Get(n.URL + path); err == nil {
				_ = answer.Body.Close()
				t.Errorf("%s with %s: %s", path, name, answer.Status)
			}
		}
	}
	n.Await(t, "TLS handshake failed")
}
