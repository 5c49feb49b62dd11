package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

func (r *reading) checkLLM() {
	const providers = "llm.providers"
	if r.cfg.LLM.Providers.Len() == 0 && r.sound(providers) {
		r.fail(providers, "the file has no provider", `add [llm.providers.demo] with type = "demo"`)
	}
	for name, p := range r.cfg.LLM.Providers.All() {
		key := join(providers, name)
		r.checkName(key, "provider", name)
		if strings.Contains(name, "/") {
			r.fail(key, "a provider's name has a slash, which ends it in provider/model", "write the name without")
		}
		r.checkProvider(key, p)
		for model, m := range p.Models.All() {
			at := join(key+".models", model)
			r.checkName(at, "model", model)
			if strings.ContainsFunc(m.Rename, unicode.IsControl) && m.Rename != model {
				r.fail(at+".rename", "has a control character", "write it without")
			}
		}
	}
}

const maxName = 256

func (r *reading) checkName(key, of, name string) {
	switch {
	case strings.TrimSpace(name) == "":
		r.fail(key, "a "+of+" without a name", "write a name in the table's last place")
	case strings.TrimSpace(name) != name:
		r.fail(key, "a "+of+"'s name begins or ends with space", "write it without")
	case len(name) > maxName:
		r.fail(key, "a "+of+"'s name is longer than 256 bytes", "write a shorter one")
	case strings.ContainsFunc(name, unicode.IsControl):
		r.fail(key, "a "+of+"'s name has a control character", "write it without")
	}
}

// checkProvider looks at what depends on a provider's type.
func (r *reading) checkProvider(key string, p Provider) {
	switch p.Type {
	case ProviderDemo:
		r.checkDemo(key, p)
	case ProviderOpenAI:
		r.checkKey(key, p)
		r.checkBaseURL(key+".base_url", p.BaseURL)
		r.checkTimeouts(key, p)
		r.checkHeaders(key+".headers", p.Headers)
		for model, m := range p.Models.All() {
			r.checkHeaders(join(key+".models", model)+".headers", m.Headers)
		}
	default:
		if r.sound(key + ".type") {
			r.fail(key, "the provider has no type", `write type = "openai", or type = "demo" for the built-in one`)
		}
	}
}

// checkDemo refuses the keys that would do nothing.
func (r *reading) checkDemo(key string, p Provider) {
	useless := func(key string) {
		if r.says(key) {
			r.fail(key, `has no use with type = "demo", which is built in and asks nobody`, `take it out, or write type = "openai"`)
		}
	}
	for _, f := range fieldsOf(reflect.TypeFor[Provider]()) {
		if !p.fits(f.name) {
			useless(join(key, f.name))
		}
	}
	for model := range p.Models.All() {
		useless(join(key+".models", model) + ".headers")
	}
}

// says reports whether the file says key, without a mistake so far.
func (r *reading) says(key string) bool {
	_, said := r.at[key]
	return said && r.sound(key)
}

func (r *reading) checkKey(key string, p Provider) {
	if p.APIKey.IsSet() || p.ForwardToken || !r.sound(key+".api_key") || !r.sound(key+".forward_token") {
		return
	}
	r.fail(key+".api_key", "is missing or empty, and the caller's own key is not taken either: no call could be made",
		fmt.Sprintf(`write api_key = "{{ env.OPENAI_API_KEY }}" %s, any text for a server that wants no key, or forward_token = true for the callers' own keys`, placeOf(key)))
}

func (r *reading) checkBaseURL(key string, u URL) {
	if !r.sound(key) {
		return
	}
	text := string(u)
	path := text[strings.Index(text, "://")+len("://"):]
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")[1:]
	isOdd := func(segment string) bool { return segment == "" || segment == "." || segment == ".." }
	switch {
	case u.hasUserinfo():
		r.fail(key, "has user information, which is not how a key is sent", "leave out what stands before the @, and write api_key, or a header rule that inserts what the provider wants")
	case strings.Contains(text, "?"):
		r.fail(key, "has a query, and endpoints are put behind the URL", "leave out the ? and what follows it")
	case slices.ContainsFunc(segments, isOdd):
		r.fail(key, r.show(key, text)+" has an empty segment, or one of dots", `write the path as it is, such as "https://api.openai.com/v1"`)
	case len(segments) > 0 && slices.Contains([]string{"completions", "responses", "embeddings"}, segments[len(segments)-1]):
		r.warn(key, r.show(key, text)+" ends like an endpoint, and endpoints are put behind it", `write what stands before /chat/completions, such as "https://api.openai.com/v1"`)
	}
}

// minTimeout is what a provider is given at least: less would fail every call.
const minTimeout = Duration(100 * time.Millisecond)

func (r *reading) checkTimeouts(key string, p Provider) {
	for _, timeout := range []struct {
		name, usual string
		value       Duration
	}{{"connect_timeout", "5s", p.ConnectTimeout}, {"response_timeout", "10m", p.ResponseTimeout}, {"idle_timeout", "5m", p.IdleTimeout}} {
		at := join(key, timeout.name)
		if r.sound(at) && timeout.value < minTimeout {
			r.fail(at, r.show(at, timeout.value.String())+" is too short, and does not mean that there is no limit",
				fmt.Sprintf(`write a duration from "100ms" to "365d", such as %q`, timeout.usual))
		}
	}
}
