package journal_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

func allowed(id, client string) *trace.Trace {
	return &trace.Trace{ID: id, Time: time.Now(), ClientID: client, Outcome: trace.Allowed, Status: 200, Input: -1, Output: -1}
}

func refused(id, client string, reason trace.Reason) *trace.Trace {
	t := allowed(id, client)
	t.Outcome, t.Status, t.Reason = trace.Rejected, 400, reason
	return t
}

func refusedFrom(id, address string, reason trace.Reason) *trace.Trace {
	t := refused(id, "", reason)
	t.Remote = netip.MustParseAddr(address)
	return t
}

func ids(traces []trace.Trace) []string {
	all := make([]string, 0, len(traces))
	for i := range traces {
		all = append(all, traces[i].ID)
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestLists(t *testing.T) {
	j := journal.New(10, 10)
	j.Add(allowed("a", "alice"))
	j.Add(refused("b", "bob", trace.GroupInvalid))
	j.Add(refusedFrom("c", "192.0.2.1", trace.ClientIDMissing))
	failed := allowed("d", "alice")
	failed.Outcome, failed.Reason = trace.Failure, trace.ProviderError
	j.Add(failed)

	same(t, "the newest request comes first, of every kind", ids(j.Traces(0)), []string{"d", "c", "b", "a"})
	same(t, "a limit keeps the newest", ids(j.Traces(2)), []string{"d", "c"})
	same(t, "a limit above what is there gives what is there", ids(j.Traces(99)), []string{"d", "c", "b", "a"})
	same(t, "only what was refused is a refusal", ids(j.Rejections(journal.Filter{}, -1)), []string{"c", "b"})
	same(t, "the newest refusal", ids(j.Rejections(journal.Filter{}, 1)), []string{"c"})
}

func TestTheRecordIsACopy(t *testing.T) {
	j := journal.New(2, 2)
	tr := allowed("a", "alice")
	tr.Note(trace.Route, trace.Passed, trace.Routed).Value = "demo"
	j.Add(tr)
	*tr = trace.Trace{}
	got, ok := j.Trace("a")
	if !ok || got.ClientID != "alice" || len(got.Steps()) != 1 || got.Steps()[0].Value != "demo" {
		t.Errorf("the record changed with the trace that it was made from: %+v", got)
	}
}

func TestTraceByID(t *testing.T) {
	j := journal.New(2, 2)
	j.Add(allowed("twice", "old"))
	j.Add(refused("twice", "new", trace.GroupInvalid))
	j.Add(allowed("other", "x"))
	if got, ok := j.Trace("twice"); !ok || got.ClientID != "new" {
		t.Errorf("of an id that was used twice the newest is shown: got %q, %v", got.ClientID, ok)
	}
	j.Add(allowed("twice", "newest"))
	if got, _ := j.Trace("twice"); got.ClientID != "newest" {
		t.Errorf("the newest of all rings: got %q", got.ClientID)
	}
	if _, ok := j.Trace("nobody"); ok {
		t.Error("an id that nobody had is found")
	}
}

func TestARefusalOutlivesTheRingOfRequests(t *testing.T) {
	j := journal.New(3, 3)
	j.Add(refused("kept", "alice", trace.GroupInvalid))
	for i := range 1000 {
		j.Add(allowed(fmt.Sprint(i), "bob"))
	}
	if _, ok := j.Trace("kept"); !ok {
		t.Error("the trace of a listed refusal is gone")
	}
	same(t, "the row", ids(j.Rejections(journal.Filter{}, 0)), []string{"kept"})
}

func TestFlood(t *testing.T) {
	const room, flood = 100, 100_000
	floods := map[string]func(i int) *trace.Trace{
		"one client of one reason": func(i int) *trace.Trace {
			return refused(fmt.Sprint("flood", i), "mallory", trace.GroupInvalid)
		},
		"one address without a client id": func(i int) *trace.Trace {
			return refusedFrom(fmt.Sprint("flood", i), "192.0.2.66", trace.ClientIDMissing)
		},
		"one IPv6 network without a client id": func(i int) *trace.Trace {
			return refusedFrom(fmt.Sprint("flood", i), fmt.Sprintf("2001:db8::%x", i%0xffff), trace.ClientIDMissing)
		},
		"many addresses without a client id": func(i int) *trace.Trace {
			return refusedFrom(fmt.Sprint("flood", i), fmt.Sprintf("10.0.%d.%d", i/256%256, i%256), trace.ClientIDMissing)
		},
	}
	for name, next := range floods {
		t.Run(name, func(t *testing.T) {
			j := journal.New(room, room)
			for i := range room {
				tr := allowed(fmt.Sprint("allowed", i), "alice")
				tr.Group = "pro"
				j.Add(tr)
			}
			j.Add(refused("alice", "alice", trace.GroupInvalid))
			for i := range flood {
				j.Add(next(i))
			}

			for i := range room {
				if _, ok := j.Trace(fmt.Sprint("allowed", i)); !ok {
					t.Fatalf("the trace of allowed request %d is gone", i)
				}
			}
			same(t, "the row of another client", ids(j.Rejections(journal.Filter{Client: "alice"}, 0)), []string{"alice"})
			same(t, "its place in the whole list", ids(last(j.Rejections(journal.Filter{}, 0), 1)), []string{"alice"})
			if rows := j.Rejections(journal.Filter{}, 0); len(rows) > room {
				t.Errorf("%d refusals are listed, room is for %d", len(rows), room)
			} else if rows[0].ID != fmt.Sprint("flood", flood-1) {
				t.Errorf("the newest refusal is %s", rows[0].ID)
			}
			if n := count(j.Traces(0), trace.Allowed); n < room/3 {
				t.Errorf("%d allowed requests are still in the list of %d", n, room)
			}
			counts := j.Groups([]string{"pro"})
			if got := counts[0].Requests; got != room {
				t.Errorf("group pro made %d requests, counted %d", room, got)
			}
			if got := counts[1]; got.Requests != flood+1 || got.Rejections != flood+1 {
				t.Errorf("no group: counted %d requests, %d refusals, want %d of each", got.Requests, got.Rejections, flood+1)
			}
		})
	}
}

func last(traces []trace.Trace, n int) []trace.Trace { return traces[max(len(traces)-n, 0):] }

func count(traces []trace.Trace, outcome trace.Outcome) (n int) {
	for i := range traces {
		if traces[i].Outcome == outcome {
			n++
		}
	}
	return n
}

func TestOneOriginHoldsATenth(t *testing.T) {
	tests := map[string]struct {
		room int
		rows []*trace.Trace
		want []string
	}{
		"a client's third row of one reason takes the place of its first": {20, []*trace.Trace{
			refused("1", "a", trace.GroupInvalid), refused("2", "a", trace.GroupInvalid), refused("3", "a", trace.GroupInvalid),
		}, []string{"3", "2"}},
		"another reason has a share of its own": {20, []*trace.Trace{
			refused("1", "a", trace.GroupInvalid), refused("2", "a", trace.GroupInvalid), refused("3", "a", trace.ModelUnknown),
		}, []string{"3", "2", "1"}},
		"another client has a share of its own": {20, []*trace.Trace{
			refused("1", "a", trace.GroupInvalid), refused("2", "b", trace.GroupInvalid), refused("3", "a", trace.GroupInvalid),
		}, []string{"3", "2", "1"}},
		"the share is one row at least": {3, []*trace.Trace{
			refused("1", "a", trace.GroupInvalid), refused("2", "a", trace.GroupInvalid), refused("3", "b", trace.GroupInvalid),
		}, []string{"3", "2"}},
		"addresses of one /64 are one caller": {10, []*trace.Trace{
			refusedFrom("1", "2001:db8::1", trace.ClientIDMissing), refusedFrom("2", "2001:db8::ffff:2", trace.ClientIDMissing),
			refusedFrom("3", "2001:db8:0:1::1", trace.ClientIDMissing),
		}, []string{"3", "2"}},
		"an IPv4 address is one caller, mapped into IPv6 or not": {10, []*trace.Trace{
			refusedFrom("1", "192.0.2.1", trace.ClientIDMissing), refusedFrom("2", "::ffff:192.0.2.1", trace.ClientIDMissing),
			refusedFrom("3", "192.0.2.2", trace.ClientIDMissing),
		}, []string{"3", "2"}},
		"a zone makes no other caller": {10, []*trace.Trace{
			refusedFrom("1", "fe80::1%eth0", trace.ClientIDMissing), refusedFrom("2", "fe80::1%eth1", trace.ClientIDMissing),
		}, []string{"2"}},
		"room for none keeps none": {0, []*trace.Trace{
			refused("1", "a", trace.GroupInvalid), refusedFrom("2", "192.0.2.1", trace.ClientIDMissing),
		}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := journal.New(10, test.room)
			for _, row := range test.rows {
				j.Add(row)
			}
			same(t, "rows", ids(j.Rejections(journal.Filter{}, 0)), test.want)
		})
	}
}

func TestFilter(t *testing.T) {
	j := journal.New(10, 100)
	j.Add(refusedFrom("Req-1", "192.0.2.77", trace.ClientIDMissing))
	tr := refused("req-2", "alice", trace.GroupInvalid)
	tr.Group, tr.Model, tr.Provider, tr.Path, tr.Method = "pro", "gpt-4", "openai", "/llm/v1/chat/completions", "POST"
	tr.Message = "The specified group is not valid"
	tr.Note(trace.GroupValidation, trace.Failed, trace.NotAllowed).Near = []string{"free", "Enterprise"}
	j.Add(tr)
	j.Add(refused("req-3", "bob", trace.GroupInvalid))

	tests := map[string]struct {
		filter journal.Filter
		want   []string
	}{
		"nothing asked for narrows nothing":       {journal.Filter{}, []string{"req-3", "req-2", "Req-1"}},
		"by reason":                               {journal.Filter{Reason: trace.GroupInvalid}, []string{"req-3", "req-2"}},
		"by client, exactly":                      {journal.Filter{Client: "alice"}, []string{"req-2"}},
		"a part of a client is not the client":    {journal.Filter{Client: "ali"}, nil},
		"by group":                                {journal.Filter{Group: "pro"}, []string{"req-2"}},
		"all fields must agree":                   {journal.Filter{Reason: trace.GroupInvalid, Client: "alice", Group: "free"}, nil},
		"text in the id, in any case":             {journal.Filter{Text: "REQ-1"}, []string{"Req-1"}},
		"text in the path":                        {journal.Filter{Text: "chat/"}, []string{"req-2"}},
		"text in the method":                      {journal.Filter{Text: "post"}, []string{"req-2"}},
		"text in the model":                       {journal.Filter{Text: "GPT"}, []string{"req-2"}},
		"text in the provider":                    {journal.Filter{Text: "openai"}, []string{"req-2"}},
		"text in the client id":                   {journal.Filter{Text: "lic"}, []string{"req-2"}},
		"text in the group":                       {journal.Filter{Text: "Pro", Client: "alice"}, []string{"req-2"}},
		"text in the message":                     {journal.Filter{Text: "specified group"}, []string{"req-2"}},
		"text in the reason's code":               {journal.Filter{Text: "group_inv"}, []string{"req-3", "req-2"}},
		"text in the reason's words":              {journal.Filter{Text: "No client"}, []string{"Req-1"}},
		"text in the address":                     {journal.Filter{Text: "2.77"}, []string{"Req-1"}},
		"text in the sentence of a step":          {journal.Filter{Text: "enterprise"}, []string{"req-2"}},
		"text that nothing says":                  {journal.Filter{Text: "zebra"}, nil},
		"text and another field must both agree":  {journal.Filter{Text: "req", Client: "bob"}, []string{"req-3"}},
		"an address that is not known says least": {journal.Filter{Text: "invalid ip"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			same(t, "rows", ids(j.Rejections(test.filter, 0)), test.want)
		})
	}
	same(t, "a limit counts what matched", ids(j.Rejections(journal.Filter{Reason: trace.GroupInvalid}, 1)), []string{"req-3"})
}

func TestResize(t *testing.T) {
	j := journal.New(3, 3)
	for i := range 5 {
		j.Add(allowed(fmt.Sprint("a", i), "x"))
		j.Add(refused(fmt.Sprint("r", i), fmt.Sprint("client", i), trace.GroupInvalid))
	}
	j.Resize(2, 5)
	if traces, rejections := j.Kept(); traces != 2 || rejections != 5 {
		t.Errorf("room after a resize: %d and %d, want 2 and 5", traces, rejections)
	}
	same(t, "growing keeps what is there", ids(j.Rejections(journal.Filter{}, 0)), []string{"r4", "r3", "r2"})
	if _, ok := j.Trace("a2"); ok {
		t.Error("shrinking keeps the oldest request")
	}
	if _, ok := j.Trace("a3"); !ok {
		t.Error("shrinking loses a newer request")
	}
	for i := range 5 {
		j.Add(refused(fmt.Sprint("s", i), fmt.Sprint("client", i), trace.GroupInvalid))
	}
	same(t, "the new room is used", ids(j.Rejections(journal.Filter{}, 0)), []string{"s4", "s3", "s2", "s1", "s0"})
	j.Resize(2, 2)
	same(t, "shrinking keeps the newest", ids(j.Rejections(journal.Filter{}, 0)), []string{"s4", "s3"})
	j.Resize(-1, 0)
	if traces, rejections := j.Kept(); traces != 0 || rejections != 0 {
		t.Errorf("room below nothing is %d and %d", traces, rejections)
	}
	j.Add(allowed("none", "x"))
	j.Add(refused("none", "x", trace.GroupInvalid))
	if _, ok := j.Trace("none"); ok || len(j.Traces(0))+len(j.Rejections(journal.Filter{}, 0)) > 0 {
		t.Error("a journal without room keeps something")
	}
	if got := j.Groups(nil)[0].Requests; got != 17 {
		t.Errorf("counters after all that: %d requests, want 17", got)
	}
	j.Resize(1, 1)
	j.Add(allowed("again", "x"))
	same(t, "room again", ids(j.Traces(0)), []string{"again"})
}

func TestShrinkingLowersTheShares(t *testing.T) {
	j := journal.New(0, 40)
	j.Add(refused("other", "b", trace.GroupInvalid))
	for i := range 4 {
		j.Add(refused(fmt.Sprint(i), "a", trace.GroupInvalid))
	}
	j.Resize(0, 20)
	same(t, "rows", ids(j.Rejections(journal.Filter{}, 0)), []string{"3", "2", "other"})
}

func TestConcurrentUse(t *testing.T) {
	j := journal.New(64, 64)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			var tr trace.Trace // one record, used again and again as the gateway does
			for i := range 2000 {
				tr = *refused(fmt.Sprint(w, "-", i), fmt.Sprint("client", i%7), trace.GroupInvalid)
				switch i % 3 {
				case 0:
					tr.Outcome = trace.Allowed
				case 1:
					tr.ClientID = ""
				}
				tr.Note(trace.Group, trace.Failed, trace.NotAllowed).Near = []string{"free", "pro"}
				j.Add(&tr)
			}
		})
	}
	for range 2 {
		group.Go(func() {
			for i := range 100 {
				for _, tr := range j.Rejections(journal.Filter{Text: "client3"}, 10) {
					if tr.Outcome != trace.Rejected || tr.ClientID != "client3" {
						t.Errorf("a row that does not match: %+v", tr)
					}
				}
				j.Traces(20)
				j.Trace(fmt.Sprint("1-", i))
				j.Groups([]string{"pro"})
				j.AddReload(journal.Reload{Generation: uint64(i)})
				j.Reloads()
			}
		})
	}
	group.Go(func() {
		for i := range 200 {
			j.Resize(i%100, (i*7)%100)
		}
		j.Resize(64, 64)
	})
	group.Wait()
	if got := j.Groups(nil)[0].Requests; got != 8000 {
		t.Errorf("counted %d requests, want 8000", got)
	}
	j.Add(allowed("end", "x"))
	if got := j.Traces(1); len(got) != 1 || got[0].ID != "end" {
		t.Errorf("the newest request is not first: %v", ids(got))
	}
}

func TestARowThatGaveWayIsNotReadAsAnother(t *testing.T) {
	j := journal.New(0, 40)
	rows := make([]*trace.Trace, 100)
	for i := range rows {
		rows[i] = refused("id", fmt.Sprint("client", i), trace.GroupInvalid)
		j.Add(rows[i])
	}
	if got := j.Rejections(journal.Filter{Client: "client99"}, 0); len(got) != 1 {
		t.Fatalf("%d rows of client99 before the storm, want 1", len(got))
	}

	started, stop := make(chan struct{}), make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		close(started)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				j.Add(rows[i%len(rows)])
			}
		}
	})
	<-started
	for i := range 3000 {
		client := rows[i%len(rows)].ClientID
		for _, tr := range j.Rejections(journal.Filter{Client: client}, 0) {
			if tr.ClientID != client {
				t.Errorf("asked for %s, got a row of %s", client, tr.ClientID)
			}
		}
	}
	close(stop)
	writer.Wait()
}

func TestAddAllocatesNothing(t *testing.T) {
	j := journal.New(100, 100)
	clients := make([]*trace.Trace, 50)
	for i := range clients {
		clients[i] = refused("id", fmt.Sprint("client", i), trace.GroupInvalid)
	}
	tests := map[string]*trace.Trace{
		"an allowed request":              allowed("id", "alice"),
		"a refusal of a known client":     clients[0],
		"a refusal of a known address":    refusedFrom("id", "2001:db8::1", trace.ClientIDMissing),
		"a request of a group":            {Group: "pro", Input: 10, Output: 10},
		"a refusal with its only row out": refused("id", "alice", trace.ModelUnknown),
	}
	for range 1000 {
		for _, tr := range tests {
			j.Add(tr)
		}
	}
	for name, tr := range tests {
		if n := testing.AllocsPerRun(1000, func() { j.Add(tr) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	j.Resize(100, 10) // shares of one row: each refusal takes the place of its client's last one
	i := 0
	if n := testing.AllocsPerRun(1000, func() { j.Add(clients[i%len(clients)]); i++ }); n != 0 {
		t.Errorf("refusals of changing clients allocate %v times", n)
	}
}

// TestAFloodOfQuestionsPushesNothingAway: browsers ask without an identity, and so may anybody else.
func TestAFloodOfQuestionsPushesNothingAway(t *testing.T) {
	j := journal.New(100, 100)
	j.Add(&trace.Trace{ID: "call", Method: "POST", ClientID: "alice"})
	for i := range 1000 {
		j.Add(&trace.Trace{ID: "question-" + strconv.Itoa(i), Method: "OPTIONS"})
	}
	if _, ok := j.Trace("call"); !ok {
		t.Error("a call has been pushed away")
	}
	if _, ok := j.Trace("question-999"); !ok {
		t.Error("a question cannot be found")
	}
	if got := len(j.Traces(0)); got != 11 {
		t.Errorf("%d rows", got)
	}
	for _, g := range j.Groups(nil) {
		if g.Requests != 1 {
			t.Errorf("questions count as calls: %+v", g)
		}
	}
}
