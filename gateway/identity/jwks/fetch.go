package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	fetchTimeout   = 5 * time.Second // for a whole fetch, from the name's look-up to the last byte
	maxDocument    = 1 << 20
	maxHeaderBytes = 64 << 10
)

// fetcher gets the set of one issuer. Its errors are short sentences without the URL, the host or anything of the answer:
// the URL may hold what came from the environment.
type fetcher struct {
	client *http.Client
	url    string
}

// newFetcher makes a fetcher whose every fetch ends within timeout. It takes no proxy from the environment, and keeps no
// connection: between two polls it would be closed anyway.
func newFetcher(address string, timeout time.Duration) *fetcher {
	u, err := url.Parse(address)
	clearText := err != nil || !strings.EqualFold(u.Scheme, "https")
	dialer := &net.Dialer{Control: control(clearText)}
	return &fetcher{
		url: address,
		client: &http.Client{
			Timeout: timeout,
			Transport: &http.Transport{
				DialContext:            dialer.DialContext,
				DisableCompression:     true,
				DisableKeepAlives:      true,
				MaxResponseHeaderBytes: maxHeaderBytes,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			},
			// A redirect could lead to a host that nobody has written into the configuration.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Fetch gets the set once, within 5 s or until ctx ends. The error is a short sentence without anything of the URL or of the
// answer.
func Fetch(ctx context.Context, url string) (*Set, error) {
	return newFetcher(url, fetchTimeout).fetch(ctx)
}

func (f *fetcher) fetch(ctx context.Context) (*Set, error) {
	start := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	if request.URL.Scheme != "https" && request.URL.Scheme != "http" {
		return nil, errors.New("the URL is neither https nor http")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "nexus")
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, explain(ctx, err, start)
	}
	defer func() { _ = answer.Body.Close() }() // nothing of it is used after this
	if err := check(answer); err != nil {
		return nil, err
	}
	document, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err != nil {
		return nil, explain(ctx, err, start)
	}
	if len(document) > maxDocument {
		return nil, errTooLong
	}
	set, err := Parse(document)
	if errors.Is(err, errNoSet) || errors.Is(err, errNameTwice) {
		return nil, errors.New("the answer is no JSON object with keys")
	}
	return set, err
}

// errTooLong is an answer that is not read to its end: what was cut off could be the key that matters.
var errTooLong = errors.New("the answer is over 1 MiB")

// check says why an answer, as far as its header tells, is no key set.
func check(answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return errors.New("it redirects, which is not followed")
	default:
		return fmt.Errorf("the answer is %d", answer.StatusCode)
	}
	if coding := answer.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return errors.New("the answer is compressed, which was not asked for")
	}
	if answer.ContentLength > maxDocument {
		return errTooLong
	}
	return nil
}

// explain puts what went wrong into words. Those of the libraries name the URL, the host and its addresses.
func explain(ctx context.Context, err error, start time.Time) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var dated x509.CertificateInvalidError
	var named x509.HostnameError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, errAddress):
		return errAddress
	case errors.Is(err, errClearText):
		return errClearText
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.New("the fetch was given up")
	case timedOut(err):
		return fmt.Errorf("no answer within %g s", time.Since(start).Round(100*time.Millisecond).Seconds())
	case errors.As(err, &name) && name.IsNotFound:
		return errors.New("the host was not found")
	case errors.As(err, &name):
		return errors.New("the host's name could not be looked up")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	case errors.As(err, &dated) && dated.Reason == x509.Expired:
		return errors.New("the certificate has expired, or is not valid yet")
	case errors.As(err, &named):
		return errors.New("the certificate is for another host")
	case errors.As(err, &certificate):
		return errors.New("the certificate is not trusted")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("it does not speak TLS")
	case errors.As(err, &alert):
		return errors.New("it refuses the TLS connection")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return errors.New("there is no way to the host")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return errors.New("the connection ended before the answer did")
	}
	return errors.New("there is no answer that can be read")
}

// timedOut reports whether an error is that of some deadline.
func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
