package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// check finds what each key alone cannot say: contradictions. One function looks at each table.
func (r *reading) check() {
	r.checkServer()
	r.checkClientIP()
	r.checkClientIdentification()
	r.checkGroups()
	r.checkOpenListener()
	r.checkLLM()
	r.checkAdmin()
	r.checkPaths()
}

func (r *reading) checkServer() {
	s := r.cfg.Server
	const memory, size = "server.max_body_memory", "server.max_body_size"
	if r.sound(memory) && r.sound(size) && s.MaxBodyMemory < s.MaxBodySize {
		key, what, fix := memory, "is smaller than "+size, "raise it to at least "+s.MaxBodySize.String()
		if _, said := r.at[memory]; !said {
			key, what, fix = size, "is larger than "+memory, "lower it, or raise "+memory
		}
		if r.hidden[size] {
			fix = "raise it to at least " + size
		}
		r.warn(key, what+", so that no body of the largest size is accepted", fix)
	}
}

// listener names the listen address in a message.
func (r *reading) listener() string {
	text := r.show("server.listen_address", r.cfg.Server.ListenAddress.String())
	if from := r.over.ListenAddressFrom; from != "" {
		return fmt.Sprintf("%s (of %s)", text, from)
	}
	return text
}

func (r *reading) checkClientIP() {
	const table = "server.client_ip"
	c := r.cfg.Server.ClientIP
	const hops = table + ".x_forwarded_for_trusted_hops"
	if c.XForwardedForTrustedHops != nil && *c.XForwardedForTrustedHops < 0 {
		r.fail(hops, "is negative", "write 0 for the rightmost entry, or how many entries to skip from the right")
		return
	}
	if len(c.TrustedProxies) > 0 || r.cfg.Server.ListenAddress.IsLoopback() || !r.sound(table+".trusted_proxies") {
		return
	}
	said := func(key string) {
		r.fail(key, "believes a header that anybody can send, since "+r.listener()+" is not a loopback address",
			"name the proxies in "+table+".trusted_proxies")
	}
	if c.XRealIP {
		said(table + ".x_real_ip")
	}
	if c.XForwardedForTrustedHops != nil {
		said(hops)
	}
}

const (
	identification = "server.client_identification"
	clientHeader   = identification + ".client_id.http_header"
	groupHeader    = identification + ".group_id.http_header"
	groupValues    = identification + ".validation.group_values"
)

func (r *reading) checkClientIdentification() {
	id := r.cfg.Server.ClientIdentification
	client, group := id.ClientID.HTTPHeader, id.GroupID.HTTPHeader
	if id.Enabled && client == "" && r.sound(clientHeader) {
		r.fail(identification+".client_id", "says nowhere where the client id comes from", `write client_id.http_header = "x-client-id" in [`+identification+`]`)
	}
	if !id.Enabled && client != "" && r.cfg.Server.ListenAddress.IsLoopback() {
		// A line that fell into this table when the header behind it was lost looks just like one that is meant.
		r.warn(identification+".enabled", "switches identification off, although the table says where the client id comes from: nobody is told from anybody else",
			"take the line out, or leave it if that is meant")
	}
	r.checkHeader(clientHeader, client)
	r.checkHeader(groupHeader, group)
	if client != "" && client.Canonical() == group.Canonical() {
		r.fail(groupHeader, "is the header of client_id, too", "name another header")
	}
	if addr := r.cfg.Server.ListenAddress; id.Enabled && client != "" && !addr.IsPrivate() {
		r.warn(clientHeader, "is believed on "+r.listener()+", which is neither loopback nor private: whoever reaches it can be anybody",
			"listen on a private address, or let nobody but a proxy that sets the header reach this one")
	}
}

// unfit are the headers that cannot say who calls: they are about the connection or the message, change
// with each request or hop, or hold a key.
var unfit = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Connection", "Content-Encoding", "Content-Length",
	"Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host", "Keep-Alive", "Origin", "Proxy-Authenticate",
	"Proxy-Authorization", "Proxy-Connection", "Referer", "Te", "Traceparent", "Tracestate", "Trailer", "Transfer-Encoding",
	"Upgrade", "User-Agent", "Via", "X-Forwarded-For", "X-Provider-Api-Key", "X-Request-Id",
}

func (r *reading) checkHeader(key string, h HeaderName) {
	if slices.Contains(unfit, h.Canonical()) {
		r.fail(key, r.show(key, string(h))+" has another meaning and cannot be an identity", `name a header that nothing else uses, such as "x-client-id"`)
	}
}

const maxGroup = 256

func (r *reading) checkGroups() {
	id := r.cfg.Server.ClientIdentification
	values := id.Validation.GroupValues
	hasSource := id.GroupID.HTTPHeader != ""
	switch {
	case hasSource && len(values) == 0 && r.sound(groupValues):
		r.fail(groupValues, "is missing or empty, but group_id needs to know which groups exist", `write group_values = ["free", "pro"] in [server.client_identification.validation]`)
	case !hasSource && len(values) > 0 && r.sound(groupHeader):
		r.warn(groupValues, "has no effect without group_id", "say where the group comes from: group_id.http_header")
	}
	seen := map[string]bool{}
	for i, value := range values {
		key := element(groupValues, i)
		if !r.sound(key) {
			continue
		}
		switch {
		case strings.TrimSpace(value) == "":
			r.fail(key, "is empty", "write the name of a group, or take the entry out")
		case strings.TrimSpace(value) != value:
			r.fail(key, r.show(key, value)+" begins or ends with space, which no header keeps", "write it without")
		case len(value) > maxGroup:
			r.fail(key, "is longer than 256 bytes", "write a shorter name")
		case strings.ContainsFunc(value, unicode.IsControl):
			r.fail(key, "has a control character", "write it without")
		case seen[value]:
			r.fail(key, r.show(key, value)+" is in the list twice", "take one out")
		}
		seen[value] = true
	}
}

// checkOpenListener refuses to answer strangers unless the file wants just that.
func (r *reading) checkOpenListener() {
	addr := r.cfg.Server.ListenAddress
	open := r.cfg.LLM.Enabled && r.cfg.LLM.Protocols.OpenAI.Enabled && !addr.IsLoopback()
	if !open || r.cfg.Server.ClientIdentification.Enabled || r.within[identification] {
		return
	}
	if _, said := r.at[identification+".enabled"]; said {
		r.warn(identification+".enabled", "nobody is identified on "+r.listener()+": whoever reaches it can use the providers",
			"listen on a loopback address, or switch identification on")
		return
	}
	r.fail("server.listen_address", r.listener()+" is not a loopback address, and nobody is identified: whoever reaches it could use the providers",
		"listen on 127.0.0.1, add [server.client_identification], or say that you mean it: server.client_identification.enabled = false")
}

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
		if p.Type == "" && r.sound(key+".type") {
			r.fail(key, "the provider has no type", "write type = "+quote(providerTypes[0]))
		}
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

// maxKept bounds the memory of the admin's lists.
const maxKept = 100_000

func (r *reading) checkAdmin() {
	for _, kept := range []struct {
		key string
		n   int
	}{{"admin.traces", r.cfg.Admin.Traces}, {"admin.rejections", r.cfg.Admin.Rejections}} {
		if r.sound(kept.key) && (kept.n < 0 || kept.n > maxKept) {
			r.fail(kept.key, fmt.Sprintf("%d is out of range", kept.n), "write a number from 0 to 100000")
		}
	}
}

// endpoint is a path that is served, alone or as the beginning of all paths below it.
type endpoint struct {
	key  string
	path Path
	tree bool
}

func (r *reading) endpoints() []endpoint {
	c := r.cfg
	var all []endpoint
	add := func(on bool, key string, path Path, tree bool) {
		if on && r.sound(key) {
			all = append(all, endpoint{key, path, tree})
		}
	}
	add(c.Server.Health.Enabled, "server.health.path", c.Server.Health.Path, false)
	add(c.Server.Health.Enabled, "server.health.ready_path", c.Server.Health.ReadyPath, false)
	add(c.LLM.Enabled && c.LLM.Protocols.OpenAI.Enabled, "llm.protocols.openai.path", c.LLM.Protocols.OpenAI.Path, true)
	add(c.Admin.Enabled, "admin.path", c.Admin.Path, true)
	add(c.Telemetry.Prometheus.Enabled, "telemetry.prometheus.path", c.Telemetry.Prometheus.Path, false)
	return all
}

// checkPaths refuses two endpoints that would answer the same request.
func (r *reading) checkPaths() {
	all := r.endpoints()
	for i, a := range all {
		for _, b := range all[i+1:] {
			switch {
			case a.path == b.path:
				key, other := r.later(a, b)
				r.fail(key.key, r.show(key.key, string(key.path))+" is the path of "+other.key+", too", "write another path")
			case a.tree && a.path != "/" && a.path.Contains(b.path):
				r.failInside(b, a)
			case b.tree && b.path != "/" && b.path.Contains(a.path):
				r.failInside(a, b)
			}
		}
	}
}

func (r *reading) failInside(inner, outer endpoint) {
	key, other := r.later(inner, outer)
	relation := "lies below %s, where everything belongs to it"
	if key == outer {
		relation = "takes everything below it, where %s lies"
	}
	r.fail(key.key, r.show(key.key, string(key.path))+" "+fmt.Sprintf(relation, other.key), "write another path")
}

// later is which of two endpoints to blame: the one that the file says, or says last.
func (r *reading) later(a, b endpoint) (blamed, other endpoint) {
	at, bt := r.at[a.key], r.at[b.key]
	if at.Line > bt.Line || at.Line == bt.Line && at.Column > bt.Column {
		return a, b
	}
	return b, a
}
