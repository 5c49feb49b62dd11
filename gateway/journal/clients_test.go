package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// seen are the ids of clients.
func seen(clients []journal.Client) []string {
	var ids []string
	for _, c := range clients {
		ids = append(ids, c.ID)
	}
	return ids
}

func TestClientsAreCounted(t *testing.T) {
	j := journal.New(0, 0)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j.Add(&trace.Trace{Time: noon, Duration: time.Second, ClientID: "alice", Group: "pro", Input: 10, Output: 5})
	j.Add(&trace.Trace{Time: noon, Duration: time.Minute, ClientID: "alice", Group: "pro", Input: 8, Output: -1, Outcome: trace.Failure})
	j.Add(&trace.Trace{Time: noon, ClientID: "bob", Input: -1, Output: -1, Outcome: trace.Rejected, Reason: trace.ModelUnknown})
	j.Add(&trace.Trace{Time: noon, Input: 7, Output: 7})

	if got := seen(j.Clients(0)); !slices.Equal(got, []string{"bob", "alice"}) {
		t.Errorf("the clients are %q, want the latest first and nobody without an id", got)
	}
	alice, ok := j.Client("alice")
	if !ok || alice.Group != "pro" || alice.Requests != 2 || alice.Rejections != 0 || alice.InputTokens != 18 || alice.OutputTokens != 5 || !alice.LastSeen.Equal(noon.Add(time.Minute)) {
		t.Errorf("alice is %+v", alice)
	}
	if bob, ok := j.Client("bob"); !ok || bob.Requests != 1 || bob.Rejections != 1 || bob.Group != "" || bob.InputTokens != 0 {
		t.Errorf("bob is %+v", bob)
	}
	if _, ok := j.Client("carol"); ok {
		t.Error("carol was never seen and is known")
	}
	if got := seen(j.Clients(1)); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("one client is %q", got)
	}
	if got := j.KnownClients(); got != 2 {
		t.Errorf("%d clients are known, want 2", got)
	}
}

func TestARefusedGroupIsNotTheClients(t *testing.T) {
	j := journal.New(0, 0)
	group := func() string {
		c, _ := j.Client("alice")
		return fmt.Sprint(c.Group, c.Requests)
	}
	add := func(name string, reason trace.Reason) {
		tr := &trace.Trace{ClientID: "alice", Group: name, Reason: reason}
		if reason != "" {
			tr.Outcome = trace.Rejected
		}
		j.Add(tr)
	}
	for _, c := range []struct {
		group  string
		reason trace.Reason
		want   string
	}{
		{"gold", trace.GroupInvalid, "1"},
		{"pro", "", "pro2"},
		{"gold", trace.GroupInvalid, "pro3"},
		{"free", trace.ModelUnknown, "free4"},
		{"", "", "5"},
	} {
		if add(c.group, c.reason); group() != c.want {
			t.Errorf("after %q (%s) alice is %q, want %q", c.group, c.reason, group(), c.want)
		}
	}
}

func TestOfTooManyClientsTheOneSeenLongestAgoGoes(t *testing.T) {
	j := journal.New(0, 0)
	for i := range journal.MaxClients {
		j.Add(allowed("id", fmt.Sprint("client", i)))
	}
	j.Add(allowed("id", "client0")) // seen again, so client1 is the one
	before := j.Clients(0)
	j.Add(allowed("id", "newcomer"))
	if _, ok := j.Client("client1"); ok {
		t.Error("the one that was seen longest ago is still there")
	}
	list := j.Clients(0)
	if got := seen(list[:3]); len(list) != journal.MaxClients || !slices.Equal(got, []string{"newcomer", "client0", "client9999"}) {
		t.Errorf("%d clients, beginning with %q", len(list), got)
	}
	if last := list[len(list)-1].ID; last != "client2" {
		t.Errorf("the last one is %q, want client2", last)
	}
	if newcomer, _ := j.Client("newcomer"); newcomer.Requests != 1 || newcomer.Would != nil {
		t.Errorf("who takes a place takes more than that: %+v", newcomer)
	}
	if before[len(before)-1].ID != "client1" {
		t.Error("a list that was given away changed")
	}
}

func TestAForgottenClientStartsAfresh(t *testing.T) {
	j := journal.New(10, 10)
	for _, id := range []string{"alice", "bob", "carol"} {
		j.Add(allowed(id, id))
	}
	if !j.ForgetClient("bob") || j.ForgetClient("bob") || j.ForgetClient("nobody") {
		t.Error("forgetting does not say who was known")
	}
	if got := seen(j.Clients(0)); !slices.Equal(got, []string{"carol", "alice"}) {
		t.Errorf("the clients are %q", got)
	}
	if _, ok := j.Trace("bob"); !ok {
		t.Error("the trace of a forgotten client is gone")
	}
	j.Add(allowed("again", "bob"))
	if bob, ok := j.Client("bob"); !ok || bob.Requests != 1 {
		t.Errorf("bob is %+v", bob)
	}
	for _, id := range []string{"alice", "carol", "bob"} {
		j.ForgetClient(id)
	}
	if j.Add(allowed("id", "dave")); !slices.Equal(seen(j.Clients(0)), []string{"dave"}) {
		t.Errorf("an emptied list does not fill again: %q", seen(j.Clients(0)))
	}
}

func TestWouldBeRefusalsAreCountedForEachLimit(t *testing.T) {
	j := journal.New(0, 0)
	add := func(provider, model string, kinds uint8) {
		j.Add(&trace.Trace{ClientID: "alice", Would: trace.Would{Provider: provider, Model: model, Kinds: kinds}})
	}
	add("demo", "echo", 0b101)
	add("demo", "", 0b001)
	add("demo", "echo", 0b001)
	alice, _ := j.Client("alice")
	want := []journal.Would{{"demo", "echo", 2, 1}, {"demo", "", 0, 1}, {"demo", "echo", 0, 2}}
	if !slices.Equal(alice.Would, want) {
		t.Errorf("got %+v, want %+v", alice.Would, want)
	}
	alice.Would[0].Requests = 99
	if again, _ := j.Client("alice"); again.Would[0].Requests != 1 {
		t.Error("what was given away is the list's own")
	}

	for i := range 30 {
		add("demo", fmt.Sprint("model", i), 1)
	}
	alice, _ = j.Client("alice")
	if n := len(alice.Would); n != 16 || alice.Would[0].Model != "model14" || alice.Would[15].Model != "model29" {
		t.Errorf("%d rows, %+v", n, alice.Would)
	}
}

// TestClientsAgreeWithAModel holds the list against one that is written without a thought for speed.
func TestClientsAgreeWithAModel(t *testing.T) {
	j := journal.New(0, 0)
	var model []string // the latest last
	for i := range 5000 {
		id := fmt.Sprint((i*i*31 + i/7) % 97)
		model = slices.DeleteFunc(model, func(s string) bool { return s == id })
		if i%11 == 0 {
			j.ForgetClient(id)
			continue
		}
		j.Add(allowed("id", id))
		model = append(model, id)
	}
	slices.Reverse(model)
	if got := seen(j.Clients(0)); !slices.Equal(got, model) {
		t.Errorf("got  %q\nwant %q", got, model)
	}
}

func TestClientsAreReadWhileTheyChange(t *testing.T) {
	j := journal.New(0, 0)
	for i := range journal.MaxClients {
		j.Add(allowed("id", fmt.Sprint("client", i)))
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 5000 {
				j.Add(allowed("id", fmt.Sprint("writer", w, "-", i)))
			}
		})
	}
	for range 20 {
		for _, c := range j.Clients(0) {
			if c.ID == "" || c.Requests == 0 || !strings.HasPrefix(c.ID, "client") && !strings.HasPrefix(c.ID, "writer") {
				t.Errorf("a client that is none: %+v", c)
			}
		}
	}
	writers.Wait()
}

func TestAddAllocatesNothingForAKnownClient(t *testing.T) {
	j := journal.New(0, 0)
	would := trace.Would{Provider: "demo", Model: "echo", Kinds: 0b11}
	traces := []*trace.Trace{
		{ClientID: "alice", Group: "pro", Would: would, Time: time.Now()}, {ClientID: "bob", Time: time.Now()}, {ClientID: "alice", Group: "free", Would: would, Time: time.Now()},
	}
	add := func() {
		for _, tr := range traces {
			j.Add(tr)
		}
	}
	add()
	if n := testing.AllocsPerRun(1000, add); n != 0 {
		t.Errorf("three requests of known clients allocate %v times", n)
	}
}
