package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nexus/config"
)

func TestRedisURL(t *testing.T) {
	const (
		scheme   = "begins with neither redis:// nor rediss://"
		host     = "neither an IP address nor a name"
		port     = "no port between 1 and 65535"
		database = "not the number of a database"
		user     = "without a password"
	)
	tests := []struct{ url, bad string }{
		{"redis://127.0.0.1:6379", ""}, {"redis://localhost", ""}, {"rediss://redis.example.com:6380/15", ""}, {"redis://[::1]:6379/0", ""},
		{"redis://redis_cache:6379", ""}, {"redis://:pw@localhost", ""}, {"redis://user:pw@localhost:6379/1", ""}, {"rediss://user:p%40%2F%3F%23%25w@localhost", ""},
		{"redis.example.com:6379", scheme}, {"unix:///var/run/redis.sock", scheme}, {"https://localhost", scheme}, {"Redis://localhost", scheme}, {"redis:localhost", scheme}, {"valkey://localhost", scheme},
		{"redis://", host}, {"redis://:6379", host}, {"redis://a..b", host}, {"redis://[::1", "is not a URL"},
		{"redis://localhost:", port}, {"redis://localhost:0", port}, {"redis://localhost:65536", port}, {"redis://localhost:x", "is not a URL"},
		{"redis://localhost/", database}, {"redis://localhost/a", database}, {"redis://localhost/-1", database}, {"redis://localhost/0/1", database}, {"redis://localhost/2147483648", database},
		{"redis://localhost?db=1", "has a query"}, {"redis://localhost/1?", "has a query"}, {"redis://localhost#1", "has a fragment"},
		{"redis://pw@localhost", user}, {"redis://user:@localhost", user}, {"redis://@localhost", user},
		{"redis://:p/w@localhost", "percent-encoded"}, {"redis://:p%w@localhost", "percent-encoded"}, {"redis://:p w@localhost", "is not a URL"},
		{"redis://" + strings.Repeat("a", 2050), "longer than 2048 bytes"}, {"", "missing or empty"},
	}
	for _, tt := range tests {
		cfg, problems := parse("[server.rate_limits.storage]\ntype = 'redis'\nurl = '" + tt.url + "'\n" + provider)
		switch {
		case tt.bad == "" && (cfg == nil || len(problems) > 0 || cfg.Server.RateLimits.Storage.URL.Reveal() != tt.url):
			t.Errorf("%s: %v", tt.url, problems)
		case tt.bad != "" && (len(problems.Errors()) != 1 || !strings.Contains(problems.Error(), "storage.url: ") || !strings.Contains(problems.Error(), tt.bad)):
			t.Errorf("%s gives %v, want %s", tt.url, problems, tt.bad)
		}
	}
}

// TestAPasswordWithoutTLSIsWarnedOf has hosts that only a near network leads to, and others.
func TestAPasswordWithoutTLSIsWarnedOf(t *testing.T) {
	for url, warned := range map[string]bool{
		"redis://:pw@127.0.0.1": false, "redis://:pw@localhost": false, "redis://:pw@10.1.2.3": false, "redis://:pw@[fd00::1]": false,
		"redis://:pw@[::ffff:10.0.0.1]": false, "redis://:pw@cache": false, "redis://redis.example.com": false, "rediss://:pw@redis.example.com": false,
		"redis://:pw@redis.example.com": true, "redis://:pw@8.8.8.8": true, "redis://:pw@[2001:db8::1]": true,
	} {
		_, problems := parse("[server.rate_limits.storage]\ntype = 'redis'\nurl = '" + url + "'\n" + provider)
		if problems.HasErrors() || strings.Contains(problems.Error(), "without encryption") != warned {
			t.Errorf("%s: %v", url, problems)
		}
	}
}

func TestCertificatesOfTheStorage(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, other := filepath.Join(dir, "other.pem"), filepath.Join(dir, "other-key.pem")
	text, private := certificate(t)
	_, stranger := certificate(t)
	files := map[string]string{
		"cert.pem": text, "key.pem": private, "other-key.pem": stranger, "both.pem": private + text, "empty.pem": "", "text.pem": "s3cret",
		"broken.pem": text + strings.Replace(text, "CERTIFICATE-----\n", "CERTIFICATE-----\nAAAA", 1), "large.pem": text + strings.Repeat("\n", 1<<20),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct{ name, ca, cert, key, want string }{
		{"an authority", cert, "", "", ""},
		{"an authority in a file with a key", at("both.pem"), "", "", ""},
		{"a certificate with its key", cert, cert, key, ""},
		{"both in one file", "", at("both.pem"), at("both.pem"), ""},
		{"a certificate with the key of another", "", cert, other, "tls.client_key_path: " + quoted(other) + " is not the key of the certificate in client_cert_path"},
		{"a certificate without a key", "", cert, "", "tls.client_key_path: is missing or empty"},
		{"a key without a certificate", "", "", key, "tls.client_cert_path: is missing or empty"},
		{"a key for a certificate", "", key, key, "tls.client_cert_path: " + quoted(key) + " holds no certificate"},
		{"a certificate for a key", "", cert, cert, "tls.client_key_path: " + quoted(cert) + " is not the key"},
		{"an authority that is a key", key, "", "", "tls.ca_cert_path: " + quoted(key) + " holds no certificate, or a broken one"},
		{"a broken certificate behind a whole one", at("broken.pem"), "", "", "holds no certificate, or a broken one"},
		{"an empty file", at("empty.pem"), "", "", "the file is empty, or larger than 1 MiB"},
		{"a large file", at("large.pem"), "", "", "the file is empty, or larger than 1 MiB"},
		{"another text", at("text.pem"), "", "", "holds no certificate"},
		{"no file", at("missing.pem"), "", "", "the file does not exist"},
		{"a directory", dir, "", "", "this is a directory"},
		{"a device", os.DevNull, "", "", "this is not a regular file"},
		{"a path with a control character", "a\\u0007", "", "", "has a control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := parse(fmt.Sprintf("[server.rate_limits.storage]\ntype = 'redis'\nurl = 'rediss://localhost'\n"+
				"[server.rate_limits.storage.tls]\nca_cert_path = \"%s\"\nclient_cert_path = \"%s\"\nclient_key_path = \"%s\"\n%s", tt.ca, tt.cert, tt.key, provider))
			switch got := problems.Error(); {
			case tt.want == "" && (cfg == nil || len(problems) > 0):
				t.Errorf("problems: %s", got)
			case tt.want != "" && (len(problems) != 1 || !strings.Contains(got, tt.want)):
				t.Errorf("got  %s\nwant %s", got, tt.want)
			case strings.Contains(got, "s3cret"):
				t.Errorf("a piece of the file is in %s", got)
			}
		})
	}
}

// quoted is a path as a message shows it.
func quoted(path string) string {
	if len(path) > 80 {
		path = path[:80] + "…"
	}
	return fmt.Sprintf("%q", path)
}

// certificate is one that has signed itself, and its key, in PEM.
func certificate(t *testing.T) (text, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestStorage(t *testing.T) {
	cfg := mustParse(t, full)
	s := cfg.Server.RateLimits.Storage
	if got := fmt.Sprintf("%+v", s); got != `{Type:redis URL:*** KeyPrefix:nexus: ResponseTimeout:100ms ConnectionTimeout:2s OnFailure:deny `+
		`Pool:{MaxSize:8 MinIdle:2} TLS:{CACertPath: ClientCertPath: ClientKeyPath: Insecure:true}}` {
		t.Errorf("storage is %s", got)
	}
	silent := load(t, "").Server.RateLimits
	if silent.Enabled || silent.Storage.Type != config.StorageMemory || silent.Storage.OnFailure != config.OnFailureLocal {
		t.Errorf("without a table: %+v", silent)
	}
}
