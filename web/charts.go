package web

import (
	"fmt"
	"strconv"
	"strings"
)

// The chart of a group is drawn in units that are pixels at its natural size: one column for each of
// 60 minutes, requests growing up from the axis, tokens hanging below it. The two halves have
// scales of their own, each up to its busiest minute.
const (
	chartMinutes = 60
	columnPitch  = 5
	columnWidth  = 4
	axisY        = 34 // also how high requests may grow, with 2 left above
	tokensY      = 36
	tokensHeight = 14
	chartWidth   = chartMinutes * columnPitch
	chartHeight  = tokensY + tokensHeight
)

// chart is a group's last hour, ready to be drawn.
type chart struct {
	Answered, Refused, Tokens string // SVG path data, one series each
	Columns                   []column
	sum, peak                 Minute
}

// column is one minute that had traffic: where to point, and what is said there.
type column struct {
	X    int
	Text string
}

// newChart lays out the minutes, oldest first; the newest stands at the right edge. Of more than 60
// the last 60 count.
func newChart(minutes []Minute) chart {
	minutes = minutes[max(0, len(minutes)-chartMinutes):]
	var c chart
	for _, m := range minutes {
		c.sum = Minute{c.sum.Requests + m.Requests, c.sum.Rejections + m.Rejections, c.sum.Tokens + m.Tokens}
		c.peak.Requests = max(c.peak.Requests, m.Requests)
		c.peak.Tokens = max(c.peak.Tokens, m.Tokens)
	}
	var answered, refused, tokens strings.Builder
	first := chartMinutes - len(minutes)
	for i, m := range minutes {
		x := (first + i) * columnPitch
		all := scale(m.Requests, c.peak.Requests, axisY-2)
		no := min(scale(m.Rejections, c.peak.Requests, axisY-2), all)
		if m.Rejections > 0 && m.Rejections < m.Requests && no == all {
			// Both parts of a mixed minute stay visible, however small it is.
			if all == 1 {
				all++
			} else {
				no--
			}
		}
		rectangle(&answered, x, axisY-(all-no), all-no)
		rectangle(&refused, x, axisY-all, no)
		rectangle(&tokens, x, tokensY, scale(m.Tokens, c.peak.Tokens, tokensHeight))
		if m != (Minute{}) {
			c.Columns = append(c.Columns, column{X: x, Text: minuteText(m, len(minutes)-1-i)})
		}
	}
	c.Answered, c.Refused, c.Tokens = answered.String(), refused.String(), tokens.String()
	return c
}

// scale maps n of peak to a height; what is not nothing is at least one unit high.
func scale(n, peak uint64, height int) int {
	if n == 0 || peak == 0 {
		return 0
	}
	return max(1, int(min(1, float64(n)/float64(peak))*float64(height)+0.5))
}

func rectangle(b *strings.Builder, x, y, height int) {
	if height > 0 {
		fmt.Fprintf(b, "M%d %dh%dv%dh-%dz", x, y, columnWidth, height, columnWidth)
	}
}

func minuteText(m Minute, ago int) string {
	when := "this minute"
	if ago > 0 {
		when = strconv.Itoa(ago) + narrow + "min ago"
	}
	return when + ": " + traffic(m)
}

// traffic says in words what the bars show.
func traffic(m Minute) string {
	s := plural(m.Requests, "request", "requests")
	if m.Rejections > 0 {
		s += ", " + Count(m.Rejections) + " refused"
	}
	if m.Tokens > 0 {
		s += ", " + plural(m.Tokens, "token", "tokens")
	}
	return s
}

// quiet says that there is nothing to draw.
func (c chart) quiet() bool { return c.sum == Minute{} }

// peaks says what the height of the chart stands for.
func (c chart) peaks() string {
	s := "peak " + plural(c.peak.Requests, "request", "requests")
	if c.peak.Tokens > 0 {
		s += ", " + plural(c.peak.Tokens, "token", "tokens")
	}
	return s
}

// caption is peaks where there is little room.
func (c chart) caption() string {
	if c.peak.Requests < 10_000 && c.peak.Tokens < 10_000 {
		return c.peaks()
	}
	return "peak " + Brief(c.peak.Requests) + " requests, " + Brief(c.peak.Tokens) + " tokens"
}

// alternative is the chart for those who do not see it.
func (c chart) alternative(group string) string {
	return group + ", last 60 minutes: " + traffic(c.sum) + "; " + c.peaks() + " in a minute"
}

// total adds up the traffic of all groups.
func total(groups []Group) Group {
	var t Group
	for _, g := range groups {
		t.Requests += g.Requests
		t.Rejections += g.Rejections
		t.InputTokens += g.InputTokens
		t.OutputTokens += g.OutputTokens
	}
	return t
}
