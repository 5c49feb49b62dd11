// Package upstream is the only code that talks to providers.
//
// A [Client] sends a call over a kept connection and gives its [Answer] as soon as the head is there; [Frames] cuts the body
// of a stream into its events. Bytes come through as they were, and what goes wrong is told in plain words that repeat
// nothing of the address, the headers or the answer. The package knows no protocol and no model.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nexus/gateway/llm"
)

// Settings are what shapes a [Client]: those with equal ones may share one.
type Settings struct {
	BaseURL         string        // "https://api.openai.com/v1", without a slash at its end
	ConnectTimeout  time.Duration // bounds a new connection, TLS included; 0: 5 s
	ResponseTimeout time.Duration // bounds the time from the call to the first byte of its answer; 0: 10 min
	IdleTimeout     time.Duration // bounds a silence inside an answer; 0: 5 min
}

// withDefaults fills in what is not set.
func (s Settings) withDefaults() Settings {
	s.ConnectTimeout = cmp.Or(s.ConnectTimeout, 5*time.Second)
	s.ResponseTimeout = cmp.Or(s.ResponseTimeout, 10*time.Minute)
	s.IdleTimeout = cmp.Or(s.IdleTimeout, 5*time.Minute)
	return s
}

// Client calls one provider. It may be used by many goroutines.
type Client struct {
	settings Settings
	dialing  *dialer
	template *http.Request // what all calls have in common; nil: the base URL cannot be read
	kept     *http.Transport
	fresh    *http.Transport // uses each connection once: for what must not meet a stale one again
}

// Open prepares a client, and gives what closes it: idle connections end at once, calls that run go on.
func Open(settings Settings) (*Client, func()) {
	settings = settings.withDefaults()
	dialing := newDialer(settings.ConnectTimeout)
	c := &Client{settings: settings, dialing: dialing, kept: newTransport(dialing), fresh: newTransport(dialing)}
	c.fresh.DisableKeepAlives = true
	if base, err := url.Parse(strings.TrimRight(settings.BaseURL, "/")); err == nil && base.Host != "" {
		base.User, base.Fragment = nil, ""
		c.template = &http.Request{URL: base, Host: base.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	}
	return c, func() {
		c.kept.CloseIdleConnections()
		c.fresh.CloseIdleConnections()
	}
}

// newTransport is HTTP/1.1 with nothing of its own accord: no proxy of the environment, no compression. A stream holds its
// connection as long as it lasts, so their number has no bound here: the callers' own bounds it.
func newTransport(dialing *dialer) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            dialing.plain,
		DialTLSContext:         dialing.encrypted,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    256, // all of them: there is one host
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         readBuffer,
		WriteBufferSize:        writeBuffer,
	}
}

// The buffers of a connection, of which each open stream has its own. A request of 10 KB leaves in one write, which saves it a
// quarter of its time; larger buffers for reading save nothing, since what is large is read past them.
const (
	readBuffer  = 4 << 10
	writeBuffer = 12 << 10
)

// Call is one request to a provider.
type Call struct {
	Method string
	// Path is what follows the base URL: "/chat/completions". It is not encoded, and has no query.
	Path string
	// Header belongs to the call from here on.
	Header http.Header
	// Body is nil where there is none.
	Body *Payload
}

// Do sends a call and waits for the head of its answer, whatever its status. The error is an
// [*llm.UnreachableError], an [*llm.TimeoutError], an [*llm.BrokenError] where the answer is of no use, or the context's.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.template == nil {
		return nil, &llm.UnreachableError{Why: "the base URL cannot be read"}
	}
	// The call does not end with ctx itself, but by its doing: what is left of an answer can be read after it.
	own, cancel := context.WithCancel(context.Background())
	a := &Answer{ctx: ctx, cancel: cancel, unlink: context.AfterFunc(ctx, cancel), Length: -1}
	a.silence.start(c.settings.ResponseTimeout, c.settings.IdleTimeout, cancel)
	response, err := c.send(own, call)
	if err == nil {
		a.raw = response.Body
	}
	late := a.silence.leave()
	switch {
	case late: // what came at the last moment is given up already
		err = &llm.TimeoutError{Key: "response_timeout", Waited: c.settings.ResponseTimeout}
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = explain(err)
	default:
		a.silence.bound(c.settings.IdleTimeout)
		err = a.take(response)
	}
	if err != nil {
		a.end()
		return nil, err
	}
	return a, nil
}

// errStale is what a call is told that is about to be sent once more.
var errStale = errors.New("the connection was stale")

// send sends a call, and once more if the provider has closed the connection before a byte of the answer came, as it may do
// at any time with one that it has kept: RFC 9112, section 9.3.1. The second time takes a connection that nobody has
// used, so that a call is never sent three times.
func (c *Client) send(ctx context.Context, call Call) (*http.Response, error) {
	request := c.request(ctx, call)
	response, err := c.kept.RoundTrip(request)
	if err == nil || !errors.Is(err, errStale) {
		return response, err
	}
	request.Body = call.Body.open()
	return c.fresh.RoundTrip(request)
}

// What every call says where it says nothing else. Without an Accept-Encoding any coding would do: RFC 9110, section
// 12.5.3. All calls share these, and nobody changes them.
var (
	ourAgent = []string{"nexus"}
	uncoded  = []string{"identity"}
	unsent   = []string{}
)

// request is a call as the transport takes it.
func (c *Client) request(ctx context.Context, call Call) *http.Request {
	header := call.Header
	if header == nil {
		header = make(http.Header, 4)
	}
	if header["User-Agent"] == nil {
		header["User-Agent"] = ourAgent
	}
	if header["Accept-Encoding"] == nil {
		header["Accept-Encoding"] = uncoded
	}
	r := c.template.WithContext(ctx)
	base := *c.template.URL
	r.URL = &base
	r.URL.Path += call.Path
	if base.RawPath != "" {
		r.URL.RawPath += (&url.URL{Path: call.Path}).EscapedPath()
	}
	r.Method, r.Header = call.Method, header
	if call.Body != nil {
		r.Body, r.ContentLength = call.Body.open(), call.Body.size()
		r.GetBody = again
		if header["X-Idempotency-Key"] == nil && header["Idempotency-Key"] == nil {
			// Never sent: it lets the transport tell a stale connection from a failed call.
			header["X-Idempotency-Key"] = unsent
		}
	}
	return r
}

// again stands for a body that is asked for once more.
func again() (io.ReadCloser, error) { return nil, errStale }
