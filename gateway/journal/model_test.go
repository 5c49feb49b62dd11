package journal_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// model is the journal as one would write it without a thought for speed: three slices, oldest first.
type model struct {
	traces, rejections       int
	answered, known, unknown []row
	requests, refusals       uint64
	seq                      int
}

type row struct {
	seq    int
	id     string
	origin string
}

func (m *model) add(t *trace.Trace) {
	m.seq++
	m.requests++
	r := row{seq: m.seq, id: t.ID}
	if t.Outcome != trace.Rejected {
		m.answered = newest(append(m.answered, r), m.traces)
		return
	}
	m.refusals++
	list := &m.known
	r.origin = fmt.Sprint(t.Reason, "/", t.ClientID)
	if t.ClientID == "" {
		list = &m.unknown
		r.origin = fmt.Sprint(t.Reason, "/", t.Remote)
	}
	*list = newest(shares(append(*list, r), max(m.rejections/10, 1)), m.rejections)
}

func (m *model) resize(traces, rejections int) {
	m.traces, m.rejections = traces, rejections
	m.answered = newest(m.answered, traces)
	for _, list := range []*[]row{&m.known, &m.unknown} {
		*list = newest(shares(*list, max(rejections/10, 1)), rejections)
	}
}

func newest(rows []row, n int) []row { return rows[max(len(rows)-n, 0):] }

// shares leaves of each origin its newest rows.
func shares(rows []row, share int) []row {
	var kept []row
	for i, r := range rows {
		newer := 0
		for _, other := range rows[i+1:] {
			if other.origin == r.origin {
				newer++
			}
		}
		if newer < share {
			kept = append(kept, r)
		}
	}
	return kept
}

// list takes the oldest row from lists that have more than their part until n are left.
func list(n int, lists ...[]row) []string {
	part := n / len(lists)
	left := slices.Clone(lists)
	for {
		total, oldest := 0, -1
		for i, rows := range left {
			total += len(rows)
			if len(rows) > part && (oldest < 0 || rows[0].seq < left[oldest][0].seq) {
				oldest = i
			}
		}
		if total <= n {
			break
		}
		left[oldest] = left[oldest][1:]
	}
	all := slices.Concat(left...)
	slices.SortFunc(all, func(a, b row) int { return b.seq - a.seq })
	ids := make([]string, 0, len(all))
	for _, r := range all {
		ids = append(ids, r.id)
	}
	return ids
}

func TestJournalAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := &model{traces: 15, rejections: 25}
		j := journal.New(15, 25)
		for step := range 600 {
			if random.IntN(60) == 0 {
				traces, rejections := random.IntN(30), random.IntN(60)
				m.resize(traces, rejections)
				j.Resize(traces, rejections)
			}
			tr := randomTrace(random, fmt.Sprint(seed, "/", step))
			m.add(tr)
			j.Add(tr)
			if step%7 == 0 {
				compare(t, j, m)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

func randomTrace(random *rand.Rand, id string) *trace.Trace {
	tr := &trace.Trace{ID: id, Time: time.Now()}
	if random.IntN(3) == 0 {
		return tr
	}
	tr.Outcome = trace.Rejected
	tr.Reason = []trace.Reason{trace.GroupInvalid, trace.ModelUnknown}[random.IntN(2)]
	n := min(random.IntN(12), random.IntN(12)) // some are busier than others
	if random.IntN(2) == 0 {
		tr.ClientID = fmt.Sprint("client", n)
	} else {
		tr.Remote = netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
	}
	return tr
}

func compare(t *testing.T, j *journal.Journal, m *model) {
	t.Helper()
	same(t, "requests", ids(j.Traces(0)), list(m.traces, m.answered, m.known, m.unknown))
	same(t, "refusals", ids(j.Rejections(journal.Filter{}, 0)), list(m.rejections, m.known, m.unknown))
	for _, r := range slices.Concat(m.answered, m.known, m.unknown) {
		if _, ok := j.Trace(r.id); !ok {
			t.Errorf("trace %s is gone", r.id)
		}
	}
	if c := j.Groups(nil)[0]; c.Requests != m.requests || c.Rejections != m.refusals {
		t.Errorf("counted %d requests and %d refusals, want %d and %d", c.Requests, c.Rejections, m.requests, m.refusals)
	}
}
