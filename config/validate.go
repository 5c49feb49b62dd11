package config

import "fmt"

// check finds what each key alone cannot say: contradictions. One function looks at each table.
func (r *reading) check() {
	r.checkServer()
	r.checkTLS()
	r.checkCORS()
	r.checkCSRF()
	r.checkClientIP()
	r.checkOAuth()
	r.checkClientIdentification()
	r.checkGroups()
	r.checkOpenListener()
	r.checkLLM()
	r.checkLimits()
	r.checkStorage()
	r.checkTiers()
	r.checkTighter()
	r.checkFallbacks()
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
