package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	corsTable     = "server.cors"
	allowOrigins  = corsTable + ".allow_origins"
	allowMethods  = corsTable + ".allow_methods"
	allowHeaders  = corsTable + ".allow_headers"
	exposeHeaders = corsTable + ".expose_headers"
	csrfHeader    = "server.csrf.header_name"
)

// maxRemembered is how long any browser would remember what it was allowed, and more.
const maxRemembered = Duration(24 * time.Hour)

func (r *reading) checkCORS() {
	c := &r.cfg.Server.CORS
	if !c.Enabled {
		return
	}
	r.checkOrigins(c)
	for i, method := range c.AllowMethods {
		if key := element(allowMethods, i); method != anything && r.sound(key) && (!isToken(method) || method != strings.ToUpper(method)) {
			r.fail(key, r.show(key, method)+" is no method", `write one in capital letters, such as "POST"`)
		}
	}
	r.checkHeaderNames(allowHeaders, c.AllowHeaders)
	r.checkHeaderNames(exposeHeaders, c.ExposeHeaders)
	if c.AllowCredentials && c.ExposeHeaders.All() && r.sound(exposeHeaders) {
		r.warn(exposeHeaders, `"*" is the name of a header, and not all of them, to a page that calls with credentials`, "list the headers that such a page may read")
	}
	const age = corsTable + ".max_age"
	if c.MaxAge > maxRemembered && r.sound(age) {
		r.fail(age, r.show(age, c.MaxAge.String())+" is longer than any browser remembers", `write a duration up to "24h", such as "10m"`)
	}
}

func (r *reading) checkOrigins(c *CORS) {
	if _, said := r.at[allowOrigins]; !said {
		r.fail(allowOrigins, "is missing, and without it no page of another origin can call", `write allow_origins = ["https://app.example.com"] `+placeOf(corsTable)+", or [] for none")
		return
	}
	if c.AllowOrigins.All() && c.AllowCredentials && r.sound(corsTable+".allow_credentials") {
		r.fail(allowOrigins, `"*" with allow_credentials = true would let every page there is call with the credentials of whoever looks at it`,
			"list the origins, or take allow_credentials out")
	}
	seen := map[string]bool{}
	for i, text := range c.AllowOrigins {
		key := element(allowOrigins, i)
		if text == anything || !r.sound(key) {
			continue
		}
		origin, m := parseOrigin(text)
		switch {
		case m != nil:
			what, fix := m.describe(text, !r.hidden[key])
			r.fail(key, what, fix)
		case seen[origin]:
			r.fail(key, r.show(key, text)+" is in the list twice", "take one out")
		case c.AllowCredentials && strings.HasPrefix(origin, "http://") && !isLoopbackOrigin(origin):
			r.warn(key, r.show(key, text)+" is without encryption, and may call with credentials: whoever is on the way to it can", "write https://, or take allow_credentials out")
		}
		seen[origin] = true
		c.AllowOrigins[i] = origin
	}
}

// parseOrigin reads an origin as browsers send it (RFC 6454, section 6.2), or says what is wrong with it.
func parseOrigin(text string) (string, *mistake) {
	const form = `write scheme and host, such as "https://app.example.com"`
	if text == "null" {
		return "", &mistake{what: "is an origin that any page can have, for example in a sandbox", fix: form}
	}
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") || u.Scheme != "http" && !isPageScheme(u.Scheme) {
		return "", &mistake{what: "is no origin of a page", fix: form}
	}
	bare := strings.ToLower(u.Scheme + "://" + u.Host)
	switch {
	case strings.Contains(u.Host, "*"):
		return "", &mistake{what: "has a * in it, and origins are compared whole", fix: "list each origin"}
	case u.Host == "" || !hasHost(u) || !hasPort(u):
		return "", &mistake{what: "is no origin: its host is neither an IP address nor a name, or its port none between 1 and 65535", fix: form}
	case strings.ToLower(text) != bare:
		return "", &mistake{what: "is more than an origin", fix: form, near: "write " + quote(bare)}
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		return "", &mistake{what: "has the port of its scheme, which no browser sends", fix: form, near: "write " + quote(bare[:strings.LastIndexByte(bare, ':')])}
	case strings.HasPrefix(u.Port(), "0"):
		return "", &mistake{what: "has a port that begins with 0, which no browser sends", fix: form}
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !ip.Is4In6() && ip.String() != strings.ToLower(u.Hostname()) {
		return "", &mistake{what: "has an address that browsers write in another way", fix: form, near: fmt.Sprintf("write its host as %q", ip)}
	}
	return bare, nil
}

// isPageScheme reports whether pages may have origins of a scheme: https, or one of a browser's extensions and of
// applications that are made of pages ("chrome-extension", "capacitor"), unless it looks like a slip of the pen.
func isPageScheme(scheme string) bool {
	if scheme == "https" {
		return true
	}
	return !slices.Contains([]string{"data", "file", "ftp", "javascript", "ws", "wss"}, scheme) && Nearest(scheme, []string{"http", "https"}) == ""
}

func isLoopbackOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost") || err == nil && ip.IsLoopback()
}

func (r *reading) checkHeaderNames(key string, names Choice) {
	for i, name := range names {
		if at := element(key, i); name != anything && r.sound(at) && !isToken(name) {
			r.fail(at, r.show(at, name)+" is no name of a header", `write one such as "X-Client-ID"`)
		}
	}
}

// isToken reports whether text is a token (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// unasked are headers that a page of another origin can have sent without being allowed to, or that browsers set by
// themselves (Fetch standard, "CORS-safelisted request-header" and "forbidden request-header", and its cache modes; HTML
// standard, "hyperlink auditing" and "server-sent events"; client hints).
var unasked = []string{
	"Alt-Used", "Available-Dictionary", "Cache-Control", "Content-Language", "Device-Memory", "Dnt", "Downlink", "Dpr", "Early-Data", "Ect",
	"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Last-Event-Id", "Ping-From", "Ping-To", "Pragma",
	"Priority", "Purpose", "Range", "Rtt", "Save-Data", "Service-Worker", "Set-Cookie", "Upgrade-Insecure-Requests", "Viewport-Width", "Width",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
}

// isUnasked reports whether a header, in canonical form, can be there although nobody has been asked for it: a browser or a
// proxy sets it, or every caller does.
func isUnasked(name string) bool {
	return slices.Contains(unasked, name) || slices.Contains(unfit, name) ||
		slices.ContainsFunc([]string{"Accept-", "Access-Control-", "Proxy-", "Sec-"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (r *reading) checkCSRF() {
	c := &r.cfg.Server.CSRF
	if !c.Enabled || !r.sound(csrfHeader) {
		return
	}
	name := c.HeaderName.Canonical()
	cors := &r.cfg.Server.CORS
	allowed := cors.AllowHeaders.All() || slices.ContainsFunc(cors.AllowHeaders, func(h string) bool { return strings.EqualFold(h, string(c.HeaderName)) })
	switch {
	case c.HeaderName == "":
		r.fail(csrfHeader, "is empty", `write the name of a header, such as "X-Nexus-CSRF-Protection", or enabled = false in [server.csrf]`)
	case isUnasked(name):
		r.fail(csrfHeader, r.show(csrfHeader, string(c.HeaderName))+" is a header that callers or browsers send anyway, so that it protects from nothing",
			`name one that nothing else uses, such as "X-Nexus-CSRF-Protection"`)
	case !cors.Enabled:
	case len(cors.AllowOrigins) > 0 && !allowed:
		r.warn(allowHeaders, fmt.Sprintf("lacks %s, which server.csrf asks for: no page of another origin can call", r.show(csrfHeader, string(c.HeaderName))),
			"add it to the list, or leave it if that is meant")
	case cors.AllowOrigins.All() && allowed:
		r.warn(allowHeaders, fmt.Sprintf(`lets every page there is set %s, since allow_origins is "*": server.csrf protects from none of them`, r.show(csrfHeader, string(c.HeaderName))),
			"list the origins, or take the header out of allow_headers")
	}
}
