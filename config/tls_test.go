package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
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

// dated is a certificate that is valid between two moments, with its key.
func dated(t *testing.T, from, to time.Time) (text, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody"}, NotBefore: from, NotAfter: to}
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

// inFolder writes files into a folder of their own.
func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// parseIn is parse for a nexus.toml in a folder.
func parseIn(dir, text string) (*config.Config, config.Problems) {
	return config.Parse(filepath.Join(dir, "nexus.toml"), []byte(text), config.Overlay{}, nil)
}

func TestFilesOfTLS(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	cert, key := dated(t, now.Add(-90*day), now.Add(90*day))
	_, stranger := dated(t, now.Add(-day), now.Add(90*day))
	late, lateKey := dated(t, now.Add(-90*day), now.Add(-day))
	early, earlyKey := dated(t, now.Add(day), now.Add(90*day))
	soon, soonKey := dated(t, now.Add(-90*day), now.Add(3*day))
	short, shortKey := dated(t, now.Add(-time.Hour), now.Add(time.Hour))
	block, _ := pem.Decode([]byte(key))
	locked := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes}))
	dir := inFolder(t, map[string]string{
		"cert": cert, "key": key, "stranger": stranger, "late": late, "late-key": lateKey, "early": early, "early-key": earlyKey,
		"soon": soon, "soon-key": soonKey, "short": short, "short-key": shortKey, "locked": locked, "chain": cert + soon, "text": "s3cret", "turned": soon + cert,
	})
	for _, tt := range []struct{ name, cert, key, more, want string }{
		{"a pair", "cert", "key", "", ""},
		{"a chain behind the certificate", "chain", "key", "", ""},
		{"a short certificate", "short", "short-key", "", ""},
		{"a chain in the wrong order", "turned", "key", "", "tls.key: \"key\" is not the key of the first certificate in server.tls.certificate"},
		{"a stranger's key", "cert", "stranger", "", "tls.key: \"stranger\" is not the key"},
		{"a key with a passphrase", "cert", "locked", "", "tls.key: \"locked\" holds no private key that can be read"},
		{"a certificate for a key", "cert", "cert", "", "tls.key: \"cert\" holds no private key"},
		{"a key for a certificate", "key", "key", "", "tls.certificate: \"key\" holds no certificate"},
		{"another text", "text", "key", "", "tls.certificate: \"text\" holds no certificate"},
		{"no file", "none", "key", "", "tls.certificate: \"none\": the file does not exist"},
		{"no certificate", "", "key", "", "tls.certificate: is missing or empty"},
		{"an expired certificate", "late", "late-key", "", "warning: server.tls.certificate: the certificate has expired at "},
		{"one that is not valid yet", "early", "early-key", "", "warning: server.tls.certificate: the certificate is not valid before "},
		{"one that ends soon", "soon", "soon-key", "", "warning: server.tls.certificate: the certificate ends at "},
		{"callers who must show one", "cert", "key", "client_ca = 'cert'", "warning: server.tls.client_ca: lets nobody connect without a certificate, probes"},
		{"callers who may show one", "cert", "key", "client_ca = 'cert'\nclient_auth = 'request'", ""},
		{"an expired authority", "cert", "key", "client_ca = 'late'\nclient_auth = 'request'", "warning: server.tls.client_ca: the authority \"CN=somebody\" has expired at "},
		{"an authority that is none", "cert", "key", "client_ca = 'key'\nclient_auth = 'request'", "tls.client_ca: \"key\" holds no certificate"},
		{"off, with nothing that is there", "none", "none", "client_ca = 'none'\nenabled = false", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := parseIn(dir, fmt.Sprintf("[server.tls]\ncertificate = '%s'\nkey = '%s'\n%s\n%s", tt.cert, tt.key, tt.more, provider))
			switch got := problems.Error(); {
			case tt.want == "" && (cfg == nil || len(problems) > 0), tt.want != "" && (len(problems) != 1 || !strings.Contains(got, tt.want)):
				t.Errorf("got  %s\nwant %s", got, tt.want)
			case strings.Contains(got, "s3cret") || strings.Contains(got, "PRIVATE"):
				t.Errorf("a piece of a file is in %s", got)
			}
		})
	}
}

// TestWhatIsCheckedIsWhatIsUsed: the content of a named file belongs to the configuration, whatever becomes of the file.
func TestWhatIsCheckedIsWhatIsUsed(t *testing.T) {
	cert, key := certificate(t)
	dir := inFolder(t, map[string]string{"cert.pem": cert, "key.pem": key})
	cfg, problems := parseIn(dir, "[server.tls]\ncertificate = 'cert.pem'\nkey = 'key.pem'\n"+provider)
	if cfg == nil {
		t.Fatal(problems)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := cfg.Material("server.tls.certificate"); !bytes.Equal(got, []byte(cert)) {
		t.Errorf("the certificate is %q", got)
	}
	if got := cfg.Material("server.tls.client_ca"); got != nil {
		t.Errorf("a file that nobody names has %q", got)
	}
	if cfg.PathOf("cert.pem") != filepath.Join(dir, "cert.pem") || cfg.PathOf("/a/b") != "/a/b" || cfg.PathOf("") != "" {
		t.Error("a relative path does not begin beside the configuration")
	}
}

// TestAFileThatAKeyNamesIsWatchedLikeTheConfiguration, however it is saved.
func TestAFileThatAKeyNamesIsWatchedLikeTheConfiguration(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pairs := make([][2]string, 3)
	for i := range pairs {
		pairs[i][0], pairs[i][1] = certificate(t)
	}
	// save puts a pair to where the configuration looks for it.
	ways := map[string]func(dir string, i int){
		"written in place": func(dir string, i int) {
			must(os.WriteFile(filepath.Join(dir, "tls.crt"), []byte(pairs[i][0]), 0o600))
			must(os.WriteFile(filepath.Join(dir, "tls.key"), []byte(pairs[i][1]), 0o600))
		},
		"renamed over": func(dir string, i int) {
			for j, name := range []string{"tls.crt", "tls.key"} {
				must(os.WriteFile(filepath.Join(dir, "new"), []byte(pairs[i][j]), 0o600))
				must(os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)))
			}
		},
		"a link that turns": func(dir string, i int) {
			version := filepath.Join(dir, fmt.Sprintf("..%d", i))
			must(os.Mkdir(version, 0o700))
			must(os.WriteFile(filepath.Join(version, "tls.crt"), []byte(pairs[i][0]), 0o600))
			must(os.WriteFile(filepath.Join(version, "tls.key"), []byte(pairs[i][1]), 0o600))
			must(os.Symlink(filepath.Base(version), filepath.Join(dir, "..tmp")))
			must(os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
			if i == 0 {
				must(os.Symlink("..data/tls.crt", filepath.Join(dir, "tls.crt")))
				must(os.Symlink("..data/tls.key", filepath.Join(dir, "tls.key")))
			}
		},
	}
	for name, save := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, certs := t.TempDir(), t.TempDir()
			save(certs, 0)
			path := filepath.Join(dir, "nexus.toml")
			text := fmt.Sprintf("[server.tls]\ncertificate = '%s/tls.crt'\nkey = '%s/tls.key'\n%s", certs, certs, provider)
			must(os.WriteFile(path, []byte(text), 0o600))
			w := watch(t, path, nil, nil)
			has := func(i int) func() bool {
				return func() bool {
					return w.draft.Config != nil && string(w.draft.Config.Material("server.tls.certificate")) == pairs[i][0] &&
						string(w.draft.Config.Material("server.tls.key")) == pairs[i][1]
				}
			}
			w.await("the first pair", has(0))
			before := w.draft
			save(certs, 1)
			w.await("the second pair", has(1))
			if before.Hash != w.draft.Hash || w.draft.SameAs(before.Config) || !before.SameAs(before.Config) {
				t.Error("a changed file is not a change, or the text's hash has changed")
			}
			// A file that goes is a mistake, and one that comes back mends it.
			must(os.Remove(filepath.Join(certs, "tls.key")))
			w.await("the missing key", func() bool { return w.draft.Config == nil })
			if name != "a link that turns" {
				save(certs, 2)
				w.await("the third pair", has(2))
			}
		})
	}
}

func TestWhatTLSProtectsIsNotLostBySilence(t *testing.T) {
	cert, key := certificate(t)
	dir := inFolder(t, map[string]string{"cert": cert, "key": key, "other": cert})
	const pair = "[server.tls]\ncertificate = 'cert'\nkey = 'key'\n"
	for _, tt := range []struct{ name, was, is, lost string }{
		{"all of it", pair, "", "server.tls"},
		{"all of it, and it is meant", pair, "[server.tls]\nenabled = false\n", ""},
		{"the authorities of clients", pair + "client_ca = 'cert'\n", pair, "server.tls.client_ca"},
		{"the authorities, and it is meant", pair + "client_ca = 'cert'\n", pair + "client_ca = ''\n", ""},
		{"other authorities are a change", pair + "client_ca = 'cert'\n", pair + "client_ca = 'other'\n", ""},
		{"that certificates are required holds anyway", pair + "client_ca = 'cert'\nclient_auth = 'require'\n", pair + "client_ca = 'cert'\n", ""},
		{"that they are requested", pair + "client_ca = 'cert'\nclient_auth = 'request'\n", pair + "client_ca = 'cert'\n", "server.tls.client_auth"},
		{"that they are requested is said", pair + "client_ca = 'cert'\n", pair + "client_ca = 'cert'\nclient_auth = 'request'\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was, problems := parseIn(dir, tt.was+provider)
			if was == nil {
				t.Fatal(problems)
			}
			is, problems := parseIn(dir, tt.is+provider)
			if is == nil {
				t.Fatal(problems)
			}
			var keys []string
			for _, p := range config.Lost(was, is) {
				keys = append(keys, p.Key)
			}
			if got := strings.Join(keys, " "); got != tt.lost {
				t.Errorf("lost: %q", got)
			}
		})
	}
}
