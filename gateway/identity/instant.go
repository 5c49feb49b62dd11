package identity

import (
	"strconv"
	"strings"
	"time"
)

// lastSecond is the end of the year 9999, in seconds since 1970: what lies beyond is no date that anybody means.
const lastSecond = 253402300799

// instant reads a NumericDate (RFC 7519, section 2) from a JSON number as it was written: seconds since 1970, with
// fractions and exponents, below 0 before 1970. It is exact down to a nanosecond; what is smaller is cut off. ok is false
// beyond the year 9999, and as far before 1970.
func instant(number string) (at time.Time, ok bool) {
	digits, point, negative := decimal(number)
	if digits == "" { // 0, and -0 too
		return time.Unix(0, 0), true
	}
	if point > len("253402300799") {
		return time.Time{}, false
	}
	whole, fraction := split(digits, point)
	seconds, err := strconv.ParseInt("0"+whole, 10, 64)
	if err != nil || seconds > lastSecond || seconds == lastSecond && fraction != "" {
		return time.Time{}, false
	}
	nanoseconds, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if negative {
		return time.Unix(-seconds, -nanoseconds), true
	}
	return time.Unix(seconds, nanoseconds), true
}

// decimal takes a JSON number apart: its digits without zeros around them, and where the point stands among them. It is
// done on the text, since an exponent such as 1e999999999 would fill the memory of exact arithmetic.
func decimal(number string) (digits string, point int, negative bool) {
	mantissa, negative := strings.CutPrefix(number, "-")
	exponent := 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		// Beyond its range Atoi gives the largest number there is, of the right sign, which says enough.
		exponent, _ = strconv.Atoi(mantissa[i+1:])
		exponent = min(max(exponent, -1<<20), 1<<20)
		mantissa = mantissa[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	point = len(digits) - len(fraction) + exponent
	return strings.TrimRight(digits, "0"), point, negative
}

// split gives the digits before the point and nine at most behind it.
func split(digits string, point int) (whole, fraction string) {
	switch {
	case point >= len(digits):
		return digits + strings.Repeat("0", point-len(digits)), ""
	case point > 0:
		return digits[:point], digits[point:]
	case point < -9:
		return "", "000000000" // too small to count
	}
	return "", strings.Repeat("0", -point) + digits
}
