package config

import "fmt"

// endpoint is a path that is served, alone or as the beginning of all paths below it.
type endpoint struct {
	key  string
	path Path
	tree bool
	// open: others may have paths of their own below it. metadata: it is one of those.
	open, metadata bool
}

func (r *reading) endpoints() []endpoint {
	c := r.cfg
	var all []endpoint
	add := func(on bool, e endpoint) {
		if on && r.sound(e.key) {
			all = append(all, e)
		}
	}
	health, openai, metrics := c.Server.Health, c.LLM.Protocols.OpenAI, c.Telemetry.Prometheus
	add(health.Enabled, endpoint{key: "server.health.path", path: health.Path})
	add(health.Enabled, endpoint{key: "server.health.ready_path", path: health.ReadyPath})
	add(c.LLM.Enabled && openai.Enabled, endpoint{key: "llm.protocols.openai.path", path: openai.Path, tree: true, open: true})
	add(c.Admin.Enabled, endpoint{key: "admin.path", path: c.Admin.Path, tree: true})
	add(metrics.Enabled, endpoint{key: "telemetry.prometheus.path", path: metrics.Path})
	for _, path := range c.Server.OAuth.ProtectedResource.Paths() {
		add(c.Server.OAuth.Enabled, endpoint{key: resource, path: Path(path), metadata: true})
	}
	return all
}

// checkPaths refuses two endpoints that would answer the same request. Two keys are told so once, however many paths
// they stand for.
func (r *reading) checkPaths() {
	all := r.endpoints()
	told := map[[2]string]bool{}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if keys := [2]string{a.key, b.key}; !told[keys] {
				told[keys] = r.checkApart(a, b)
			}
		}
	}
}

// checkApart reports whether it found something wrong.
func (r *reading) checkApart(a, b endpoint) bool {
	switch {
	case a.path == b.path:
		key, other := r.later(a, b)
		r.fail(key.key, r.show(key.key, string(key.path))+" is the path of "+other.name()+", too", "write another path")
	case a.takes(b):
		r.failInside(b, a)
	case b.takes(a):
		r.failInside(a, b)
	default:
		return false
	}
	return true
}

// takes reports whether requests for other would be answered by e: below "/" there is room for all.
func (e endpoint) takes(other endpoint) bool {
	return e.tree && e.path != "/" && e.path.Contains(other.path) && !(e.open && other.metadata)
}

// name is what a message calls an endpoint that is not to blame.
func (e endpoint) name() string {
	if e.metadata {
		return "the metadata of " + protected
	}
	return e.key
}

func (r *reading) failInside(inner, outer endpoint) {
	key, other := r.later(inner, outer)
	relation := "lies below %s, where everything belongs to it"
	if key == outer {
		relation = "takes everything below it, where %s lies"
	}
	r.fail(key.key, r.show(key.key, string(key.path))+" "+fmt.Sprintf(relation, other.name()), "write another path")
}

// later is which of two endpoints to blame: the one that the file says, or says last; the metadata, whose path nobody
// writes, only where the other is not said.
func (r *reading) later(a, b endpoint) (blamed, other endpoint) {
	at, bt := r.at[a.key], r.at[b.key]
	switch {
	case a.metadata != b.metadata && at != (Position{}) && bt != (Position{}):
		if b.metadata {
			return a, b
		}
	case at.Line > bt.Line || at.Line == bt.Line && at.Column > bt.Column:
		return a, b
	}
	return b, a
}
