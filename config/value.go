package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/xhit/go-str2duration/v2"
)

// scalar is a value that is written as a string and checks itself while it is decoded.
type scalar interface {
	// parse sets the value, or says what is wrong with text.
	parse(text string) *mistake
	// example is how such a value is written in the file.
	example() string
}

var (
	scalarType = reflect.TypeFor[scalar]()
	prefixType = reflect.TypeFor[netip.Prefix]()
)

// mistake is what is wrong with one value. Neither what nor fix repeats the value: it may be a secret.
type mistake struct {
	what string // follows the value: "is not a duration"
	fix  string
	near string // a better fix, made out of the value; not for secrets
	// warning: the value was set all the same.
	warning bool
}

// describe says what is wrong with value and what to write instead, without the value unless it may be shown.
func (m *mistake) describe(value string, shown bool) (what, fix string) {
	if !shown {
		return "the value " + m.what, m.fix
	}
	return quote(value) + " " + m.what, cmp.Or(m.near, m.fix)
}

// Duration is a length of time, 0 to 365 days, written as a string: "500ms", "60s", "5m", "1h", "1d".
type Duration time.Duration

const maxDuration = 365 * str2duration.Day

// Duration is d for the standard library.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// String is d as the file would say it, in days and smaller units: "1d12h", "30s", "0s".
func (d Duration) String() string {
	days, rest := time.Duration(d)/str2duration.Day, time.Duration(d)%str2duration.Day
	switch {
	case days == 0:
		return str2duration.String(rest)
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%s", days, str2duration.String(rest.Abs()))
}

// MarshalText is String, for JSON and TOML.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) example() string { return `"30s"` }

func (d *Duration) parse(text string) *mistake {
	v, err := str2duration.ParseDuration(text)
	switch {
	case err != nil && isDigits(text):
		return &mistake{what: "has no unit", fix: `write the unit, such as "30s"`, near: fmt.Sprintf(`write "%ss" for seconds, or another unit`, text)}
	case err != nil:
		return &mistake{what: "is not a duration", fix: `write numbers with units, such as "500ms", "60s", "5m", "1h" or "1d"`}
	case v < 0:
		return &mistake{what: "is negative", fix: `write a duration from "0s" to "365d"`}
	case v > maxDuration:
		return &mistake{what: "is too long", fix: `write a duration from "0s" to "365d"`}
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes, 1 to 1 TiB, written as a string: "20MiB" is binary, "20MB" decimal.
type Size int64

const maxSize = 1 << 40

// Bytes is the number of bytes.
func (s Size) Bytes() int64 { return int64(s) }

// String is s as the file would say it, exactly, in the largest unit that divides it: "20MiB", "20MB", "1500B".
func (s Size) String() string {
	for _, unit := range []struct {
		name  string
		bytes Size
	}{
		{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
		{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3},
	} {
		if s != 0 && s%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", s/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%dB", s)
}

// MarshalText is String, for JSON and TOML.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Size) example() string { return `"20MiB"` }

func (s *Size) parse(text string) *mistake {
	const form = `write a number and a unit, such as "20MiB" or "20MB"`
	if strings.HasPrefix(text, "-") {
		return &mistake{what: "is negative", fix: `write a size from "1B" to "1TiB"`}
	}
	// The library reads "1,5MB" as 15 MB, and digits of any script.
	if strings.Trim(text, "0123456789.BIKMGTPEbikmgtpe ") != "" || strings.HasPrefix(text, " ") {
		return &mistake{what: "is not a size", fix: form}
	}
	v, err := humanize.ParseBytes(text)
	switch {
	case err != nil && !strings.Contains(err.Error(), "too large"):
		return &mistake{what: "is not a size", fix: form}
	case err != nil || v > maxSize:
		return &mistake{what: "is too large", fix: `write a size from "1B" to "1TiB"`}
	case v == 0:
		return &mistake{what: "is nothing", fix: `write a size from "1B" to "1TiB"`}
	}
	*s = Size(v)
	return nil
}

// Path is the path of an endpoint, or the prefix of several: "/" alone, or segments of letters, digits
// and "-._~", each after a slash. It holds nothing that two readers of a URL could see differently.
type Path string

const maxPath = 256

func (p *Path) example() string { return `"/name"` }

func (p *Path) parse(text string) *mistake {
	const form = `write a path such as "/name"`
	switch {
	case text == "":
		return &mistake{what: "is not a path", fix: form}
	case len(text) > maxPath:
		return &mistake{what: "is longer than 256 bytes", fix: "write a shorter path"}
	case !strings.HasPrefix(text, "/"):
		return &mistake{what: "does not begin with a slash", fix: form, near: "write " + quote("/"+text)}
	case strings.Contains(text, "//"):
		return &mistake{what: "has an empty segment", fix: "write one slash for //"}
	case text != "/" && strings.HasSuffix(text, "/"):
		return &mistake{what: "ends with a slash", fix: "leave the last slash out", near: "write " + quote(strings.TrimSuffix(text, "/"))}
	}
	for segment := range strings.SplitSeq(text[1:], "/") {
		if segment == "." || segment == ".." {
			return &mistake{what: "has a . or .. segment", fix: "write the path without it"}
		}
		if i := strings.IndexFunc(segment, isReserved); i >= 0 {
			return &mistake{what: "has a character that a path may not have", fix: `write letters, digits and "-", ".", "_", "~" between slashes`}
		}
	}
	*p = Path(text)
	return nil
}

// isReserved reports whether r is none of the unreserved characters of RFC 3986, section 2.3.
func isReserved(r rune) bool {
	return r > 0x7f || !isBareByte(byte(r)) && r != '.' && r != '~'
}

// Contains reports whether other is p or lies below it; below "/" lies everything.
func (p Path) Contains(other Path) bool {
	return p == other || p == "/" || strings.HasPrefix(string(other), string(p)+"/")
}

// HeaderName is the name of a request header, as it was written. Empty: none.
type HeaderName string

const maxHeaderName = 256

// Canonical is the name as net/http spells it, which is the key of an http.Header.
func (h HeaderName) Canonical() string { return textproto.CanonicalMIMEHeaderKey(string(h)) }

func (h *HeaderName) example() string { return `"x-client-id"` }

func (h *HeaderName) parse(text string) *mistake {
	if len(text) > maxHeaderName {
		return &mistake{what: "is longer than 256 bytes", fix: "write a shorter header name"}
	}
	for i := range len(text) {
		// RFC 9110, section 5.6.2: a token.
		if c := text[i]; !isAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return &mistake{what: "is not a header name", fix: `write the name alone, without colon or space, such as "x-client-id"`}
		}
	}
	*h = HeaderName(text)
	return nil
}

// prefix decodes a netip.Prefix: a network, or one address.
type prefix netip.Prefix

func (p *prefix) example() string { return `"10.0.0.0/8"` }

func (p *prefix) parse(text string) *mistake {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		*p = prefix(netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	given, err := netip.ParsePrefix(text)
	if err != nil {
		return &mistake{what: "is not an address or network", fix: `write an IP address or a network, such as "10.0.0.7" or "10.0.0.0/8"`}
	}
	if given.Addr().Is4In6() {
		// Callers are compared unmapped, so a mapped network would never match.
		if given.Bits() < 96 {
			return &mistake{what: "is a network of IPv4-mapped addresses and others", fix: "write the IPv4 network and the IPv6 network as two entries"}
		}
		given = netip.PrefixFrom(given.Addr().Unmap(), given.Bits()-96)
	}
	*p = prefix(given.Masked())
	if given != given.Masked() {
		return &mistake{
			what: "has bits behind its mask, which do not count", fix: "write the network's first address",
			near:    fmt.Sprintf("write %q for the network, or %q for the one address", given.Masked(), given.Addr()),
			warning: true,
		}
	}
	return nil
}

// oneOf says that text is none of the names that exist; nil: it is.
func oneOf(text string, names []string, what string) *mistake {
	if slices.Contains(names, text) {
		return nil
	}
	m := &mistake{what: what, fix: "write one of: " + strings.Join(names, ", ")}
	if guess := Nearest(text, names); guess != "" {
		m.near = fmt.Sprintf("did you mean %q?", guess)
	}
	return m
}

func isAlphanumeric(c byte) bool { return isBareByte(c) && c != '-' && c != '_' }

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
