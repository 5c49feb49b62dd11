package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"nexus/gateway/limit"
	"nexus/gateway/trace"
)

// TierRow is one limit that is in force for callers of a group. Rows of requests and of slots have no Provider and no Model.
type TierRow struct {
	Group    string // empty: callers in no group
	Provider string
	Model    string // empty with a Provider: all of its models that have no limits of their own
	// Discovered is set where the file does not list the model: it has the limits of the provider.
	Discovered bool
	Kind       string // "input", "output", "total", "requests" or "concurrent"; empty: nothing is limited
	Limit      int64
	Interval   string // as the file says it; empty: there is none
	Level      string // "model+group", "model", "provider+group", "provider" or "none"
	Enforce    bool   // else it only measures
	Key        string // of the file
	Line       int    // 0: the file does not say the key

	counter limit.Key
	every   int64
}

// LimitRow is how one limit stands for one client.
type LimitRow struct {
	TierRow
	Used, Remaining int64
	// Reset is when nothing will be used any more. Zero: nothing is used.
	Reset time.Time
	// WouldRefuse is how many requests the limit would have refused if it were enforced.
	WouldRefuse uint64
}

// limitsPath is where callers find their own limits.
const limitsPath = "/limits"

const (
	maxDiscovered = 100 // models of a provider that get rows of their own though the file does not list them
	maxRows       = 1000
)

// Tiers lists the limits in force: for each group in file order, and last for callers in none, those of requests, and then
// those of each provider and model.
func (g *Gateway) Tiers() []TierRow {
	s := g.live.acquire()
	if s == nil {
		return nil
	}
	defer s.release()
	var rows []TierRow
	for _, group := range s.config.Server.ClientIdentification.Validation.GroupValues {
		rows = append(rows, s.tierRows(group)...)
	}
	return append(rows, s.tierRows("")...)
}

// tierRows are the limits of callers of one group.
func (s *Snapshot) tierRows(group string) []TierRow {
	t := s.limits.table
	var rows []TierRow
	for _, r := range [...]*limit.Rule{&t.Global, &t.PerIP, t.User(group), &t.Slots} {
		if r.Some() {
			rows = append(rows, s.row(group, r, nil))
		}
	}
	return append(rows, s.tokenRows(group)...)
}

// tokenRows are the limits of tokens of callers of one group.
func (s *Snapshot) tokenRows(group string) []TierRow {
	var rows []TierRow
	for i := range s.backends {
		b := &s.backends[i]
		rows = s.appendTier(rows, group, b.name, "", s.limits.table.Shared(i, group), false)
		listed := make(map[string]bool, len(b.explicit))
		for alias, m := range b.explicit {
			listed[m.Name] = true
			rows = s.appendTier(rows, group, b.name, m.Name, s.limits.table.Tier(i, alias, m.Sent, group), false)
		}
		discovered := 0
		for _, m := range b.account.listed() {
			if listed[m.ID] || b.filter.IsSet() && !b.filter.Matches(m.ID) {
				continue
			}
			if discovered++; discovered > maxDiscovered {
				break
			}
			rows = s.appendTier(rows, group, b.name, m.ID, s.limits.table.Tier(i, -1, m.ID, group), true)
		}
	}
	return rows
}

// appendTier adds the rows of one model: one for each limit, or one that says that there is none.
func (s *Snapshot) appendTier(rows []TierRow, group, provider, model string, tier *limit.Tier, discovered bool) []TierRow {
	at := len(rows)
	if tier == nil {
		rows = append(rows, TierRow{Group: group, Level: limit.NoLevel.String()})
	} else {
		for i := range tier.Rules {
			rows = append(rows, s.row(group, &tier.Rules[i], tier))
		}
	}
	for i := range rows[at:] {
		r := &rows[at+i]
		r.Provider, r.Model, r.Discovered = provider, model, discovered
	}
	return rows
}

// row is one limit of the file; the tier is nil with requests and slots.
func (s *Snapshot) row(group string, r *limit.Rule, tier *limit.Tier) TierRow {
	row := TierRow{
		Group: group, Kind: r.Kind.String(), Limit: r.Limit, Interval: r.Every, Level: limit.NoLevel.String(), Enforce: !r.Observe,
		Key: r.Key, Line: s.config.Line(r.Key), every: r.Interval, counter: limit.Key{Kind: r.Kind},
	}
	if tier != nil {
		row.Level, row.counter.Provider, row.counter.Model = tier.Level.String(), tier.Provider, tier.Model
	}
	return row
}

// Limits are the limits of one client and how they stand. The error is that the store of the counters cannot be asked.
func (g *Gateway) Limits(ctx context.Context, client, group string) ([]LimitRow, error) {
	s := g.live.acquire()
	if s == nil {
		return nil, nil
	}
	defer s.release()
	return s.limitsOf(ctx, client, group)
}

// limitsOf looks and pays nothing.
func (s *Snapshot) limitsOf(ctx context.Context, client, group string) ([]LimitRow, error) {
	t := s.limits.table
	var tiers []TierRow
	for _, r := range [...]*limit.Rule{t.User(group), &t.Slots} {
		if r.Some() {
			tiers = append(tiers, s.row(group, r, nil))
		}
	}
	tiers = append(tiers, s.tokenRows(group)...)
	bill, receipt := limit.Bill{Dry: true, Candidates: 1}, limit.Receipt{}
	rows := make([]LimitRow, 0, len(tiers))
	for _, tier := range tiers {
		if tier.Kind == "" || len(rows) == maxRows {
			continue
		}
		tier.counter.Client = client
		candidate := limit.Always
		if tier.counter.Kind == limit.Concurrent {
			candidate = limit.Whichever
		}
		rows = append(rows, LimitRow{TierRow: tier})
		bill.Lines = append(bill.Lines, limit.Charge{
			Key: tier.counter, Candidate: candidate, Limit: tier.Limit, Interval: tier.every, Observe: true,
		})
	}
	if len(rows) == 0 {
		return rows, nil
	}
	if err := s.limits.store.Pay(ctx, &bill, &receipt); err != nil {
		return nil, fmt.Errorf("look at the limits: %w", err)
	}
	seen, _ := s.gateway.journal.Client(client)
	now := time.Now()
	for i := range rows {
		row := &rows[i]
		row.Remaining = row.Limit
		if !receipt.Unchecked {
			r := &receipt.Readings[i]
			row.Used, row.Remaining = r.Used, max(0, row.Limit-r.Used)
			if r.Reset > 0 {
				row.Reset = now.Add(r.Reset)
			}
		}
		for _, w := range seen.Would {
			if w.Provider == row.counter.Provider && w.Model == row.counter.Model && limit.Kind(w.Kind) == row.counter.Kind && row.counter.Provider != "" {
				row.WouldRefuse = w.Requests
			}
		}
	}
	return rows, nil
}

// Forget drops a client: from the list of those that were seen, and what it has used. Known is whether there was either;
// the error is that the store of the counters cannot be asked.
func (g *Gateway) Forget(ctx context.Context, client string) (known bool, err error) {
	s := g.live.acquire()
	if s == nil {
		return false, nil
	}
	defer s.release()
	// Other instances may have counted it, too.
	rows, err := s.limitsOf(ctx, client, "")
	if err != nil {
		return false, err
	}
	for i := range rows {
		known = known || rows[i].Used > 0
	}
	keys := s.limits.table.Keys(client)
	for len(keys) > 0 {
		some := keys[:min(len(keys), maxRows)]
		if err := s.limits.store.Forget(ctx, some); err != nil {
			return false, fmt.Errorf("forget what was used: %w", err)
		}
		keys = keys[len(some):]
	}
	return g.journal.ForgetClient(client) || known, nil
}

// ownLimits tells a caller its own limits: the tier that it is in, in words that programs read. Asking costs nothing of
// them.
func (s *Snapshot) ownLimits(x *Exchange, _ string) error {
	rows, err := s.limitsOf(x.Request().Context(), x.trace.ClientID, x.trace.Group)
	if err != nil {
		err = s.limits.refuseUnavailable(x, 0, err)
		return err
	}
	if x.out, err = json.Marshal(callerLimitsOf(x, rows)); err != nil {
		return fmt.Errorf("write the limits: %w", err)
	}
	x.trace.Note(trace.Route, trace.Passed, trace.Listed)
	x.Response().Header()["Cache-Control"] = noStore
	x.send(http.StatusOK)
	return nil
}

// callerLimits is the answer of GET /limits.
type callerLimits struct {
	ClientID *string       `json:"client_id"`
	Group    *string       `json:"group"`
	Limits   []callerLimit `json:"limits"`
}

// callerLimit is one row of it.
type callerLimit struct {
	Provider    *string    `json:"provider"`
	Model       *string    `json:"model"`
	Kind        string     `json:"kind"`
	Level       string     `json:"level"`
	Limit       int64      `json:"limit"`
	Interval    *string    `json:"interval"`
	Used        int64      `json:"used"`
	Remaining   int64      `json:"remaining"`
	Reset       *time.Time `json:"reset"`
	Enforce     bool       `json:"enforce"`
	WouldRefuse uint64     `json:"would_refuse"`
}

func callerLimitsOf(x *Exchange, rows []LimitRow) callerLimits {
	told := callerLimits{ClientID: orNull(x.trace.ClientID), Group: orNull(x.trace.Group), Limits: make([]callerLimit, len(rows))}
	for i := range rows {
		r := &rows[i]
		told.Limits[i] = callerLimit{
			Provider: orNull(r.Provider), Model: orNull(r.Model), Kind: r.Kind, Level: r.Level, Limit: r.Limit, Interval: orNull(r.Interval),
			Used: r.Used, Remaining: r.Remaining, Enforce: r.Enforce, WouldRefuse: r.WouldRefuse,
		}
		if !r.Reset.IsZero() {
			reset := r.Reset.UTC().Round(time.Millisecond)
			told.Limits[i].Reset = &reset
		}
	}
	return told
}

// orNull is nothing where a text is empty.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
