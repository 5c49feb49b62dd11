package limit

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"nexus/config"
)

// Level is where in the file a token limit was found: the first of these that exists is the one in force.
type Level uint8

// The levels, from the nearest. The zero Level: there is no limit.
const (
	NoLevel Level = iota
	ModelGroup
	ModelOnly
	ProviderGroup
	ProviderOnly
)

var levelNames = [...]string{"none", "model+group", "model", "provider+group", "provider"}

// String is the level as the admin's JSON says it.
func (l Level) String() string { return levelNames[l] }

// Rule is one limit of the file. The zero Rule: none.
type Rule struct {
	Kind     Kind
	Limit    int64
	Interval int64  // milliseconds; 0 with slots
	Every    string // the interval as the file says it; empty with slots
	Observe  bool
	Key      string // of the file: the table, or the key of slots
}

// Some is whether there is a limit.
func (r *Rule) Some() bool { return r.Limit > 0 }

// Tier is the token limits of callers of one group for one model: those of one table of the file.
type Tier struct {
	Level Level
	// Provider and Model are what is counted; an empty Model: all of the provider's that have no limits of their own.
	Provider, Model string
	// Rules are of tokens of prompts, of answers, of both, as far as there are such.
	Rules []Rule
	// beside are the intervals that the tiers of other groups have for the same tokens, by kind.
	beside [Kinds][]int64
}

// CountsInput is whether a limit needs to know how many tokens a prompt has.
func (t *Tier) CountsInput() bool { return t != nil && (t.has(Input) || t.has(Total)) }

// CountsOutput is whether a limit needs to know how many tokens an answer has.
func (t *Tier) CountsOutput() bool { return t != nil && (t.has(Output) || t.has(Total)) }

func (t *Tier) has(k Kind) bool {
	for i := range t.Rules {
		if t.Rules[i].Kind == k {
			return true
		}
	}
	return false
}

// Append adds what a request of a client must pay in this tier as a candidate: input tokens of the prompt, and up to reserve
// for the answer; none where it has no tokens. A nil Tier adds nothing.
func (t *Tier) Append(lines []Charge, candidate int8, client string, input, reserve int64) []Charge {
	if t == nil {
		return lines
	}
	for i := range t.Rules {
		r := &t.Rules[i]
		c := Charge{Candidate: candidate, Observe: r.Observe, Limit: r.Limit, Interval: r.Interval, Key: Key{
			Kind: r.Kind, Client: client, Provider: t.Provider, Model: t.Model,
		}}
		if r.Kind != Output {
			c.Amount = input
		}
		if r.Kind != Input {
			c.Reserve = reserve
		}
		if c.Amount > 0 || c.Reserve > 0 {
			lines = besides(append(lines, c), t.beside[r.Kind])
		}
	}
	return lines
}

// besides keeps further intervals of the counter in step that the last line is about.
func besides(lines []Charge, intervals []int64) []Charge {
	last := len(lines) - 1
	for _, interval := range intervals {
		if c := lines[last]; interval != c.Interval {
			c.Beside, c.Observe, c.Amount, c.Reserve, c.Limit, c.Interval = true, true, 0, 0, maxCount, interval
			lines = append(lines, c)
		}
	}
	return lines
}

// intervalsOf are the intervals that stand in these tiers, by kind; nil where there is but one. A counter has no more windows
// than spanCount.
func intervalsOf(tiers []*Tier) (all [Kinds][]int64) {
	for _, t := range tiers {
		for i := range t.Rules {
			if r := &t.Rules[i]; !slices.Contains(all[r.Kind], r.Interval) && len(all[r.Kind]) < spanCount {
				all[r.Kind] = append(all[r.Kind], r.Interval)
			}
		}
	}
	for kind := range all {
		if len(all[kind]) < 2 {
			all[kind] = nil
		}
	}
	return all
}

// together has the tiers of all groups keep one another's intervals.
func (b *byGroup) together() {
	var tiers []*Tier
	if b.others != nil {
		tiers = append(tiers, b.others)
	}
	for _, group := range slices.Sorted(maps.Keys(b.groups)) {
		tiers = append(tiers, b.groups[group])
	}
	all := intervalsOf(tiers)
	for _, t := range tiers {
		t.beside = all
	}
}

// Table is all limits of one configuration. It is only read.
type Table struct {
	// Global, PerIP, PerUser and Slots are of requests: of everybody, of one address, of one client whose group has no limit
	// of its own, and of one client's requests in flight.
	Global, PerIP, PerUser, Slots Rule

	groups    map[string]*Rule // requests of one client, by group
	beside    []int64          // the intervals of those of all groups, where there are several
	providers []tiers          // in file order
}

// tiers are the tiers of one provider: shared by its models, and those of models of their own, by their place in the file.
type tiers struct {
	shared byGroup
	models []byGroup
	sent   map[string]int // the name that is sent to the provider → the first model of that name with limits
}

// byGroup are the tiers of one model. The zero value: none is limited.
type byGroup struct {
	others *Tier // of callers whose group is not among them; nil: the next level decides
	groups map[string]*Tier
}

// of is the tier of a group; nil: the next level decides.
func (b *byGroup) of(group string) *Tier {
	if t := b.groups[group]; t != nil {
		return t
	}
	return b.others
}

// Compile makes the table of a checked configuration.
func Compile(cfg *config.Config) *Table {
	t := &Table{}
	if limits := &cfg.Server.RateLimits; limits.Enabled {
		const key = "server.rate_limits."
		t.Global = requests(limits.Global, key+"global")
		t.PerIP = requests(limits.PerIP, key+"per_ip")
		user := &limits.PerUser
		t.PerUser = requests(config.RequestLimit{Limit: user.Limit, Interval: user.Interval}, key+"per_user")
		if user.Concurrent > 0 {
			t.Slots = Rule{Kind: Concurrent, Limit: user.Concurrent, Key: key + "per_user.concurrent"}
		}
		var every []int64
		if t.PerUser.Some() {
			every = append(every, t.PerUser.Interval)
		}
		for group, l := range user.Groups.All() {
			if t.groups == nil {
				t.groups = make(map[string]*Rule)
			}
			rule := requests(l, config.Join(key+"per_user.groups", group))
			t.groups[group] = &rule
			every = append(every, rule.Interval)
		}
		slices.Sort(every)
		if every = slices.Compact(every); len(every) > 1 {
			t.beside = every[:min(len(every), spanCount)]
		}
	}
	for name, p := range cfg.LLM.Providers.All() {
		t.providers = append(t.providers, compileTiers(name, &p))
	}
	return t
}

func requests(l config.RequestLimit, key string) Rule {
	if l.Limit <= 0 {
		return Rule{}
	}
	return Rule{Kind: Requests, Limit: l.Limit, Interval: l.Interval.Milliseconds(), Every: l.Interval.String(), Key: key}
}

func compileTiers(name string, p *config.Provider) tiers {
	const rest = "rate_limits.per_user"
	key := config.Join("llm.providers", name)
	t := tiers{shared: compileGroups(&p.RateLimits.PerUser, Tier{Provider: name}, key+"."+rest, ProviderGroup, ProviderOnly)}
	for model, m := range p.Models.All() {
		at := config.Join(config.Join(key, "models"), model)
		own := compileGroups(&m.RateLimits.PerUser, Tier{Provider: name, Model: model}, at+"."+rest, ModelGroup, ModelOnly)
		if _, taken := t.sent[m.Rename]; !taken && own.some() {
			if t.sent == nil {
				t.sent = make(map[string]int)
			}
			t.sent[m.Rename] = len(t.models)
		}
		t.models = append(t.models, own)
	}
	return t
}

func compileGroups(l *config.TokenLimit, base Tier, key string, group, others Level) (b byGroup) {
	if l.Budget().Some() {
		b.others = tier(base, l.Budget(), key, others)
	}
	for name := range l.Groups.All() {
		if budget, _ := l.Of(name); budget.Some() {
			if b.groups == nil {
				b.groups = make(map[string]*Tier)
			}
			b.groups[name] = tier(base, budget, config.Join(key+".groups", name), group)
		}
	}
	b.together()
	return b
}

func tier(t Tier, b config.TokenBudget, key string, level Level) *Tier {
	t.Level = level
	for _, limit := range [...]struct {
		kind Kind
		most int64
	}{{Input, b.Input}, {Output, b.Output}, {Total, b.Total}} {
		if limit.most > 0 {
			t.Rules = append(t.Rules, Rule{
				Kind: limit.kind, Limit: limit.most, Interval: b.Interval.Milliseconds(), Every: b.Interval.String(),
				Observe: !b.Enforced(), Key: key,
			})
		}
	}
	return &t
}

// Tier is the token limits of a caller of a group for a model: provider and model are their places in the file, model -1 for
// one that the file does not list, which the provider knows as sent. Nil: there is no limit.
func (t *Table) Tier(provider, model int, sent, group string) *Tier {
	p := &t.providers[provider]
	if model < 0 {
		// Calling a model by the provider's own name is no way past its limits.
		if at, ok := p.sent[sent]; ok {
			model = at
		}
	}
	if model >= 0 {
		if tier := p.models[model].of(group); tier != nil {
			return tier
		}
	}
	return p.shared.of(group)
}

// Tokens is whether any token limit stands in the file.
func (t *Table) Tokens() bool {
	for i := range t.providers {
		p := &t.providers[i]
		if p.shared.some() {
			return true
		}
		for j := range p.models {
			if p.models[j].some() {
				return true
			}
		}
	}
	return false
}

// some is whether anybody is limited.
func (b *byGroup) some() bool { return b.others != nil || b.groups != nil }

// Shared is the token limits of a caller of a group for all models of a provider without any of their own. Nil: there is no
// limit.
func (t *Table) Shared(provider int, group string) *Tier {
	return t.providers[provider].shared.of(group)
}

// User is the limit of requests of a client of a group.
func (t *Table) User(group string) *Rule {
	if r := t.groups[group]; r != nil {
		return r
	}
	return &t.PerUser
}

// AppendRequests adds what a request of a client pays as such. An empty client pays for its address alone, and an invalid
// address for none.
func (t *Table) AppendRequests(lines []Charge, address netip.Addr, client, group string) []Charge {
	if t.Global.Some() {
		lines = append(lines, t.Global.request(Key{}))
	}
	if t.PerIP.Some() && address.IsValid() {
		lines = append(lines, t.PerIP.request(Key{Address: address}))
	}
	if client == "" {
		return lines
	}
	if user := t.User(group); user.Some() {
		lines = besides(append(lines, user.request(Key{Client: client})), t.beside)
	}
	return lines
}

// AppendSlot adds the slot that a client's request takes while it is in flight.
func (t *Table) AppendSlot(lines []Charge, client string) []Charge {
	if !t.Slots.Some() || client == "" {
		return lines
	}
	c := t.Slots.request(Key{Client: client})
	c.Candidate = Whichever
	return append(lines, c)
}

// Address is what an address pays for a request that is refused before it has a bill; ok is false where addresses have no
// limit.
func (t *Table) Address(address netip.Addr) (c Charge, ok bool) {
	if !t.PerIP.Some() || !address.IsValid() {
		return Charge{}, false
	}
	return t.PerIP.request(Key{Address: address}), true
}

// request is the charge of one request by a rule.
func (r *Rule) request(k Key) Charge {
	k.Kind = r.Kind
	return Charge{Key: k, Candidate: Always, Amount: 1, Limit: r.Limit, Interval: r.Interval}
}

// Keys are the counters that a client can have, for whoever forgets it. Slots are not among them.
func (t *Table) Keys(client string) []Key {
	keys := []Key{{Kind: Requests, Client: client}}
	for i := range t.providers {
		p := &t.providers[i]
		keys = p.shared.keys(keys, client)
		for j := range p.models {
			keys = p.models[j].keys(keys, client)
		}
	}
	return keys
}

func (b *byGroup) keys(keys []Key, client string) []Key {
	var counted [Kinds]bool
	add := func(t *Tier) {
		for i := range t.Rules {
			if k := t.Rules[i].Kind; !counted[k] {
				counted[k] = true
				keys = append(keys, Key{Kind: k, Client: client, Provider: t.Provider, Model: t.Model})
			}
		}
	}
	if b.others != nil {
		add(b.others)
	}
	for _, t := range b.groups {
		add(t)
	}
	return keys
}

// Seconds is a wait as the header Retry-After says it, in whole seconds, at least 1 (RFC 9110, section 10.2.3).
func Seconds(wait time.Duration) int64 { return max(1, int64((wait+time.Second-1)/time.Second)) }
