package web

import (
	"strconv"
	"time"
)

// Clients is who uses what, the latest first: GET /admin/api/clients. With an id it is that client alone.
type Clients struct {
	Clients []Client `json:"clients"`
}

// Client is one client id, and what it has asked for since it was first seen.
type Client struct {
	ClientID     string    `json:"client_id"`
	Group        *string   `json:"group"` // nil: none
	LastSeen     time.Time `json:"last_seen"`
	Requests     uint64    `json:"requests"`
	Rejections   uint64    `json:"rejections"`
	InputTokens  uint64    `json:"input_tokens"`
	OutputTokens uint64    `json:"output_tokens"`
	// Limits are nil in a list behind the first 100 clients, and where the store of the limits cannot be asked.
	Limits []Budget `json:"limits"`

	// Would are the requests that observed limits would have refused. Not part of the JSON.
	Would []WouldRefuse `json:"-"`
}

// Budget is how one limit of a client stands.
type Budget struct {
	Provider    *string    `json:"provider"` // nil: it limits requests
	Model       *string    `json:"model"`    // nil: the provider's models that have no limit of their own
	Kind        *string    `json:"kind"`
	Level       string     `json:"level"`
	Limit       *int64     `json:"limit"`
	Interval    *string    `json:"interval"` // as in the file; nil: of requests in flight
	Used        int64      `json:"used"`     // it may be above the limit
	Remaining   *int64     `json:"remaining"`
	Reset       *time.Time `json:"reset"` // when nothing is used any more; nil: nothing is, or nobody can know
	Enforce     bool       `json:"enforce"`
	WouldRefuse uint64     `json:"would_refuse"`

	// Key and Line say where the limit stands in the file, Name what is counted, in words. Not part of the JSON.
	Key  *string `json:"-"`
	Line *int    `json:"-"`
	Name string  `json:"-"`
}

// WouldRefuse counts requests that one observed limit would have refused.
type WouldRefuse struct {
	Name     string // the model, or what is counted in words
	Kind     string
	Requests uint64
}

// ClientsPage is /admin/clients.
type ClientsPage struct {
	Frame   Frame
	Clients []Client
	Known   int    // all clients that are kept, those that the page leaves out included
	Most    int    // how many are kept at most
	Missing string // an id that was asked for and is not known; empty: none was
	Now     time.Time
}

// ClientPage is /admin/clients/{id}.
type ClientPage struct {
	Frame  Frame
	Client Client
	// NoLimits says why it is not known how the limits stand; empty: it is.
	NoLimits string
	Latest   []Trace // the latest refusals of this client, newest first, ten at most
	File     string  // the name of the configuration file, for the places of the keys
	Now      time.Time
}

// limited says whether anything limits.
func (b Budget) limited() bool { return b.Limit != nil && *b.Limit > 0 }

// share is the part of the limit that is used, from 0 to 1.
func (b Budget) share() float64 {
	if !b.limited() {
		return 0
	}
	return max(0, min(1, float64(b.Used)/float64(*b.Limit)))
}

// sharePercent is the share of a budget in percent.
func (b Budget) sharePercent() string {
	if !b.limited() {
		return "–"
	}
	if b.Used > *b.Limit {
		return strconv.FormatFloat(100*float64(b.Used)/float64(*b.Limit), 'f', 0, 64) + "%"
	}
	return Percent(uint64(max(0, b.Used)), uint64(*b.Limit))
}

// fill says how near a limit is, as a class of the stylesheet.
func (b Budget) fill() string {
	switch s := b.share(); {
	case !b.Enforce:
		return "watched"
	case s >= 1:
		return "full"
	case s >= 0.8:
		return "near"
	default:
		return "fine"
	}
}

// width is how far the bar of a budget goes, of 1000: what is not nothing can be seen.
func (b Budget) width() string {
	w := int(b.share() * 1000)
	if b.Used > 0 {
		w = max(w, 8)
	}
	return strconv.Itoa(w)
}

// limitName is the limit of a budget as one says it: "80 000 input tokens / 30s".
func (b Budget) limitName() string {
	words := Count(*b.Limit) + " " + kindWords(b.Kind)
	if text(b.Interval) != "" {
		words += " / " + *b.Interval
	}
	return words
}

// usedWords says what was used of a budget.
func (b Budget) usedWords() string {
	if text(b.Kind) == "concurrent" {
		return Count(b.Used) + " in flight"
	}
	return Count(b.Used) + " used"
}

// tightest is the budget of which the largest part is used, of those that refuse before those that observe.
func tightest(budgets []Budget) *Budget {
	var found *Budget
	for i := range budgets {
		b := &budgets[i]
		if !b.limited() {
			continue
		}
		if found == nil || b.Enforce && !found.Enforce || b.Enforce == found.Enforce && b.share() > found.share() {
			found = b
		}
	}
	return found
}

// Until tells how long it takes until t, in one unit, rounded up: "in 3 min". What lies behind now is "now".
func Until(t, now time.Time) string {
	d := t.Sub(now)
	units := [...]struct {
		name   string
		length time.Duration
	}{{"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}}
	if d <= 0 {
		return "now"
	}
	for i, u := range units {
		n := int64((d + u.length - 1) / u.length)
		if i+1 == len(units) || time.Duration(n)*u.length < 2*units[i+1].length {
			if u.name == "h" && n >= 48 {
				break
			}
			return "in " + Count(n) + narrow + u.name
		}
	}
	return "in " + Count(int64((d+24*time.Hour-1)/(24*time.Hour))) + narrow + "days"
}
