package web

import (
	"net/url"
	"strings"
)

// Every address on the pages is made here, because client ids, groups and request ids come from
// callers: they enter an address escaped or not at all.

func homeURL(base string) string {
	if base == "" {
		return "/"
	}
	return base
}

func configURL(base string) string    { return base + "/config" }
func providersURL(base string) string { return base + "/providers" }
func tiersURL(base string) string     { return base + "/tiers" }
func clientsURL(base string) string   { return base + "/clients" }

// A client id may be anything, so it is asked for: in a path a browser would resolve dots, and a proxy slashes.
func clientURL(base, id string) string     { return base + "/clients?id=" + url.QueryEscape(id) }
func clientJSONURL(base, id string) string { return base + "/api/clients?id=" + url.QueryEscape(id) }

// settingURL leads to a key, or a table, on the page of the configuration.
func settingURL(base, key string) string { return configURL(base) + "#" + settingID(key) }

// settingID is the place of a key on the page of the configuration. Keys may hold anything in quotes: escaped, they can be
// ids and ends of addresses alike.
func settingID(key string) string { return "key-" + url.QueryEscape(key) }

func traceURL(base, id string) string     { return base + "/traces" + requestID(id) }
func traceJSONURL(base, id string) string { return base + "/api/traces" + requestID(id) }

// requestID is the end of an address that leads to one request. A browser takes a segment of dots for a way up, so an
// id of nothing else is asked for instead.
func requestID(id string) string {
	if id == "." || id == ".." {
		return "?id=" + id
	}
	return "/" + url.PathEscape(id)
}

func rejectionsURL(base string, f Filter) string     { return base + "/rejections" + f.query() }
func rejectionsJSONURL(base string, f Filter) string { return base + "/api/rejections" + f.query() }

// query is the filter as the form would send it, without the fields that do not narrow.
func (f Filter) query() string {
	v := url.Values{}
	for _, field := range [...]struct{ name, value string }{
		{"reason", f.Reason}, {"client", f.Client}, {"group", f.Group}, {"text", f.Text},
	} {
		if field.value != "" {
			v.Set(field.name, field.value)
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// active says whether the filter narrows anything.
func (f Filter) active() bool { return f != Filter{} }

// withSelected are the choices of a drop-down list, and the selected value among them: an address
// may name one that the list does not know, and the form must show what the list is narrowed to.
func withSelected(choices []Choice, selected string) []Choice {
	if selected == "" {
		return choices
	}
	for _, c := range choices {
		if c.Value == selected {
			return choices
		}
	}
	return append(choices[:len(choices):len(choices)], Choice{Value: selected, Label: selected})
}

// fileName is the last part of a path in the file system, for places too narrow for all of it.
func fileName(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}
