package trace

import (
	"net/netip"
	"time"
)

// Outcome is how a request ended.
type Outcome uint8

// The outcomes of a request.
const (
	Allowed  Outcome = iota // answered
	Rejected                // refused by Nexus
	Failure                 // let through, and then it broke
)

var outcomeNames = [...]string{"allowed", "rejected", "failed"}

// String is the outcome as the admin's JSON says it.
func (o Outcome) String() string { return outcomeNames[o] }

// Decision names the configuration key that a refusal goes back to.
type Decision struct {
	Key  string
	File string
	Line int // 0: the file does not say the key, its default decided
}

// Would are limits of one model that would have refused a request if they were enforced. The zero value: none would.
type Would struct {
	// Provider and Model are what the limits count; an empty Model: the provider's models that have no limits of their own.
	Provider, Model string
	// Kinds has bit i for kind i of the package limit.
	Kinds uint8
	// Reason is why they would have refused.
	Reason Reason
}

// Trace is what happened to one request: a plain value of fixed size, so that noting a step and keeping
// the record allocate nothing. Strings in it own their bytes or belong to the configuration;
// none points into a buffer that is used again.
type Trace struct {
	ID         string
	Time       time.Time // when the request arrived
	Generation uint64
	Method     string
	Path       string // without the query; cut at 256 bytes
	Remote     netip.Addr
	ClientID   string // empty: not known
	Group      string // as the caller named it; empty: none
	Model      string // the name the caller used
	Provider   string
	Fallback   string // the model that answered instead
	Outcome    Outcome
	Reason     Reason
	Message    string // what the caller was told
	Status     int
	Duration   time.Duration
	Upstream   time.Duration // time spent at the provider; 0: not called
	FirstToken time.Duration // until the first piece of the answer; 0: not streamed
	Input      int64         // tokens of the prompt; -1: not known
	Output     int64         // tokens of the answer; -1: not known
	DecidedBy  Decision
	// Would are the limits that only observe, and would have refused the request.
	Would Would

	steps [stepCount]Step
	count uint8
}

// Note adds a step and gives it back to be filled in. A request meets each step once; one step too many
// takes the place of the last.
func (t *Trace) Note(name Name, verdict Verdict, finding Finding) *Step {
	if int(t.count) < len(t.steps) {
		t.count++
	}
	s := &t.steps[t.count-1]
	*s = Step{Name: name, Verdict: verdict, Finding: finding}
	return s
}

// Tier is the group that the request counts for: none where the group itself was refused, so that no caller can
// invent a row or a label.
func (t *Trace) Tier() string {
	if t.Reason == GroupInvalid {
		return ""
	}
	return t.Group
}

// Steps are the steps noted so far, in order. The slice is the trace's own: it is for reading, and
// only as long as the trace is not written.
func (t *Trace) Steps() []Step { return t.steps[:t.count] }
