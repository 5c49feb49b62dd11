package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// narrow is the no-break space between the groups of digits and before a unit, so that "12 345" and
// "3 min" stay on one line.
const narrow = "\u202f"

// Brief writes a number in five characters at the most, for where there is little room: 13694 is "13.7k".
func Brief(n uint64) string {
	if n < 10_000 {
		return Count(n)
	}
	value, units := float64(n), "kMGTPE"
	for i := range units {
		if value /= 1000; value < 999.95 || i == len(units)-1 {
			if value >= 99.95 {
				return fmt.Sprintf("%.0f%c", value, units[i])
			}
			return fmt.Sprintf("%.1f%c", value, units[i])
		}
	}
	return ""
}

// Count writes a number with its digits in groups of three: 1234567 is "1 234 567".
func Count[N int | int64 | uint64](n N) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(narrow)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Percent is part of whole in percent, with one decimal below ten. It says "0%" and "100%" of exactly
// nothing and all, so that one refusal in a million is not rounded away. Of an empty whole it is "–".
func Percent(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == 0:
		return "0%"
	case part >= whole:
		return "100%"
	case p < 0.1:
		return "<0.1%"
	case p > 99:
		return ">99%"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// Millis writes a number of milliseconds with about three digits, in the unit that suits it. What is
// negative or no number is "0 ms".
func Millis(ms float64) string {
	switch {
	case math.IsNaN(ms) || ms <= 0:
		return "0" + narrow + "ms"
	case ms < 0.01:
		return "<0.01" + narrow + "ms"
	case ms < 0.995:
		return strconv.FormatFloat(ms, 'f', 2, 64) + narrow + "ms"
	case ms < 9.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + narrow + "ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + narrow + "ms"
	case ms < 9_995:
		return strconv.FormatFloat(ms/1000, 'f', 2, 64) + narrow + "s"
	case ms < 59_950:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + narrow + "s"
	case ms > float64(math.MaxInt64/int64(time.Millisecond)):
		return Duration(math.MaxInt64)
	default:
		return Duration(time.Duration(ms * float64(time.Millisecond)).Round(time.Second))
	}
}

// Duration writes a span of time in its two largest units, whole seconds at least: "2 h 5 min".
// A negative span is "0 s".
func Duration(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	units := [...]struct {
		name   string
		length int64
	}{{"d", 86_400}, {"h", 3_600}, {"min", 60}, {"s", 1}}
	for i, u := range units {
		n := seconds / u.length
		if n == 0 && u.length > 1 {
			continue
		}
		text := Count(n) + narrow + u.name
		if i+1 < len(units) {
			next := units[i+1]
			if m := seconds % u.length / next.length; m > 0 {
				text += " " + Count(m) + narrow + next.name
			}
		}
		return text
	}
	return "0" + narrow + "s"
}

// Age tells how long ago t was, in one unit: "3 min ago". What is less than a second old or lies
// ahead (clocks differ) is "just now"; the zero time is "never".
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return Count(int64(d/time.Second)) + narrow + "s ago"
	case d < time.Hour:
		return Count(int64(d/time.Minute)) + narrow + "min ago"
	case d < 24*time.Hour:
		return Count(int64(d/time.Hour)) + narrow + "h ago"
	case d < 48*time.Hour:
		return "1" + narrow + "day ago"
	default:
		return Count(int64(d/(24*time.Hour))) + narrow + "days ago"
	}
}

// UTC writes a moment in full: "2026-03-01 14:05:09 UTC".
func UTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Clock writes a moment as short as it can be told from the day of now: the time of day alone for the
// same day in UTC, else with its date.
func Clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05 UTC")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04 UTC")
	default:
		return t.Format("2006-01-02 15:04 UTC")
	}
}

// Short cuts a hash to the twelve characters that tell it apart from others. Shorter texts stay whole.
func Short(hash string) string {
	if r := []rune(hash); len(r) > 12 {
		return string(r[:12])
	}
	return hash
}
