package journal_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

func TestGroupsAreCounted(t *testing.T) {
	j := journal.New(0, 0)
	j.Add(&trace.Trace{Time: time.Now(), Group: "pro", Input: 10, Output: 5})
	j.Add(&trace.Trace{Time: time.Now(), Group: "pro", Input: -1, Output: -1, Outcome: trace.Rejected})
	j.Add(&trace.Trace{Time: time.Now(), Group: "pro", Input: 7, Output: -1, Outcome: trace.Failure})
	j.Add(&trace.Trace{Time: time.Now(), Input: 1, Output: 2})
	j.Add(&trace.Trace{Time: time.Now(), Group: "gone", Input: 100})

	got := j.Groups([]string{"free", "pro"})
	want := []journal.Count{
		{Group: "free"},
		{Group: "pro", Requests: 3, Rejections: 1, InputTokens: 17, OutputTokens: 5},
		{Group: "", Requests: 1, InputTokens: 1, OutputTokens: 2},
	}
	if len(got) != len(want) {
		t.Fatalf("%d groups are listed, want %d", len(got), len(want))
	}
	for i := range want {
		got[i].Minutes = [60]journal.Minute{}
		if got[i] != want[i] {
			t.Errorf("group %q: got %+v, want %+v", want[i].Group, got[i], want[i])
		}
	}
}

func TestMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.New(0, 0)
		group := func() journal.Count { return j.Groups([]string{"pro"})[0] }
		j.Add(&trace.Trace{Time: time.Now(), Group: "pro", Input: 3, Output: 4})
		j.Add(&trace.Trace{Group: "pro", Outcome: trace.Rejected, Input: -1, Output: -1}) // no time: now
		want := journal.Minute{Requests: 2, Rejections: 1, Tokens: 7}
		if got := group().Minutes[59]; got != want {
			t.Errorf("the running minute is %+v, want %+v", got, want)
		}

		time.Sleep(time.Minute) // a virtual one
		j.Add(&trace.Trace{Time: time.Now().Add(-2 * time.Minute), Duration: 2 * time.Minute, Group: "pro"})
		minutes := group().Minutes
		if minutes[58] != want || minutes[59] != (journal.Minute{Requests: 1}) {
			t.Errorf("a request counts in the minute in which it ended: %+v then %+v", minutes[58], minutes[59])
		}

		time.Sleep(58 * time.Minute)
		if got := group().Minutes; got[0] != want || got[1].Requests != 1 || got[59] != (journal.Minute{}) {
			t.Errorf("after 59 minutes: %+v, %+v … %+v", got[0], got[1], got[59])
		}
		time.Sleep(time.Minute)
		j.Add(&trace.Trace{Time: time.Now(), Group: "pro"})
		got := group()
		if got.Minutes[0].Requests != 1 || got.Minutes[59] != (journal.Minute{Requests: 1}) {
			t.Errorf("a slot that is used again begins at nothing: %+v … %+v", got.Minutes[0], got.Minutes[59])
		}
		if got.Requests != 4 {
			t.Errorf("what left the chart stays counted: %d requests, want 4", got.Requests)
		}
		time.Sleep(1000 * time.Hour)
		if got := group().Minutes; got != ([60]journal.Minute{}) {
			t.Errorf("a quiet hour is empty, got %+v", got)
		}
	})
}

func TestTooManyGroupsCountAsNone(t *testing.T) {
	j := journal.New(0, 0)
	var names []string
	for i := range 1005 {
		names = append(names, fmt.Sprint("group", i))
		j.Add(&trace.Trace{Time: time.Now(), Group: names[i]})
	}
	got := j.Groups(names)
	if got[999].Requests != 1 || got[1000].Requests != 0 {
		t.Errorf("the last group with room counts %d, the first without %d", got[999].Requests, got[1000].Requests)
	}
	if none := got[len(got)-1]; none.Group != "" || none.Requests != 5 {
		t.Errorf("no group counts %d, want 5", none.Requests)
	}
}

func TestAClockBeforeItsTimeIsOnNoChart(t *testing.T) {
	j := journal.New(0, 0)
	j.Add(&trace.Trace{Time: time.Unix(-1000, 0)})
	if got := j.Groups(nil)[0]; got.Requests != 1 || got.Minutes != ([60]journal.Minute{}) {
		t.Errorf("got %+v", got)
	}
}
