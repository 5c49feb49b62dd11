package gatewaytest

import (
	"net/http"
	"slices"
	"strings"
)

// usualHeaders are those that a gateway may send without being told to: its own, and the few of the caller's that need no
// rule.
var usualHeaders = []string{
	"Accept", "Authorization", "Content-Length", "Content-Type", "User-Agent", "Openai-Beta", "Traceparent", "Tracestate",
}

// checkHeaders fails the test at a header that must not arrive. It names the header, and not what it holds.
func (p *Provider) checkHeaders(r *Received) {
	p.mu.Lock()
	own := make(map[string]bool, len(p.allowed))
	for _, name := range p.allowed {
		own[name] = true
	}
	p.mu.Unlock()
	may := func(name string) bool {
		return own[name] || slices.Contains(usualHeaders, name) || strings.HasPrefix(name, "Anthropic-") ||
			name == "Accept-Encoding" && slices.Equal(r.Header[name], []string{"identity"})
	}
	for name, values := range r.Header {
		switch {
		case !may(name):
			p.t.Errorf("the header %s reached the provider at %s %s", name, r.Method, r.Path)
		case len(values) > 1 && !own[name] && slices.Contains(usualHeaders, name):
			p.t.Errorf("the header %s reached the provider %d times", name, len(values))
		}
	}
	if host := strings.TrimPrefix(p.server.URL, "http://"); r.Host != host {
		p.t.Errorf("the provider was called %q, not %q", r.Host, host)
	}
	if ofAnSDK(r.Header.Get("User-Agent")) && !own["User-Agent"] {
		p.t.Error("the caller's User-Agent reached the provider")
	}
}

// ofAnSDK is whether a program of a caller calls itself so.
func ofAnSDK(agent string) bool {
	return slices.ContainsFunc([]string{"OpenAI/", "ai-sdk", "ai/", "langchain", "curl/", "node", "Mozilla"}, func(s string) bool {
		return strings.Contains(agent, s)
	})
}

// authenticate is OpenAI's answer to a key that is none of its own; nil: the key is good.
func (p *Provider) authenticate(h http.Header) *APIError {
	key, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !ok || key == "" {
		return &APIError{Status: 401, Type: "invalid_request_error",
			Message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
				"(i.e. Authorization: Bearer YOUR_KEY)."}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if key == p.Key || slices.Contains(p.keys, key) {
		return nil
	}
	if strings.HasPrefix(key, "eyJ") {
		p.t.Error("a caller's token reached the provider")
	}
	// The real one repeats the ends of what it was sent.
	shown := key
	if len(key) > 12 {
		shown = key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
	}
	return &APIError{Status: 401, Type: "invalid_request_error", Code: "invalid_api_key",
		Message: "Incorrect API key provided: " + shown + ". You can find your API key at https://platform.openai.com/account/api-keys."}
}
