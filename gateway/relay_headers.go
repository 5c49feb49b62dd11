package gateway

import (
	"errors"
	"net/http"
	"strings"

	"nexus/gateway/llm/upstream"
)

// What can be wrong with the key that a caller brings for a provider.
var (
	errNoKey   = errors.New("the provider takes the caller's own key, and the caller sent none in X-Provider-API-Key")
	errTwoKeys = errors.New("the caller sent more than one X-Provider-API-Key")
	errLongKey = errors.New("the caller's X-Provider-API-Key is longer than 16 KiB")
)

// providerKey is the header in which a caller brings a key of its own.
const providerKey = "X-Provider-Api-Key"

// maxProviderKey bounds it, in bytes.
const maxProviderKey = 16 << 10

// header is what the provider is sent: what goes through without a rule, what the rules say, and ours.
func (r *relayed) header() (http.Header, error) {
	in := r.exchange.Request().Header
	out := make(http.Header, 8)
	for name, values := range in {
		if (name == "Traceparent" || name == "Openai-Beta" || strings.HasPrefix(name, "Anthropic-")) && !upstream.HopByHop(in, name) {
			out[name] = values
		}
	}
	r.backend.rulesFor(&r.target).Apply(out, in)
	bearer, err := r.bearer(in)
	if err != nil {
		return nil, err
	}
	if out["Authorization"] == nil && bearer != nil {
		out["Authorization"] = bearer
	}
	out["Content-Type"] = jsonContent
	if out["Accept"] == nil {
		out["Accept"] = anyContent
		if r.look.Stream {
			out["Accept"] = eventStream
		}
	}
	return out, nil
}

// Shared like jsonContent.
var (
	anyContent  = []string{"*/*"}
	eventStream = []string{"text/event-stream"}
)

// bearer is the key that is sent: the caller's own where that is asked for and there is one, else ours.
func (r *relayed) bearer(in http.Header) ([]string, error) {
	b := r.backend
	if b.key.IsSet() {
		r.keys[0] = b.key.Reveal()
	}
	own := in[providerKey]
	if r.replaced && b.name != r.first.Upstream {
		own = nil // the caller has brought it for another provider
	}
	switch {
	case !b.forward:
		return b.bearer, nil
	case len(own) > 1:
		return nil, errTwoKeys
	case len(own) == 1 && strings.TrimSpace(own[0]) != "":
		key := strings.TrimSpace(own[0])
		if len(key) > maxProviderKey {
			return nil, errLongKey
		}
		r.keys[1] = key
		return []string{"Bearer " + key}, nil
	case b.bearer == nil:
		return nil, errNoKey
	}
	return b.bearer, nil
}

// kept are the headers of a provider's answer that stay with us: those of its connection, of its origin towards browsers,
// of its account, and those that the gateway gives itself.
var kept = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Proxy-Authentication-Info": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true, "Content-Encoding": true, "Date": true, "Server": true, "Via": true, "X-Request-Id": true, "Allow": true,
	"Set-Cookie": true, "Set-Cookie2": true, "Alt-Svc": true, "Strict-Transport-Security": true, "Public-Key-Pins": true,
	"Public-Key-Pins-Report-Only": true, "Expect-Ct": true, "Clear-Site-Data": true, "Content-Security-Policy": true,
	"Content-Security-Policy-Report-Only": true, "Report-To": true, "Reporting-Endpoints": true, "Nel": true, "Refresh": true,
	"Location": true, "Www-Authenticate": true, "Authentication-Info": true, "Service-Worker-Allowed": true, "Sourcemap": true,
	"Cache-Control": true, "Vary": true, "Timing-Allow-Origin": true, "X-Accel-Buffering": true, "X-Accel-Redirect": true, "X-Sendfile": true,
	fallbackHeader: true, "Openai-Organization": true, "Openai-Project": true,
}

// answerHeader gives the caller the headers of an answer that may go on, and gives the whole header of the caller's answer.
func (r *relayed) answerHeader(answer *upstream.Answer) http.Header {
	r.letGo()
	h := r.exchange.Response().Header()
	limited := h["X-Ratelimit-Limit-Tokens"] != nil || h["X-Ratelimit-Limit-Requests"] != nil
	for name, values := range answer.Header {
		if limited && strings.HasPrefix(name, "X-Ratelimit-") {
			continue // the provider's are those of our key, and ours are the caller's own
		}
		if kept[name] || name != "Content-Type" && r.tellsKey(values) || strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Cross-Origin-") || strings.HasPrefix(name, "X-Accel-") {
			continue
		}
		if upstream.HopByHop(answer.Header, name) {
			continue
		}
		h[name] = values
	}
	return h
}

// tellsKey is whether a header repeats a key that nobody may see.
func (r *relayed) tellsKey(values []string) bool {
	for _, value := range values {
		for _, key := range r.keys {
			if len(key) >= leastKey && strings.Contains(value, key) {
				return true
			}
		}
		for _, secret := range r.backend.secretsFor(&r.target) {
			if strings.Contains(value, secret) {
				return true
			}
		}
	}
	return false
}

// leastKey is the length below which a key is none, but "any text", in bytes: it stands in every header.
const leastKey = 3
