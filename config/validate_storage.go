package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	storage    = rateLimits + ".storage"
	storageURL = storage + ".url"
	storageTLS = storage + ".tls"
)

// checkStorage looks at where limits are counted. Token limits are counted there, too, whether or not the limits of
// requests are on.
func (r *reading) checkStorage() {
	s := &r.cfg.Server.RateLimits.Storage
	switch {
	case !r.sound(storage + ".type"):
	case s.Type == StorageRedis:
		r.checkRedis(s)
	default:
		r.checkMemory()
	}
}

// checkMemory refuses the keys that would do nothing.
func (r *reading) checkMemory() {
	why := `has no use with type = "memory"`
	if !r.said(storage + ".type") {
		why = "has no use without a type, which then is memory"
	}
	for _, f := range fieldsOf(reflect.TypeFor[LimitStorage]()) {
		if key := join(storage, f.name); f.name != "type" && r.said(key) && !r.broken[key] {
			r.fail(key, why, `take it out, or write type = "redis" `+placeOf(storage))
		}
	}
}

func (r *reading) checkRedis(s *LimitStorage) {
	const prefix = storage + ".key_prefix"
	switch {
	case !r.sound(prefix):
	case len(s.KeyPrefix) > maxName:
		r.fail(prefix, "is longer than 256 bytes", "write a shorter one")
	case strings.ContainsAny(s.KeyPrefix, "{}"):
		r.fail(prefix, "has a brace, which chooses the node of a cluster", `write it without, such as "nexus:rate_limit:"`)
	case strings.ContainsFunc(s.KeyPrefix, isSpaceOrControl) || !utf8.ValidString(s.KeyPrefix):
		r.fail(prefix, "has white space, a control character or half a character", `write it without, such as "nexus:rate_limit:"`)
	}
	for _, timeout := range []struct {
		name, usual string
		value       Duration
	}{{"response_timeout", "200ms", s.ResponseTimeout}, {"connection_timeout", "1s", s.ConnectionTimeout}} {
		at := join(storage, timeout.name)
		if r.sound(at) && timeout.value < Duration(time.Millisecond) {
			r.fail(at, r.show(at, timeout.value.String())+" is too short for any answer", fmt.Sprintf(`write a duration from "1ms" to "365d", such as %q`, timeout.usual))
		}
	}
	if key := storage + ".on_failure"; s.OnFailure == OnFailureAllow && r.sound(key) {
		r.warn(key, "lets everything through while Redis is out: whoever can stop it has no limit", `write "local", so that each instance goes on counting by itself, or leave it if that is meant`)
	}
	r.checkPool(s.Pool)
	r.checkRedisURL(s)
	r.checkStorageTLS(s.TLS)
}

const maxPool = 10_000

func (r *reading) checkPool(p StoragePool) {
	const most, idle = storage + ".pool.max_size", storage + ".pool.min_idle"
	switch {
	case !r.sound(most):
		return
	case p.MaxSize < 1 || p.MaxSize > maxPool:
		r.fail(most, fmt.Sprintf("%d is out of range", p.MaxSize), "write a number from 1 to 10000, such as 64")
	case !r.sound(idle):
	case p.MinIdle < 0:
		r.fail(idle, fmt.Sprintf("%d is out of range", p.MinIdle), "write a number from 0 to max_size, such as 4")
	case p.MinIdle > p.MaxSize && r.said(idle):
		r.fail(idle, fmt.Sprintf("%d is more than max_size, which is %d", p.MinIdle, p.MaxSize), "lower it, or raise max_size")
	case p.MinIdle > p.MaxSize:
		r.fail(most, fmt.Sprintf("%d is less than min_idle, which is %d", p.MaxSize, p.MinIdle), "raise it, or write a lower min_idle")
	}
}

// checkRedisURL repeats nothing of the URL, which may hold a password wherever something is wrong with it.
func (r *reading) checkRedisURL(s *LimitStorage) {
	if !r.sound(storageURL) {
		return
	}
	if !s.URL.IsSet() {
		r.fail(storageURL, `is missing or empty, but type = "redis" needs to know where Redis is`, `write url = "redis://127.0.0.1:6379" `+placeOf(storage)+", or rediss:// for TLS")
		return
	}
	u, m := parseRedisURL(s.URL.Reveal())
	if m != nil {
		r.fail(storageURL, m.what, m.fix)
		return
	}
	if u.Scheme == "redis" {
		r.checkUnencrypted(u, s.TLS)
	}
}

// parseRedisURL reads the URL of a Redis, or says what is wrong with it.
func parseRedisURL(text string) (*url.URL, *mistake) {
	const form = `write one such as "redis://127.0.0.1:6379", or rediss:// for TLS`
	scheme, _, whole := strings.Cut(text, "://")
	u, err := url.Parse(text)
	switch {
	case !whole || scheme != "redis" && scheme != "rediss":
		return nil, &mistake{what: "begins with neither redis:// nor rediss://", fix: form}
	case len(text) > maxURL:
		return nil, &mistake{what: "is longer than 2048 bytes", fix: "write a shorter URL"}
	case err != nil || strings.ContainsFunc(text, isSpaceOrControl):
		return nil, &mistake{what: "is not a URL", fix: form + `; in a password, signs such as / ? # % and @ are percent-encoded: %2F for /`}
	case strings.Contains(text, "?"):
		return nil, &mistake{what: "has a query, and everything that could stand there has a key of its own", fix: "leave out the ? and what follows it"}
	case strings.Contains(text, "#"):
		return nil, &mistake{what: "has a fragment, which means nothing to Redis", fix: "leave out the # and what follows it; in a password it is %23"}
	case u.Hostname() == "" || !hasHost(u):
		return nil, &mistake{what: "has a host that is neither an IP address nor a name", fix: form}
	case !hasPort(u):
		return nil, &mistake{what: "has a colon behind the host, but no port between 1 and 65535", fix: form}
	case !hasDatabase(u):
		return nil, &mistake{what: "has a path that is not the number of a database", fix: `write the number alone behind the slash, such as "redis://127.0.0.1:6379/0", or leave the slash out`}
	case !hasPassword(u):
		return nil, &mistake{what: "has a user, or an @, without a password", fix: "write redis://user:password@host, or redis://:password@host for a server that has passwords alone"}
	}
	return u, nil
}

// maxDatabase is the largest number of a database that a server can be set up for, and more than any has.
const maxDatabase = 1<<31 - 1

func hasDatabase(u *url.URL) bool {
	if u.Path == "" {
		return true
	}
	number := u.Path[1:]
	n, err := strconv.ParseUint(number, 10, 64)
	return err == nil && isDigits(number) && n <= maxDatabase
}

// hasPassword reports whether u says a password, or that there is none.
func hasPassword(u *url.URL) bool {
	if u.User == nil {
		return true
	}
	password, _ := u.User.Password()
	return password != ""
}

// checkUnencrypted looks at a URL without TLS.
func (r *reading) checkUnencrypted(u *url.URL, t StorageTLS) {
	for _, of := range []struct {
		name string
		set  bool
	}{{"ca_cert_path", t.CACertPath != ""}, {"client_cert_path", t.ClientCertPath != ""}, {"client_key_path", t.ClientKeyPath != ""}, {"insecure", t.Insecure}} {
		if key := join(storageTLS, of.name); of.set && r.sound(key) {
			r.fail(key, "has no use with redis://, which is not encrypted", "write rediss:// in url, or take it out")
		}
	}
	if u.User != nil && !isNear(u.Hostname()) {
		r.warn(storageURL, "sends a password without encryption to a host that is neither loopback nor private: whoever is on the way can read it", "write rediss:// for TLS")
	}
}

// isNear reports whether a host is of this machine or of a private network. A name without dots is looked up nowhere else.
func isNear(host string) bool {
	a := Address{host: strings.ToLower(host)}
	if ip, err := netip.ParseAddr(host); err == nil {
		a.host = ip.WithZone("").Unmap().String()
	}
	return a.IsPrivate() || isBare(host) && !isDigits(host)
}

func (r *reading) checkStorageTLS(t StorageTLS) {
	const ca, cert, key, insecure = storageTLS + ".ca_cert_path", storageTLS + ".client_cert_path", storageTLS + ".client_key_path", storageTLS + ".insecure"
	if t.Insecure && r.sound(insecure) {
		r.warn(insecure, "takes any certificate: whoever is on the way can pose as Redis", "name the authority that has signed the certificate in ca_cert_path, and take this out")
	}
	if t.CACertPath != "" {
		r.readCertificates(ca, t.CACertPath)
	}
	switch {
	case !r.sound(cert) || !r.sound(key):
	case t.ClientCertPath != "" && t.ClientKeyPath == "":
		r.fail(key, "is missing or empty, but a certificate is shown with its key", "write client_key_path "+placeOf(storageTLS)+", or take client_cert_path out")
	case t.ClientCertPath == "" && t.ClientKeyPath != "":
		r.fail(cert, "is missing or empty, but a key is of no use without its certificate", "write client_cert_path "+placeOf(storageTLS)+", or take client_key_path out")
	case t.ClientCertPath != "":
		certificate, private := r.readCertificates(cert, t.ClientCertPath), r.readPEM(key, t.ClientKeyPath)
		if certificate == nil || private == nil {
			return
		}
		if _, err := tls.X509KeyPair(certificate, private); err != nil {
			r.fail(key, r.show(key, t.ClientKeyPath)+" is not the key of the certificate in client_cert_path", "write the path of its key, in PEM and without a passphrase")
		}
	}
}

// readCertificates is a file of certificates in PEM; nil: a problem says what is wrong with it.
func (r *reading) readCertificates(key, path string) []byte {
	text := r.readPEM(key, path)
	if text == nil {
		return nil
	}
	n := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			n = 0
			break
		}
		n++
	}
	if n == 0 {
		r.fail(key, r.show(key, path)+" holds no certificate, or a broken one", "write the path of a file of certificates in PEM")
		return nil
	}
	return text
}

// readPEM reads a file that a key names; nil: a problem says why it cannot be read.
func (r *reading) readPEM(key, path string) []byte {
	if !r.sound(key) {
		return nil
	}
	const form = "write the path of a file that Nexus may read; a relative one begins in the directory of this file"
	if strings.ContainsFunc(path, unicode.IsControl) {
		r.fail(key, "has a control character", form)
		return nil
	}
	m := readMaterial(key, path, besides(r.file, path))
	r.named = append(r.named, m)
	switch {
	case m.problem != nil:
		r.fail(key, r.show(key, path)+": "+m.problem.What, form)
	case len(m.content) == 0 || len(m.content) > maxFile:
		r.fail(key, r.show(key, path)+": the file is empty, or larger than 1 MiB", form)
	default:
		return m.content
	}
	return nil
}
