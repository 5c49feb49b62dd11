package journal

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"nexus/gateway/trace"
)

// batch is how many records a reader copies under one lock: some microseconds' worth.
const batch = 16

// Filter narrows a list of refusals. An empty field does not narrow, so the zero Filter matches all.
type Filter struct {
	Reason trace.Reason // exactly
	Client string       // exactly
	Group  string       // exactly
	// Text is looked for in any case, as a part of the id, path, method, model, provider, client id,
	// group, message, reason (its code and its words), address, or one of the steps' sentences.
	Text string
}

// Traces lists recent requests, allowed, failed and refused, newest first: at most limit where that is
// above 0, and at most as many as the journal has room for. Where there are more, each of the
// rings that is not empty is sure of its part, so that a flood of refusals leaves the rest in sight.
func (j *Journal) Traces(limit int) []trace.Trace {
	j.mu.Lock()
	room := j.answered.size
	lists := [][]ref{j.answered.refs(), j.known.refs(), j.unknown.refs()}
	if asked := j.asked.refs(); len(asked) > 0 {
		lists = append(lists, asked)
	}
	j.mu.Unlock()
	return j.copies(first(limit, choose(room, lists...)))
}

// Rejections lists the refusals that f matches, newest first: at most limit where that is above 0, and at
// most as many as the journal has room for. Where there are more, refusals with and without
// a client id are sure of half the room each.
func (j *Journal) Rejections(f Filter, limit int) []trace.Trace {
	j.mu.Lock()
	room := j.known.size
	known, unknown := j.known.refs(), j.unknown.refs()
	j.mu.Unlock()
	if f != (Filter{}) {
		f.Text = strings.ToLower(f.Text)
		known, unknown = j.matching(known, &f), j.matching(unknown, &f)
	}
	return j.copies(first(limit, choose(room, known, unknown)))
}

// Trace finds the record with that id, the newest if the id was used more than once.
func (j *Journal) Trace(id string) (trace.Trace, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found *record
	for _, r := range []*ring{&j.answered, &j.known, &j.unknown, &j.asked} {
		for rec := r.newest; rec != nil; rec = rec.older {
			if rec.trace.ID == id {
				if found == nil || rec.seq > found.seq {
					found = rec
				}
				break
			}
		}
	}
	if found == nil {
		return trace.Trace{}, false
	}
	return *found.trace, true
}

// ref is a reader's note of a row: the row is still there as long as the sequence number agrees.
type ref struct {
	seq uint64
	rec *record
}

// refs notes all rows, newest first.
func (r *ring) refs() []ref {
	refs := make([]ref, 0, r.n)
	for rec := r.newest; rec != nil; rec = rec.older {
		refs = append(refs, ref{rec.seq, rec})
	}
	return refs
}

// choose takes at most n rows of lists and orders them newest first. Each list is sure of an equal part
// of n; what a list does not need goes to the newest rows of the others.
func choose(n int, lists ...[]ref) []ref {
	newestFirst := func(a, b ref) int { return cmp.Compare(b.seq, a.seq) }
	sure := n / len(lists)
	var chosen, rest []ref
	for _, list := range lists {
		k := min(sure, len(list))
		chosen = append(chosen, list[:k]...)
		rest = append(rest, list[k:]...)
	}
	slices.SortFunc(rest, newestFirst)
	chosen = append(chosen, rest[:min(n-len(chosen), len(rest))]...)
	slices.SortFunc(chosen, newestFirst)
	return chosen
}

// first is the first n of refs, or all of them if n is 0 or less.
func first(n int, refs []ref) []ref {
	if n <= 0 {
		return refs
	}
	return refs[:min(n, len(refs))]
}

// rows goes through those of refs that are still there. It gives copies, each valid until the next.
func (j *Journal) rows(refs []ref) iter.Seq2[ref, *trace.Trace] {
	return func(yield func(ref, *trace.Trace) bool) {
		copied := make([]trace.Trace, 0, batch)
		kept := make([]ref, 0, batch)
		for some := range slices.Chunk(refs, batch) {
			copied, kept = copied[:0], kept[:0]
			j.mu.Lock()
			for _, r := range some {
				if r.rec.seq == r.seq {
					copied, kept = append(copied, *r.rec.trace), append(kept, r)
				}
			}
			j.mu.Unlock()
			for i := range kept {
				if !yield(kept[i], &copied[i]) {
					return
				}
			}
		}
	}
}

// copies are the records that refs point to.
func (j *Journal) copies(refs []ref) []trace.Trace {
	traces := make([]trace.Trace, 0, len(refs))
	for _, t := range j.rows(refs) {
		traces = append(traces, *t)
	}
	return traces
}

// matching are those of refs whose record f matches; f.Text is in lower case.
func (j *Journal) matching(refs []ref, f *Filter) []ref {
	var matched []ref
	for r, t := range j.rows(refs) {
		if f.matches(t) {
			matched = append(matched, r)
		}
	}
	return matched
}

func (f *Filter) matches(t *trace.Trace) bool {
	return (f.Reason == "" || f.Reason == t.Reason) &&
		(f.Client == "" || f.Client == t.ClientID) &&
		(f.Group == "" || f.Group == t.Group) &&
		(f.Text == "" || says(t, f.Text))
}

// says reports whether text, in lower case, occurs in what a reader sees of t.
func says(t *trace.Trace, text string) bool {
	for _, s := range [...]string{
		t.ID, t.Path, t.Method, t.Model, t.Provider, t.ClientID, t.Group, t.Message, string(t.Reason), t.Reason.Words(),
	} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	if t.Remote.IsValid() && strings.Contains(t.Remote.String(), text) {
		return true
	}
	steps := t.Steps()
	for i := range steps {
		if strings.Contains(strings.ToLower(steps[i].Sentence()), text) {
			return true
		}
	}
	return false
}
