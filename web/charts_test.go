package web_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"nexus/web"
)

// bars are the rectangles of one series of a chart: x, top and height of each.
func bars(t *testing.T, d document, series string) [][3]int {
	t.Helper()
	var found [][3]int
	for _, p := range d.all("path") {
		if attribute(p, "class") != series {
			continue
		}
		for _, m := range regexp.MustCompile(`M(\d+) (\d+)h4v(\d+)h-4z`).FindAllStringSubmatch(attribute(p, "d"), -1) {
			var bar [3]int
			for i := range bar {
				bar[i], _ = strconv.Atoi(m[i+1])
			}
			found = append(found, bar)
		}
	}
	return found
}

func chartOf(t *testing.T, minutes ...web.Minute) document {
	t.Helper()
	g := web.Group{Group: ptr("pro"), Requests: 1, Minutes: minutes}
	return render(t, web.Overview(web.OverviewPage{Frame: frame("overview", "Overview"), Groups: []web.Group{g}, Now: now}))
}

func TestChart(t *testing.T) {
	for _, c := range []struct {
		name                      string
		minutes                   []web.Minute
		answered, refused, tokens [][3]int
	}{
		{"the busiest minute has the full height, the newest stands at the right", []web.Minute{{Requests: 5}, {Requests: 10}}, [][3]int{{290, 18, 16}, {295, 2, 32}}, nil, nil},
		{"refusals stand on what was answered", []web.Minute{{Requests: 4, Rejections: 1}}, [][3]int{{295, 10, 24}}, [][3]int{{295, 2, 8}}, nil},
		{"one refusal among thousands is seen", []web.Minute{{Requests: 10_000, Rejections: 1}}, [][3]int{{295, 3, 31}}, [][3]int{{295, 2, 1}}, nil},
		{"one answer among thousands of refusals is seen", []web.Minute{{Requests: 10_000, Rejections: 9_999}}, [][3]int{{295, 33, 1}}, [][3]int{{295, 2, 31}}, nil},
		{"a small minute of both shows both", []web.Minute{{Requests: 2, Rejections: 1}, {Requests: 10_000}}, [][3]int{{290, 33, 1}, {295, 2, 32}}, [][3]int{{290, 32, 1}}, nil},
		{"tokens hang below the line, on their own scale", []web.Minute{{Tokens: 1 << 60}, {Tokens: 1 << 59}}, nil, nil, [][3]int{{290, 36, 14}, {295, 36, 7}}},
		{"more refusals than requests stay inside", []web.Minute{{Requests: 1, Rejections: 1 << 63}}, nil, [][3]int{{295, 2, 32}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := chartOf(t, c.minutes...)
			for series, want := range map[string][][3]int{"answered": c.answered, "refused": c.refused, "tokens": c.tokens} {
				if got := bars(t, d, series); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the bars %q are %v, want %v", series, got, want)
				}
			}
		})
	}
}

func TestChartTakesTheLastHour(t *testing.T) {
	d := chartOf(t, append([]web.Minute{{Requests: 1000}}, make([]web.Minute, 60)...)...)
	if len(bars(t, d, "answered")) != 0 || !strings.Contains(d.body(), "no traffic") {
		t.Error("a minute of more than an hour ago is drawn")
	}
}

func TestChartInWords(t *testing.T) {
	d := chartOf(t, web.Minute{Requests: 1200, Rejections: 3, Tokens: 9000}, web.Minute{Requests: 1})
	label := ""
	for _, s := range d.all("svg") {
		if attribute(s, "role") == "img" {
			label = spaced(attribute(s, "aria-label"))
		}
	}
	want := "Group pro, last 60 minutes: 1 201 requests, 3 refused, 9 000 tokens; peak 1 200 requests, 9 000 tokens in a minute"
	if label != want {
		t.Errorf("the chart is described as %q, want %q", label, want)
	}
	if body := d.body(); !strings.Contains(body, "1 min ago: 1 200 requests, 3 refused, 9 000 tokens") || !strings.Contains(body, "this minute: 1 request") {
		t.Errorf("the minutes do not say what they are:\n%s", body)
	}
}
