package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/upstream"
)

func TestProvidersThatCannotBeReached(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	plain := servePeer(t, func(_ *peer, c *peerConn) { c.say("HTTP/1.0 400 no\r\n\r\n") })
	hangsUp := servePeer(t, func(*peer, *peerConn) {})
	for base, want := range map[string]string{
		"http://" + gone.Addr().String() + "/" + canary:    "connection refused",
		strings.Replace(plain.URL, "http:", "https:", 1):   "TLS: the provider does not speak it",
		strings.Replace(hangsUp.URL, "http:", "https:", 1): "the connection was closed before it was ready",
		hangsUp.URL:                     "the connection was closed before an answer came",
		"http://" + canary + ".invalid": "no such host",
		"http://" + canary + ":x":       "the base URL cannot be read",
		canary:                          "the base URL cannot be read",
	} {
		client := open(t, upstream.Settings{BaseURL: base})
		counted := &keeper{}
		_, err := client.Do(t.Context(), kept(counted, large(40<<10)))
		var unreachable *llm.UnreachableError
		if !errors.As(err, &unreachable) {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if unreachable.Why != want && (want != "no such host" || unreachable.Why != "the host's name could not be looked up") {
			t.Errorf("%s: %q, want %q", base, unreachable.Why, want)
		}
		harmlessBut(t, err)
		counted.balanced(t)
	}
}

func TestConnectingHasItsOwnTimeout(t *testing.T) {
	silent := servePeer(t, func(_ *peer, c *peerConn) { c.linger() }) // takes the connection, and never shakes hands
	client := open(t, upstream.Settings{
		BaseURL: strings.Replace(silent.URL, "http:", "https:", 1), ConnectTimeout: 50 * time.Millisecond,
	})
	counted := &keeper{}
	_, err := client.Do(t.Context(), kept(counted, large(40<<10)))
	var late *llm.TimeoutError
	if !errors.As(err, &late) || late.Key != "connect_timeout" || late.Waited != 50*time.Millisecond {
		t.Fatal(err)
	}
	counted.balanced(t)
}

func TestCertificatesAreChecked(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.NegotiatedProtocol == "h2" || r.ProtoMajor != 1 {
			t.Errorf("spoken was %s", r.Proto)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(large(200 << 10))
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	client, end := upstream.OpenTrusting(upstream.Settings{BaseURL: server.URL}, roots)
	defer end()
	counted := &keeper{}
	for range 3 {
		answer, err := client.Do(t.Context(), kept(counted, large(100<<10), large(100<<10)))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := answer.ReadAll(nil, 1<<20); err != nil || len(body) != 200<<10 {
			t.Errorf("%d bytes: %v", len(body), err)
		}
		answer.Close()
	}
	counted.balanced(t)

	untrusting := open(t, upstream.Settings{BaseURL: server.URL})
	_, err := untrusting.Do(t.Context(), chat("{}"))
	if err == nil || err.Error() != "the provider could not be reached: TLS: the certificate is not trusted" {
		t.Error(err)
	}
	elsewhere, end := upstream.OpenTrusting(upstream.Settings{BaseURL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}, roots)
	defer end()
	_, err = elsewhere.Do(t.Context(), chat("{}"))
	if err == nil || err.Error() != "the provider could not be reached: TLS: the certificate is for another name" {
		t.Error(err)
	}
}

func TestRefusalsByMeansOfTLS(t *testing.T) {
	for want, settings := range map[string]*tls.Config{
		"TLS: the provider refused the connection":              {ClientAuth: tls.RequireAnyClientCert},
		"TLS: the certificate has expired, or is not valid yet": {Certificates: []tls.Certificate{expired(t)}},
	} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = settings
		server.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		client, end := upstream.OpenTrusting(upstream.Settings{BaseURL: server.URL}, roots)
		_, err := client.Do(t.Context(), chat("{}"))
		// A refusal may be overtaken by the end of its connection.
		if err == nil || err.Error() != "the provider could not be reached: "+want &&
			(settings.ClientAuth == 0 || err.Error() != "the provider could not be reached: the connection was closed before an answer came") {
			t.Errorf("%v, want %s", err, want)
		}
		end()
		server.Close()
	}
}

// expired is a certificate of the day before yesterday.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
