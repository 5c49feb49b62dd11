package journal

import (
	"strings"
	"time"

	"nexus/gateway/trace"
)

// maxGroups is how many groups are counted by name; the requests of further ones count as "no group".
const maxGroups = 1000

// Count is the traffic of one group since the start. Requests includes refused and failed ones. Tokens
// that are not known count as 0.
type Count struct {
	Group        string // empty: no group
	Requests     uint64
	Rejections   uint64
	InputTokens  uint64
	OutputTokens uint64
	Minutes      [60]Minute // the last hour, oldest first; the last one is still running
}

// Minute is the traffic of one group in one minute of the clock, by the time at which requests ended.
// Tokens are those of prompts and answers together.
type Minute struct {
	Requests, Rejections, Tokens uint64
}

// Groups counts the traffic of the named groups, in that order, and last that of "no group" (the empty
// Group). A group that nobody has used yet has zeros; one that is not named is not listed.
func (j *Journal) Groups(names []string) []Count {
	now := minuteOf(time.Now())
	all := make([]Count, 0, len(names)+1)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range names {
		c := j.tally.groups[name]
		if c == nil {
			all = append(all, Count{Group: name})
			continue
		}
		all = append(all, c.count(name, now))
	}
	return append(all, j.tally.none.count("", now))
}

// minuteOf is the number of the minute since 1970 in which t lies.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// tally is the counters of all groups.
type tally struct {
	groups map[string]*counts
	none   counts
}

// counts is the traffic of one group. The slot of minute m is m modulo the number of slots; a slot
// belongs to the minute that it names.
type counts struct {
	name                                string // of the group; empty: no group
	requests, rejections, input, output uint64

	slots [60]struct {
		minute int64
		Minute
	}
}

// add counts a request, and gives the counters of its group.
func (y *tally) add(t *trace.Trace, minute int64) *counts {
	c := y.of(t.Tier())
	rejected := uint64(0)
	if t.Outcome == trace.Rejected {
		rejected = 1
	}
	input, output := uint64(max(t.Input, 0)), uint64(max(t.Output, 0))
	c.requests++
	c.rejections += rejected
	c.input += input
	c.output += output

	if minute < 0 {
		return c // a clock before 1970 is on no chart
	}
	s := &c.slots[minute%int64(len(c.slots))]
	if minute != s.minute {
		s.minute, s.Minute = minute, Minute{}
	}
	s.Requests++
	s.Rejections += rejected
	s.Tokens += input + output
	return c
}

// of finds the counters of a group, making them as long as there is room.
func (y *tally) of(group string) *counts {
	if group == "" {
		return &y.none
	}
	c := y.groups[group]
	if c != nil {
		return c
	}
	if len(y.groups) >= maxGroups {
		return &y.none
	}
	c = &counts{name: strings.Clone(group)}
	y.groups[c.name] = c
	return c
}

// count tells the counters as they stand in minute now.
func (c *counts) count(group string, now int64) Count {
	told := Count{
		Group: group, Requests: c.requests, Rejections: c.rejections,
		InputTokens: c.input, OutputTokens: c.output,
	}
	for i := range told.Minutes {
		minute := now - int64(len(told.Minutes)-1-i)
		if minute < 0 {
			continue
		}
		if s := &c.slots[minute%int64(len(c.slots))]; s.minute == minute {
			told.Minutes[i] = s.Minute
		}
	}
	return told
}
