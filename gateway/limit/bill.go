// Package limit is what callers may still use: sliding windows of tokens and requests, and slots of requests in flight.
//
// A request writes one [Bill]: what it must pay, and by which of several models it could be answered. A [Store] takes the
// bill in one atomic step, so that no two requests can both take the last of a budget. Counters are named by who and what
// ([Key]), never by a limit: a limit that is raised or lowered applies to what was already used.
//
// How much was used of an interval is estimated from two windows: what was paid in the current one, and what was paid in
// the one before, weighted by how much of it the interval still covers.
//
// The package must not know who a client is, beyond a key, or how anything is told to a caller.
package limit

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Kind is what a counter counts.
type Kind uint8

// The kinds. Tokens are of prompts, of answers, or of both together.
const (
	Input Kind = iota
	Output
	Total
	Requests
	Concurrent // requests in flight: slots, not a window
)

// Kinds is how many kinds there are.
const Kinds = 5

var kindNames = [Kinds]string{"input", "output", "total", "requests", "concurrent"}

// String is the kind as the admin's JSON says it.
func (k Kind) String() string { return kindNames[k] }

// Key names a counter by who is counted and what. Two different keys never share a counter. It is comparable.
type Key struct {
	Kind Kind
	// Address counts a network address, as [nexus/gateway/journal.Network] gives it. Invalid: no address.
	Address netip.Addr
	// Client counts a client id. Empty, and without an Address: everyone together.
	Client string
	// Provider and Model are what tokens are counted for: a model of its own, or all models of a provider that have no
	// limit of their own (an empty Model). Both empty: requests.
	Provider, Model string
}

// Candidates of a charge that belongs to no single one.
const (
	// Always is a charge that is paid whatever becomes of the candidates: a request. Requests are gone through in the order
	// of the bill; one that has no room is not paid, and neither is any request behind it but that of an address.
	Always int8 = -1
	// Whichever is a charge that is paid together with the candidate that is, whichever that is: a slot.
	Whichever int8 = -2
)

// Charge is one line of a bill.
type Charge struct {
	Key Key
	// Candidate is the place of the model, among those that could answer, for which this line is paid, from 0; or Always, or
	// Whichever.
	Candidate int8
	// Observe is a limit that only measures: the line is paid whether there is room or not.
	Observe bool
	// Beside keeps the window of another interval of the same counter in step, for callers of other tiers: the line takes
	// nothing, and refuses nothing.
	Beside bool
	// Amount must have room, whole: 1 for a request or a slot, the tokens of the prompt. 0 needs room for 1 all the same.
	Amount int64
	// Reserve is taken besides, as far as there is room: the tokens that the answer is expected to need. With Observe it is
	// taken whole.
	Reserve int64
	// Limit is how much may be used, above 0, at most 1e15.
	Limit int64
	// Interval is the length of the window, in milliseconds, from 1 to 365 days. 0 with a slot.
	Interval int64
}

// Bill is what one request must pay before it may go on, or what somebody wants to look at. It is only read.
type Bill struct {
	// Lines in the order in which they are told: requests, then slots, then candidate after candidate. 1,000 at most.
	Lines []Charge
	// Candidates is how many models could answer: the first for which all lines of its own and all that are Whichever
	// have room is paid, whole. 0: there is nothing to pay but what is Always, and what is Whichever.
	Candidates int
	// Dry looks and pays nothing.
	Dry bool
	// At is the time of the bill in Unix milliseconds. 0: the store's own clock, which is what all but tests want.
	At int64
}

// Reading is how one line of a bill stands.
type Reading struct {
	// Used is what is used of the limit, in the interval that ends now: with this line, if it was paid. It may be above the
	// limit.
	Used int64
	// Taken is what was paid for this line: Amount and as much of Reserve as there was room for. 0: it was not paid. For a
	// slot, 1.
	Taken int64
	// Refused is whether the line has (or, with Observe, would have) no room.
	Refused bool
	// Retry is how long it takes until the line has room, if nobody uses anything meanwhile, rounded up to milliseconds. 0:
	// it has room, or never will (Amount is above Limit), or nobody can know (slots).
	Retry time.Duration
	// Reset is how long it takes until nothing is used any more. 0: nothing is, or nobody can know (slots).
	Reset time.Duration
}

// Receipt is how a bill was taken. It is used again: Pay overwrites all of it.
type Receipt struct {
	// Candidate is the one that was paid; -1: none was, or the bill has none, or is dry.
	Candidate int
	// Refused is the line that decided that the bill was not paid: of request lines or slots the first without room; else
	// the first without room of the first candidate. -1: the bill was paid, or would have been.
	Refused int
	// Readings has one entry for each line of the bill.
	Readings []Reading
	// At is when it was paid, in Unix milliseconds of the store's clock.
	At int64
	// Slot is what gives the slots back that were taken; 0: none was.
	Slot uint64
	// Local is set where the bill was taken by the memory that stands in for a store that is out.
	Local bool
	// Unchecked is set where the store is out and nothing was checked or paid.
	Unchecked bool
}

// Correction changes what a bill has paid, when more is known. What is below 0 is given back to the windows in which it was
// paid, as far as they still count, and never makes a counter negative; what is above 0 is charged now, room or not.
type Correction struct {
	Key   Key
	Delta int64
	// Interval is that of the line, in milliseconds: where the counter has ended meanwhile, what is charged begins a new one.
	// 0: nobody knows, and a counter that has ended stays so.
	Interval int64
}

// Settlement ends what a receipt began: corrections of its lines, and its slots.
type Settlement struct {
	At          int64 // of the receipt
	Corrections []Correction
	// Slots are the keys of the slots to give back, which the receipt's Slot has taken. Empty: none.
	Slots []Key
	Slot  uint64
	Local bool // of the receipt
}

// ErrUnavailable is a store that cannot be asked, where nothing may pass then.
var ErrUnavailable = errors.New("the store of the limits is out")

// Store keeps the counters. It is safe for concurrent use.
type Store interface {
	// Pay takes a bill in one atomic step, and writes how into r. The error is that the store cannot be asked, never that
	// there was no room. A line whose Amount is above its Limit is refused like any other.
	Pay(ctx context.Context, b *Bill, r *Receipt) error
	// Settle ends what a receipt began, in one atomic step. It is called at most once for a receipt.
	Settle(ctx context.Context, s *Settlement) error
	// Forget drops counters, 1,000 at most. Slots that are taken stay so.
	Forget(ctx context.Context, keys []Key) error
}
