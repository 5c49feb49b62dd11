package web_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"nexus/web"
)

// spaced writes the narrow no-break space of the pages as a plain one, to keep the tables readable.
func spaced(s string) string { return strings.ReplaceAll(s, "\u202f", " ") }

func TestBrief(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 9_999: "9 999", 10_000: "10.0k", 13_694: "13.7k", 99_949: "99.9k", 99_960: "100k", 999_499: "999k",
		999_960: "1.0M", 1_234_567: "1.2M", 5_600_000_000: "5.6G", math.MaxUint64: "18.4E",
	} {
		if got := spaced(web.Brief(n)); got != want {
			t.Errorf("Brief(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1234: "-1 234", -999: "-999", math.MaxInt64: "9 223 372 036 854 775 807"} {
		if got := spaced(web.Count(n)); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	if got, want := spaced(web.Count(uint64(math.MaxUint64))), "18 446 744 073 709 551 615"; got != want {
		t.Errorf("the largest count is %q, want %q", got, want)
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		name        string
		part, whole uint64
		want        string
	}{
		{"of nothing there is no rate", 0, 0, "–"},
		{"none is 0%", 0, 10, "0%"},
		{"all is 100%", 10, 10, "100%"},
		{"more than all is 100%", 11, 10, "100%"},
		{"one in a million is not rounded away", 1, 1_000_000, "<0.1%"},
		{"all but one is not rounded to all", 999_999, 1_000_000, ">99%"},
		{"below ten there is a decimal", 37, 1000, "3.7%"},
		{"a rate that rounds to ten has none", 9_960, 100_000, "10%"},
		{"above ten there is none", 334, 1000, "33%"},
		{"the largest counts do not overflow", math.MaxUint64 / 2, math.MaxUint64, "50%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := web.Percent(c.part, c.whole); got != c.want {
				t.Errorf("Percent(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
			}
		})
	}
}

func TestMillis(t *testing.T) {
	for _, c := range []struct {
		ms   float64
		want string
	}{
		{0, "0 ms"}, {-3, "0 ms"}, {math.NaN(), "0 ms"}, {0.001, "<0.01 ms"}, {0.21, "0.21 ms"}, {0.999, "1.0 ms"}, {4.26, "4.3 ms"},
		{9.97, "10 ms"}, {812.4, "812 ms"}, {999.7, "1.00 s"}, {1284.3, "1.28 s"}, {12_340, "12.3 s"}, {59_970, "1 min"}, {72_000, "1 min 12 s"},
		{math.Inf(1), "106 751 d 23 h"},
	} {
		if got := spaced(web.Millis(c.ms)); got != c.want {
			t.Errorf("Millis(%v) = %q, want %q", c.ms, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 999 * time.Millisecond: "0 s", 45 * time.Second: "45 s", time.Minute: "1 min", 200 * time.Second: "3 min 20 s",
		2*time.Hour + 5*time.Minute + 59*time.Second: "2 h 5 min", 2 * time.Hour: "2 h", 2*time.Hour + 3*time.Second: "2 h", 51 * time.Hour: "2 d 3 h", 24_000 * time.Hour: "1 000 d",
	} {
		if got := spaced(web.Duration(d)); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", 12 * time.Second: "12 s ago", 60 * time.Second: "1 min ago", 59 * time.Minute: "59 min ago",
		5 * time.Hour: "5 h ago", 24 * time.Hour: "1 day ago", 50 * time.Hour: "2 days ago",
	} {
		if got := spaced(web.Age(now.Add(-ago), now)); got != want {
			t.Errorf("the age of %v is %q, want %q", ago, got, want)
		}
	}
	if got := web.Age(time.Time{}, now); got != "never" {
		t.Errorf("the age of the zero time is %q, want never", got)
	}
}

func TestTimes(t *testing.T) {
	east := time.FixedZone("east", 5*3600)
	at := time.Date(2026, 3, 14, 2, 0, 1, 0, east) // the day before, in UTC
	if got, want := web.UTC(at), "2026-03-13 21:00:01 UTC"; got != want {
		t.Errorf("UTC = %q, want %q", got, want)
	}
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"the same day needs no date", now.Add(-time.Hour), "14:09:26 UTC"},
		{"the day is that of UTC", at, "13 Mar 21:00 UTC"},
		{"another year is said", now.AddDate(-1, 0, 0), "2025-03-14 15:09 UTC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := web.Clock(c.at, now); got != c.want {
				t.Errorf("Clock = %q, want %q", got, c.want)
			}
		})
	}
}

func TestShort(t *testing.T) {
	for hash, want := range map[string]string{"": "", "abc": "abc", "0123456789abcdef": "0123456789ab", "äöüäöüäöüäöüäöü": "äöüäöüäöüäöü"} {
		if got := web.Short(hash); got != want {
			t.Errorf("Short(%q) = %q, want %q", hash, got, want)
		}
	}
}
