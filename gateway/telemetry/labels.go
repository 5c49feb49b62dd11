package telemetry

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"nexus/gateway/trace"
)

// other stands for every label value that has no place of its own.
const other = "__other__"

// otherMethod is OpenTelemetry's own word for a method that HTTP does not define.
const otherMethod = "_OTHER"

// requestKey is the labels of one request.
type requestKey struct {
	method, route string
	status        int
	group         string
}

func (k requestKey) options() []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", k.method),
		attribute.String("http.route", text(k.route)),
		attribute.Int("http.response.status_code", k.status),
		attribute.String("client.group", text(k.group)),
	))}
}

// other keeps the status alone: there are 501 of these.
func (k requestKey) other() requestKey {
	return requestKey{method: otherMethod, route: other, status: k.status, group: other}
}

// rejectionKey is the labels of one refusal.
type rejectionKey struct {
	reason trace.Reason
	group  string
}

func (k rejectionKey) options() []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("reason", text(string(k.reason))),
		attribute.String("group", text(k.group)),
	))}
}

// other keeps the reason if it is one of ours.
func (k rejectionKey) other() rejectionKey {
	if !slices.Contains(trace.Reasons[:], k.reason) {
		k.reason = other
	}
	return rejectionKey{reason: k.reason, group: other}
}

// reloadLabels are the labels of every result of a reload.
func reloadLabels() map[string][]metric.AddOption {
	labels := make(map[string][]metric.AddOption)
	for _, result := range [...]string{"success", "unchanged", "failed"} {
		labels[result] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result)))}
	}
	return labels
}

// method is m if HTTP defines it. It never keeps a caller's own text.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return m
	}
	return otherMethod
}

// status is s if it is a status of HTTP, else 0.
func status(s int) int {
	if s < 100 || s > 599 {
		return 0
	}
	return s
}

// text is s as a label can hold it. A single value that is no UTF-8 would fail a whole scrape.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// table finds prepared labels by their key. Reading takes no lock: a new entry makes a new map, which
// happens once for each key. When limit entries are there, a new key finds those of its other.
type table[K comparable, V any] struct {
	limit   int
	prepare func(K) V
	other   func(K) K

	mu   sync.Mutex // one writer at a time
	live atomic.Pointer[map[K]V]
}

// newTable makes a table of limit entries, and as many more as other has results.
func newTable[K comparable, V any](limit int, prepare func(K) V, other func(K) K) *table[K, V] {
	t := &table[K, V]{limit: limit, prepare: prepare, other: other}
	t.live.Store(&map[K]V{})
	return t
}

func (t *table[K, V]) find(key K) V {
	entries := *t.live.Load()
	if v, ok := entries[key]; ok {
		return v
	}
	if len(entries) >= t.limit {
		key = t.other(key)
		if v, ok := entries[key]; ok {
			return v
		}
	}
	return t.add(key)
}

// add makes the entry of key, unless another request was quicker.
func (t *table[K, V]) add(key K) V {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries := *t.live.Load()
	if len(entries) >= t.limit {
		key = t.other(key)
	}
	if v, ok := entries[key]; ok {
		return v
	}
	v := t.prepare(key)
	entries = maps.Clone(entries)
	entries[key] = v
	t.live.Store(&entries)
	return v
}
