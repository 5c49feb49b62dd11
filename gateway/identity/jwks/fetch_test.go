package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
)

// canary stands in every URL, host and body of these tests, and in no error.
const canary = "canary-3f9a"

// misbehaviour is a way in which an issuer fails to publish a set, with what is said of it.
type misbehaviour struct {
	answer http.HandlerFunc
	why    string
}

// says answers with a text.
func says(status int, header map[string]string, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // a fetcher that hangs up is what some tests are about
	}
}

// misbehaviours are all of them. Each answer that can hold one holds a good set of another key.
func misbehaviours(t *testing.T) map[string]misbehaviour {
	t.Helper()
	other, err := issuer.Set(newKey(t, canary, "ES256"))
	if err != nil {
		t.Fatal(err)
	}
	var squeezed bytes.Buffer
	z := gzip.NewWriter(&squeezed)
	if _, err := z.Write(other); err != nil || z.Close() != nil {
		t.Fatal("gzip")
	}
	const noSet = "the answer is no JSON object with keys"
	all := map[string]misbehaviour{
		"says 404":               {says(404, nil, string(other)), "the answer is 404"},
		"says 500":               {says(500, nil, string(other)), "the answer is 500"},
		"says 206":               {says(206, nil, string(other)), "the answer is 206"},
		"says 204":               {says(204, nil, ""), "the answer is 204"},
		"says 304":               {says(304, nil, ""), "the answer is 304"},
		"says 503":               {says(503, map[string]string{"Retry-After": "1"}, canary), "the answer is 503"},
		"is empty":               {says(200, nil, ""), noSet},
		"is a page":              {says(200, map[string]string{"Content-Type": "text/html"}, "<html>"+canary), noSet},
		"cuts its text":          {says(200, nil, string(other[:len(other)/2])), noSet},
		"cuts its answer":        {says(200, map[string]string{"Content-Length": "5000"}, string(other)), "the connection ended before the answer did"},
		"compresses":             {says(200, map[string]string{"Content-Encoding": "gzip"}, squeezed.String()), "the answer is compressed, which was not asked for"},
		"compresses unsaid":      {says(200, nil, squeezed.String()), noSet},
		"announces too much":     {says(200, map[string]string{"Content-Length": "1048577"}, string(other)+strings.Repeat(" ", 1<<20)), "the answer is over 1 MiB"},
		"has an endless header":  {says(200, map[string]string{"X-Long": strings.Repeat(canary, 1<<14)}, string(other)), "there is no answer that can be read"},
		"hangs up":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection ended before the answer did"},
		"sends without end":      {flood, "the answer is over 1 MiB"},
		"has only keys for none": {says(200, nil, `{"keys":[{"kty":"oct","k":"`+canary+`"}]}`), `no usable key: 1 dropped: "": it is a symmetric key`},
		"has no keys":            {says(200, nil, `{"keys":[]}`), "no usable key: the list is empty"},
	}
	for _, text := range []string{`{}`, `null`, `[]`, `{"keys":null}`, `{"error":"` + canary + `"}`, `"` + canary + `"`} {
		all["answers "+text] = misbehaviour{says(200, nil, text), noSet}
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		all["redirects by "+http.StatusText(status)] = misbehaviour{
			says(status, map[string]string{"Location": "/elsewhere-" + canary}, string(other)), "it redirects, which is not followed"}
	}
	return all
}

// flood sends blanks and nothing else, in chunks, until nobody reads.
func flood(w http.ResponseWriter, _ *http.Request) {
	blanks := bytes.Repeat([]byte(" "), 64<<10)
	for {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

func TestAMisbehavingIssuerCostsNoGoodKey(t *testing.T) {
	good := newKey(t, "good", "ES256")
	sig := sign(t, good)
	for name, bad := range misbehaviours(t) {
		t.Run(name, func(t *testing.T) {
			host := gatewaytest.StartIssuer(t, good)
			url := host.SetURL() + "?" + canary
			var told lines
			keys, end := jwks.Open(jwks.Settings{URL: url, Poll: 20 * time.Millisecond}, told.logger())
			defer end()
			<-keys.Loaded()
			before := keys.Current(time.Now())
			host.Answer(bad.answer)
			wait(t, "a failure", func() bool { return keys.Status().Error != "" })
			if why := keys.Status().Error; why != bad.why {
				t.Errorf("it is said that %q", why)
			}
			if keys.Current(time.Now()) != before {
				t.Fatal("the last good set is gone")
			}
			if _, err := before.Verify(sig); err != nil {
				t.Errorf("the good key: %v", err)
			}
			if told.has(canary) || strings.Contains(keys.Status().Error, canary) {
				t.Error("something of the answer or the URL is told")
			}
		})
	}
}

// wait waits for a condition, for 20 s at most.
func wait(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !met() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

func TestOneBadKeyInAnAnswerCostsNoGoodOne(t *testing.T) {
	good := newKey(t, "good", "ES256")
	text, err := json.Marshal(member(t, good, nil))
	if err != nil {
		t.Fatal(err)
	}
	host := gatewaytest.StartIssuer(t, good)
	for name, bad := range badElements(t) {
		host.Answer(says(200, nil, `{"keys":[`+bad.text+`,`+string(text)+`]}`))
		set, err := jwks.Fetch(t.Context(), host.SetURL())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := set.Verify(sign(t, good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAFetchAsksFor(t *testing.T) {
	host := gatewaytest.StartIssuer(t, newKey(t, "a", "ES256"))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	asked := make(chan *http.Request, 1)
	host.Answer(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusNotFound)
	})
	if _, err := jwks.Fetch(t.Context(), host.SetURL()); err == nil {
		t.Error("404 is taken for a set")
	}
	r := <-asked
	if r.Method != http.MethodGet || r.UserAgent() != "nexus" || !r.Close ||
		r.Header.Get("Accept") != "application/jwk-set+json, application/json" || r.Header.Get("Accept-Encoding") != "" {
		t.Errorf("asked by %s with %v", r.Method, r.Header)
	}
}

func TestAnAnswerOfOneMebibyteIsRead(t *testing.T) {
	key := newKey(t, "a", "ES256")
	text := document(t, member(t, key, nil))
	text = append(text, bytes.Repeat([]byte(" "), 1<<20-len(text))...)
	host := gatewaytest.StartIssuer(t, key)
	for _, length := range []string{"1048576", ""} {
		header := map[string]string{}
		if length != "" {
			header["Content-Length"] = length
		}
		host.Answer(says(200, header, string(text)))
		if _, err := jwks.Fetch(t.Context(), host.SetURL()); err != nil {
			t.Errorf("announced as %q: %v", length, err)
		}
	}
	host.Answer(says(200, nil, string(text)+" "))
	if _, err := jwks.Fetch(t.Context(), host.SetURL()); err == nil || err.Error() != "the answer is over 1 MiB" {
		t.Errorf("a byte more: %v", err)
	}
}

func TestAFetchEndsInTime(t *testing.T) {
	host := gatewaytest.StartIssuer(t, newKey(t, "a", "ES256"))
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		host.Answer(answer)
		_, err := jwks.FetchWithin(t.Context(), host.SetURL(), 100*time.Millisecond)
		if err == nil || !strings.HasPrefix(err.Error(), "no answer within 0.") {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err = jwks.Fetch(ctx, host.SetURL()); err == nil || !strings.HasPrefix(err.Error(), "no answer within 0.") {
			t.Errorf("%s, the caller's time is over: %v", name, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if _, err = jwks.Fetch(ctx, host.SetURL()); err == nil || err.Error() != "the fetch was given up" {
			t.Errorf("%s, given up: %v", name, err)
		}
	}
}

func TestASlowIssuerCostsNoGoodKeyAndEndsAtOnce(t *testing.T) {
	good := newKey(t, "good", "ES256")
	host := gatewaytest.StartIssuer(t, good)
	var told lines
	keys, end := jwks.OpenWithin(jwks.Settings{URL: host.SetURL(), Poll: 20 * time.Millisecond}, told.logger(), 50*time.Millisecond)
	defer end()
	<-keys.Loaded()
	host.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	wait(t, "a failure", func() bool { return strings.HasPrefix(keys.Status().Error, "no answer within 0.") })
	if _, err := keys.Current(time.Now()).Verify(sign(t, good)); err != nil {
		t.Errorf("the good key: %v", err)
	}
	slow, endSlow := jwks.Open(jwks.Settings{URL: host.SetURL()}, told.logger())
	before := host.Fetches()
	wait(t, "a fetch", func() bool { return host.Fetches() > before })
	start := time.Now()
	endSlow()
	if took := time.Since(start); took > time.Second || slow.Current(time.Now()) != nil {
		t.Errorf("the end took %v", took)
	}
}

func TestAnIssuerThatIsDownCostsNoGoodKey(t *testing.T) {
	good := newKey(t, "good", "ES256")
	server := httptest.NewServer(says(200, nil, string(document(t, member(t, good, nil)))))
	var told lines
	keys, end := jwks.Open(jwks.Settings{URL: server.URL, Poll: 20 * time.Millisecond}, told.logger())
	defer end()
	<-keys.Loaded()
	server.Close()
	wait(t, "a failure", func() bool { return keys.Status().Error == "the connection was refused" })
	if _, err := keys.Current(time.Now()).Verify(sign(t, good)); err != nil {
		t.Errorf("the good key: %v", err)
	}
}

func TestTheErrorsOfAFetchAreShortSentences(t *testing.T) {
	encrypted := httptest.NewUnstartedServer(says(200, nil, ""))
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	defer encrypted.Close()
	plain := gatewaytest.StartIssuer(t, newKey(t, "a", "ES256"))
	for url, want := range map[string]string{
		encrypted.URL + "/" + canary:                          "the certificate is not trusted",
		strings.Replace(plain.SetURL(), "http:", "https:", 1): "it does not speak TLS",
		"http://" + canary + ":x":                             "the URL cannot be read",
		"ftp://" + canary + "/":                               "the URL is neither https nor http",
		canary:                                                "the URL is neither https nor http",
		"":                                                    "the URL is neither https nor http",
		"http://169.254.169.254/" + canary:                    "its address is link-local",
		"https://[fd00:ec2::254]/" + canary:                   "its address is link-local",
		"http://192.0.2.1/" + canary:                          "http is for loopback alone",
		"http://user:" + canary + "@192.0.2.1/?token=" + canary: "http is for loopback alone",
	} {
		_, err := jwks.Fetch(t.Context(), url)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), canary) || errors.Unwrap(err) != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestCertificatesAreToldApart(t *testing.T) {
	for want, err := range map[string]error{
		"the certificate has expired, or is not valid yet": x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired},
		"the certificate is for another host":              x509.HostnameError{Certificate: &x509.Certificate{}, Host: canary},
		"the certificate is not trusted":                   x509.UnknownAuthorityError{},
	} {
		wrapped := &url.Error{Op: "Get", URL: canary, Err: &tls.CertificateVerificationError{Err: err}}
		if got := jwks.Words(wrapped); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAddressesThatAreNeverAsked(t *testing.T) {
	for address, c := range map[string]struct{ https, http bool }{
		"127.0.0.1:80":                 {true, true},
		"[::1]:80":                     {true, true},
		"[::ffff:127.0.0.1]:80":        {true, true},
		"192.0.2.1:443":                {true, false},
		"10.0.0.1:443":                 {true, false},
		"[2001:db8::1]:443":            {true, false},
		"169.254.169.254:80":           {false, false},
		"169.254.0.1:443":              {false, false},
		"[::ffff:169.254.169.254]:443": {false, false},
		"[64:ff9b::a9fe:a9fe]:443":     {false, false},
		"[64:ff9b:1::a9fe:a9fe]:443":   {false, false},
		"[2002:a9fe:a9fe::1]:443":      {false, false},
		"[2002:c000:201::1]:443":       {true, false},
		"168.63.129.16:443":            {false, false},
		"192.0.0.192:443":              {false, false},
		"[fe80::1%eth0]:443":           {false, false},
		"[febf::1]:443":                {false, false},
		"[fd00:ec2::254]:443":          {false, false},
		"[fd00:ec2::253]:443":          {true, false},
		"100.100.100.200:443":          {false, false},
		"[::ffff:100.100.100.200]:443": {false, false},
		"224.0.0.1:443":                {false, false},
		"[ff02::1]:443":                {false, false},
		"0.0.0.0:443":                  {false, false},
		"[::]:443":                     {false, false},
		"no address":                   {false, false},
	} {
		if err := jwks.CheckAddress(address, false); (err == nil) != c.https {
			t.Errorf("%s by https: %v", address, err)
		}
		if err := jwks.CheckAddress(address, true); (err == nil) != c.http {
			t.Errorf("%s by http: %v", address, err)
		}
	}
}

func TestANameIsCheckedByTheAddressItHas(t *testing.T) {
	if _, err := net.LookupHost("localhost"); err != nil {
		t.Skip("localhost has no address here")
	}
	host := gatewaytest.StartIssuer(t, newKey(t, "a", "ES256"))
	if _, err := jwks.Fetch(t.Context(), strings.Replace(host.SetURL(), "127.0.0.1", "localhost", 1)); err != nil {
		t.Error(err)
	}
}
