package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// URL is an absolute http or https URL without a fragment, at most 2048 bytes, as it was written. Its host is an IP
// address or a name. Empty: none.
type URL string

const maxURL = 2048

func (u *URL) example() string { return `"https://auth.example.com"` }

func (u *URL) parse(text string) *mistake {
	const form = `write a whole URL, such as "https://auth.example.com/keys"`
	switch {
	case text == "":
		*u = ""
		return nil
	case len(text) > maxURL:
		return &mistake{what: "is longer than 2048 bytes", fix: "write a shorter URL"}
	case strings.ContainsFunc(text, isSpaceOrControl) || !utf8.ValidString(text):
		return &mistake{what: "has white space, a control character or half a character", fix: "leave it out, or write it percent-encoded"}
	case !strings.Contains(text, "://"):
		m := &mistake{what: "is not a whole URL", fix: form}
		if guess := URL(""); !strings.Contains(text, "@") && guess.parse("https://"+strings.TrimPrefix(text, "//")) == nil {
			m.near = "write " + quote(string(guess))
		}
		return m
	}
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return &mistake{what: "is not a URL", fix: form}
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return &mistake{what: "begins with neither https:// nor http://", fix: form}
	case parsed.Hostname() == "":
		return &mistake{what: "has no host", fix: form}
	case strings.Contains(text, "#"):
		return &mistake{what: "has a fragment, which is sent to no server", fix: "leave out the # and what follows it"}
	case !hasHost(parsed):
		return &mistake{what: "has a host that is neither an IP address nor a name", fix: form}
	case !hasPort(parsed):
		return &mistake{what: "has a colon behind the host, but no port between 1 and 65535", fix: form}
	}
	*u = URL(text)
	return nil
}

func isSpaceOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func hasHost(u *url.URL) bool {
	host := u.Hostname()
	_, err := netip.ParseAddr(host)
	return err == nil || !strings.HasPrefix(u.Host, "[") && isHostName(strings.TrimSuffix(host, "."))
}

// hasPort reports whether u has a port that can be connected to, or none.
func hasPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// isSafe reports whether nobody on the way can change what u answers: it is https, or leads to this machine.
func (u URL) isSafe() bool {
	parsed, err := url.Parse(string(u))
	return err == nil && (parsed.Scheme == "https" || Address{host: strings.ToLower(parsed.Hostname())}.IsLoopback())
}

// isOfNoHost reports whether the host is written as an address that no issuer has: within a link, where the metadata services
// of clouds are, of many hosts, or of none.
func (u URL) isOfNoHost() bool {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(parsed.Hostname())
	if err != nil {
		return false
	}
	addr = addr.WithZone("").Unmap()
	return addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
}

// hasUserinfo reports whether u says a user, or a password.
func (u URL) hasUserinfo() bool {
	parsed, err := url.Parse(string(u))
	return err == nil && parsed.User != nil
}

// checkPath says what keeps the path of u from being one that Nexus serves; one slash at its end does not.
func (u URL) checkPath() *mistake {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return &mistake{what: "cannot be read", fix: "write another"}
	}
	path := parsed.EscapedPath()
	if path == "" || path == "/" {
		return nil
	}
	if !strings.HasSuffix(path, "//") {
		path = strings.TrimSuffix(path, "/")
	}
	var own Path
	return own.parse(path)
}

// Algorithm is a JWS algorithm (RFC 7518, section 3.1; RFC 8037) with a public key: one of [Algorithms].
type Algorithm string

var (
	algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	symmetric  = []string{"HS256", "HS384", "HS512"}
)

// Algorithms are all JWS algorithms that a token may be signed with: those with a public key. The list is the caller's.
func Algorithms() []string { return slices.Clone(algorithms) }

func (a *Algorithm) example() string { return `"RS256"` }

func (a *Algorithm) parse(text string) *mistake {
	isText := func(other string) bool { return strings.EqualFold(text, other) }
	const form = `write one with a public key, such as "RS256", "ES256" or "EdDSA"`
	switch {
	case slices.Contains(algorithms, text):
		*a = Algorithm(text)
		return nil
	case slices.ContainsFunc(symmetric, isText):
		return &mistake{what: "is symmetric: whoever can verify such a token could also forge one", fix: form}
	case isText("none"):
		return &mistake{what: "is no signature: anybody could write such a token", fix: form}
	}
	return oneOf(text, algorithms, "is not an algorithm")
}

// ClaimPath is where a claim is found in a token: the claim of that very name, or up to nine names with dots between
// them, each inside the one before; at most 256 bytes. Empty: nowhere.
type ClaimPath string

const (
	maxClaimPath = 256
	maxClaimDots = 8
)

func (p *ClaimPath) example() string { return `"sub"` }

func (p *ClaimPath) parse(text string) *mistake {
	switch {
	case text == "":
	case strings.TrimSpace(text) == "":
		return &mistake{what: "is blank", fix: `write the name of a claim, such as "sub"`}
	case strings.TrimSpace(text) != text:
		return &mistake{what: "begins or ends with space", fix: "leave it out"}
	case len(text) > maxClaimPath:
		return &mistake{what: "is longer than 256 bytes", fix: "write a shorter name"}
	case strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text):
		return &mistake{what: "has a control character or half a character", fix: `write the name of a claim, such as "sub"`}
	case strings.Count(text, ".") > maxClaimDots:
		return &mistake{what: "has more than 8 dots, and no further is looked into a token", fix: "name a claim that lies less deep"}
	}
	*p = ClaimPath(text)
	return nil
}
