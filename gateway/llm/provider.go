package llm

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Call is what a provider is asked: the caller's request, under the name that the provider knows the model by.
type Call struct {
	Request *Request
	Model   string
	// InputTokens is what the prompt was counted at; 0: it was not counted.
	InputTokens int64
}

// Provider answers. What it cannot honour it refuses with an [*UnsupportedError] before it does anything
// else; what goes wrong is an [*Error]. When the context ends, so does the answer, with the context's error.
type Provider interface {
	// Complete gives the whole answer.
	Complete(ctx context.Context, call *Call) (*Reply, error)
	// Stream gives the answer piece by piece. An error is the last thing that it yields. Leaving the
	// loop early cancels the call; there is no other clean-up.
	Stream(ctx context.Context, call *Call) iter.Seq2[Event, error]
	// Models lists the models that the provider has.
	Models(ctx context.Context) ([]Model, error)
}

// Model is one model of a provider's list.
type Model struct {
	ID      string
	Created int64 // Unix seconds; 0: not known
}

// Error is a provider's failure, as the provider told it.
type Error struct {
	Status  int    // the provider's HTTP status
	Message string // the provider's words
	Code    string // the provider's own code; empty: it gave none
	Param   string // the parameter that the provider names; empty: none
	// RetryAfter is the provider's header: seconds, or a date (RFC 9110, section 10.2.3). Empty: it gave none.
	RetryAfter string
}

// Error says the status alone: the message may hold what the caller wrote, and errors end up in logs.
func (e *Error) Error() string { return fmt.Sprintf("the provider answered %d", e.Status) }

// UnsupportedError refuses a parameter that a provider cannot honour.
type UnsupportedError struct {
	Param string // its name in the caller's request: "n", "logprobs"
	Why   string // the rest of the sentence: "the demo gives one answer"
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s is not supported: %s", e.Param, e.Why)
}

// UnreachableError is a provider that could not be asked: there was no connection, or it ended before the answer began.
type UnreachableError struct {
	Why string // "connection refused"; names no address
}

func (e *UnreachableError) Error() string { return "the provider could not be reached: " + e.Why }

// TimeoutError is a provider that stayed silent for too long.
type TimeoutError struct {
	Key    string // the setting that bounds it: "response_timeout", "idle_timeout"; empty: none does
	Waited time.Duration
}

func (e *TimeoutError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("the provider was silent for %s", e.Waited)
	}
	return fmt.Sprintf("the provider was silent for %s (%s)", e.Waited, e.Key)
}

// BrokenError is an answer that is of no use: cut off, or not what the endpoint answers with.
type BrokenError struct {
	Why string // "the answer was cut off"; repeats nothing of the answer
}

func (e *BrokenError) Error() string { return "the provider's answer cannot be used: " + e.Why }
