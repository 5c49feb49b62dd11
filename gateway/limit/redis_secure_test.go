package limit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
	"nexus/gateway/limit"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	path string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.path, _, a.key = a.write("authority", a.cert, nil)
	return a
}

// issue makes a certificate for a host or a client, and gives the paths of its files.
func (a *authority) issue(name string, addresses ...net.IP) (cert, key string) {
	a.t.Helper()
	cert, key, _ = a.write(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: addresses,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.key)
	return cert, key
}

func (a *authority) write(name string, template *x509.Certificate, signer *ecdsa.PrivateKey) (certPath, keyPath string, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	a.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	a.must(err)
	certPath, keyPath = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	a.must(os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	a.must(os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certPath, keyPath, key
}

func (a *authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestTLSIsSpokenWithWhomeverTheAuthorityVouchesFor(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("server", net.IPv4(127, 0, 0, 1))
	other, otherKey := ca.issue("elsewhere", net.IPv4(192, 0, 2, 1))
	mine, mineKey := ca.issue("gateway")
	theirs, theirsKey := stranger.issue("gateway")
	pair, err := tls.LoadX509KeyPair(mine, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	const refused = "it refuses our certificate, or it hung up: it may refuse our certificate" // which, is a race
	plain := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	trusted := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{Certificate: cert, Key: key, Password: "secret-word"})
	elsewhere := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{Certificate: other, Key: otherKey})
	mutual := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{
		Certificate: cert, Key: key, ClientCA: ca.path, Client: []tls.Certificate{pair},
	})
	for _, test := range []struct {
		name, url string
		set       func(*limit.RedisSettings)
		why       string
	}{
		{"trusted", trusted.URL(), func(s *limit.RedisSettings) { s.CACert = ca.path }, ""},
		{"by any certificate", elsewhere.URL(), func(s *limit.RedisSettings) { s.Insecure = true }, ""},
		{"both ways", mutual.URL(), func(s *limit.RedisSettings) { s.CACert, s.ClientCert, s.ClientKey = ca.path, mine, mineKey }, ""},
		{"not trusted", trusted.URL(), func(s *limit.RedisSettings) { s.CACert = stranger.path }, "its certificate is not trusted"},
		{"of another host", elsewhere.URL(), func(s *limit.RedisSettings) { s.CACert = ca.path }, "its certificate is for another name"},
		{"without ours", mutual.URL(), func(s *limit.RedisSettings) { s.CACert = ca.path }, refused},
		{"with a stranger's", mutual.URL(), func(s *limit.RedisSettings) {
			s.CACert, s.ClientCert, s.ClientKey = ca.path, theirs, theirsKey
		}, refused},
		{"with clear text", strings.Replace(plain.URL(), "redis:", "rediss:", 1), func(*limit.RedisSettings) {}, "it does not speak TLS"},
		{"without the file", trusted.URL(), func(s *limit.RedisSettings) { s.CACert = ca.path + ".none" }, "ca_cert_path cannot be read"},
		{"with a wrong file", mutual.URL(), func(s *limit.RedisSettings) {
			s.CACert, s.ClientCert, s.ClientKey = ca.path, mine, theirsKey
		}, "client_cert_path or client_key_path cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := settings(test.url)
			test.set(&s)
			open(t, s, limit.Hurry{}).expect(test.why)
		})
	}
}

// expect pays a bill in Redis, or finds it out for a reason, which is a part of why.
func (o *shared) expect(why string) {
	o.t.Helper()
	if why == "" {
		o.paid(tokens("a", 1), limit.Charge{Key: limit.Key{Kind: limit.Concurrent}, Candidate: limit.Whichever, Limit: 9})
		return
	}
	await(o.t, "it is noticed", patient, o.out)
	if got := o.Health().Why; got == "" || !strings.Contains(why, got) {
		o.t.Errorf("out because %q, want %q", got, why)
	}
	for _, never := range []string{"secret", "127.0.0.1", "rediss://", "/tmp"} {
		if strings.Contains(o.log.String(), never) {
			o.t.Errorf("%q stands in the log:\n%s", never, o.log)
		}
	}
}

func TestWhoMayUseRedisIsToldApart(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{Password: "secret-word"})
	server.Do(leastRights...)
	server.Do("ACL", "SETUSER", "elsewhere", "on", ">secret-word", "~elsewhere:*", "+@all")
	server.Do("ACL", "SETUSER", "nexus2", "on", ">secret-word", "~nexus:rate_limit:*", "+@all", "+select")
	for _, test := range []struct{ name, url, why string }{
		{"with the password", server.URL(), ""},
		{"without", server.URLAs("", ""), "it wants a password"},
		{"with another", server.URLAs("", "secret-wrong"), "it refuses the password"},
		{"as a user of the fewest rights", server.URLAs("nexus", "secret-word"), ""},
		{"as nobody", server.URLAs("secret-nobody", "secret-word"), "it refuses the password"},
		{"as a user of other keys", server.URLAs("elsewhere", "secret-word"), "its user lacks a right"},
		{"in another database", server.URLAs("nexus2", "secret-word") + "/3", ""},
		{"in no database", server.URLAs("nexus2", "secret-word") + "/333", "it has no such database"},
		{"with a database that the user may not choose", server.URLAs("nexus", "secret-word") + "/3", "its user lacks a right"},
		{"nowhere", "http://secret", "its settings cannot be used"},
	} {
		t.Run(test.name, func(t *testing.T) { open(t, settings(test.url), limit.Hurry{}).expect(test.why) })
	}
}

func TestTheNodeOfAClusterIsFoundThatHasTheKeys(t *testing.T) {
	first := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{More: []string{"--cluster-enabled", "yes"}})
	second := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{More: []string{"--cluster-enabled", "yes"}})
	asked := open(t, settings(first.URL()), limit.Hurry{Probe: 200 * time.Millisecond})
	await(t, "it is noticed", patient, asked.out)
	if got := asked.Health().Why; got != "its cluster is down" {
		t.Errorf("out because %q", got)
	}
	host, port, err := net.SplitHostPort(second.Address)
	if err != nil {
		t.Fatal(err)
	}
	second.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	first.Do("CLUSTER", "MEET", host, port)
	await(t, "the other node is found", 30*time.Second, asked.in)
	asked.expect("")
	if got := second.Do("DBSIZE"); got == "0" {
		t.Error("the other node holds nothing")
	}
}
