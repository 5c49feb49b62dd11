package journal

import (
	"math/bits"
	"slices"
	"strings"
	"time"

	"nexus/gateway/trace"
)

// MaxClients is how many clients are remembered; of more, the one that was seen longest ago gives way.
const MaxClients = 10_000

// maxWould is how many rows Would of one client has; of more, the one that was counted longest ago gives way.
const maxWould = 16

// Client is what one client id has asked for since it was first seen. Requests includes refused and failed ones;
// tokens that are not known count as 0.
type Client struct {
	ID string
	// Group is that of its latest request whose group was accepted; empty: none.
	Group        string
	LastSeen     time.Time // when its latest request ended
	Requests     uint64
	Rejections   uint64
	InputTokens  uint64
	OutputTokens uint64
	// Would are its requests that observed limits would have refused; the one that was counted last stands last.
	Would []Would
}

// Would counts the requests of one client that one observed limit would have refused.
type Would struct {
	Provider string
	Model    string // empty: the provider's models that have no limit of their own
	Kind     uint8  // as package limit numbers them
	Requests uint64
}

// Clients lists who was seen, the latest first: at most limit where that is above 0, and MaxClients at most.
func (j *Journal) Clients(limit int) []Client {
	j.mu.Lock()
	refs := j.clients.refs(limit)
	j.mu.Unlock()

	list := make([]Client, 0, len(refs))
	for some := range slices.Chunk(refs, batch) {
		j.mu.Lock()
		for _, r := range some {
			if r.client.born == r.born {
				list = append(list, r.client.told())
			}
		}
		j.mu.Unlock()
	}
	return list
}

// Client finds the client with that id.
func (j *Journal) Client(id string) (Client, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.clients.byID[id]
	if c == nil {
		return Client{}, false
	}
	return c.told(), true
}

// KnownClients counts those that [Journal.Clients] would list.
func (j *Journal) KnownClients() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.clients.byID)
}

// ForgetClient drops a client from the list, and reports whether it was there. Its traces stay.
func (j *Journal) ForgetClient(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.clients.byID[id]
	if c != nil {
		j.clients.drop(c)
	}
	return c != nil
}

// clients is who was seen, in the order of their latest requests.
type clients struct {
	byID           map[string]*client
	oldest, newest *client
	births         uint64
	spare          *client // one that just gave way, so that a full list allocates little
}

// client is one entry of the list. The group in its Client is not kept up: tier has it.
type client struct {
	Client
	tier         *counts // nil: no request of an accepted group yet
	born         uint64  // 0: not in the list
	newer, older *client
}

// add counts a request. Tier is the counters of the request's group.
func (y *clients) add(t *trace.Trace, ended time.Time, tier *counts) {
	if t.ClientID == "" {
		return
	}
	c := y.of(t.ClientID)
	c.LastSeen = ended
	c.Requests++
	c.InputTokens += uint64(max(t.Input, 0))
	c.OutputTokens += uint64(max(t.Output, 0))
	if t.Outcome == trace.Rejected {
		c.Rejections++
	}
	if t.Reason != trace.GroupInvalid {
		c.tier = tier
	}
	for kinds := t.Would.Kinds; kinds != 0; kinds &= kinds - 1 {
		c.wouldRefuse(t.Would.Provider, t.Would.Model, uint8(bits.TrailingZeros8(kinds)))
	}
}

// of finds a client, or makes it, and puts it at the new end of the list.
func (y *clients) of(id string) *client {
	c := y.byID[id]
	if c != nil {
		if c != y.newest {
			y.unlink(c)
			y.link(c)
		}
		return c
	}
	if len(y.byID) >= MaxClients {
		y.drop(y.oldest)
	}
	c, y.spare = y.spare, nil
	if c == nil {
		c = new(client)
	}
	y.births++
	// What a trace points to may be a piece of something larger, which should not live as long as this.
	c.ID, c.born = strings.Clone(id), y.births
	y.byID[c.ID] = c
	y.link(c)
	return c
}

func (y *clients) link(c *client) {
	c.older, c.newer = y.newest, nil
	if y.newest != nil {
		y.newest.newer = c
	} else {
		y.oldest = c
	}
	y.newest = c
}

func (y *clients) unlink(c *client) {
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		y.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		y.newest = c.older
	}
}

// drop takes a client out of the list. A reader may still point to it: that it is not born tells it.
func (y *clients) drop(c *client) {
	y.unlink(c)
	delete(y.byID, c.ID)
	*c = client{}
	y.spare = c
}

// clientRef is a reader's note of a client: it is still the same one as long as the birth agrees.
type clientRef struct {
	born   uint64
	client *client
}

// refs notes the clients, the latest first: at most limit, or all if that is 0 or less.
func (y *clients) refs(limit int) []clientRef {
	n := len(y.byID)
	if limit > 0 {
		n = min(n, limit)
	}
	refs := make([]clientRef, 0, n)
	for c := y.newest; c != nil && len(refs) < n; c = c.older {
		refs = append(refs, clientRef{c.born, c})
	}
	return refs
}

// told is a copy that shares nothing with the list.
func (c *client) told() Client {
	told := c.Client
	if c.tier != nil {
		told.Group = c.tier.name
	}
	told.Would = slices.Clone(c.Would)
	return told
}

// wouldRefuse counts a request that an observed limit would have refused.
func (c *client) wouldRefuse(provider, model string, kind uint8) {
	at := slices.IndexFunc(c.Would, func(w Would) bool { return w.Kind == kind && w.Model == model && w.Provider == provider })
	row := Would{Kind: kind}
	switch {
	case at >= 0:
		row = c.Would[at]
		c.Would = append(c.Would[:at], c.Would[at+1:]...)
	case len(c.Would) >= maxWould:
		c.Would = append(c.Would[:0], c.Would[1:]...)
		fallthrough
	default:
		row.Provider, row.Model = strings.Clone(provider), strings.Clone(model)
	}
	row.Requests++
	c.Would = append(c.Would, row)
}
