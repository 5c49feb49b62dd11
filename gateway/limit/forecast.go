package limit

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	forecastModels  = 1000 // that have a ring of their own
	forecastAnswers = 128  // that a ring remembers
	forecastFew     = 20   // answers that are too few for a percentile: their longest is expected
	forecastNothing = 512  // tokens that are expected where nothing is known
)

// Forecast remembers what the answers of each model needed lately, and expects of the next one their 95th percentile: the
// nearest rank among the last 128, the longest of fewer than 20, 512 tokens where there was none. Models beyond the first
// 1,000 are remembered together. It is safe for concurrent use and bounded; the zero value knows nothing.
type Forecast struct {
	rings atomic.Pointer[rings] // replaced, never changed: who expects waits for nobody
	mu    sync.Mutex            // who adds a model
	rest  ring
}

// model is what a ring belongs to.
type model struct{ provider, name string }

type rings map[model]*ring

// ring is the last answers of a model.
type ring struct {
	expected atomic.Int64 // 0: nothing is known

	mu      sync.Mutex
	answers [forecastAnswers]int64
	noted   int // of all time
}

// Note takes in what one answer needed, in tokens. Less than nothing is nothing.
func (f *Forecast) Note(provider, model string, tokens int64) {
	r := f.find(provider, model)
	if r == nil {
		r = f.add(provider, model)
	}
	r.note(max(0, tokens))
}

// Expect is what the next answer of a model is expected to need, in tokens, at least 1.
func (f *Forecast) Expect(provider, model string) int64 {
	if r := f.find(provider, model); r != nil {
		if expected := r.expected.Load(); expected > 0 {
			return expected
		}
	}
	return forecastNothing
}

// find is the ring of a model; nil: it has none yet.
func (f *Forecast) find(provider, name string) *ring {
	known := f.rings.Load()
	if known == nil {
		return nil
	}
	if r := (*known)[model{provider, name}]; r != nil {
		return r
	}
	if len(*known) >= forecastModels {
		return &f.rest
	}
	return nil
}

// add makes the ring of a model, if there is room for one more.
func (f *Forecast) add(provider, name string) *ring {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.find(provider, name); r != nil {
		return r // somebody was faster
	}
	more := rings{}
	if known := f.rings.Load(); known != nil {
		more = make(rings, len(*known)+1)
		for m, r := range *known {
			more[m] = r
		}
	}
	r := new(ring)
	more[model{strings.Clone(provider), strings.Clone(name)}] = r
	f.rings.Store(&more)
	return r
}

func (r *ring) note(tokens int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[r.noted%forecastAnswers] = tokens
	r.noted++
	known := r.answers // a copy, to be sorted
	n := min(r.noted, forecastAnswers)
	slices.Sort(known[:n])
	rank := n
	if n >= forecastFew {
		rank = (n*95 + 99) / 100
	}
	r.expected.Store(max(1, known[rank-1]))
}
