package config

import (
	"strings"
	"time"
	"unicode"
)

const (
	oauth     = "server.oauth"
	oauthURL  = oauth + ".url"
	protected = oauth + ".protected_resource"
	resource  = protected + ".resource"
)

// tokensAreOff reports whether the file wants no token, and not just because of a slip of the hand.
func (r *reading) tokensAreOff() bool {
	return !r.cfg.Server.OAuth.Enabled && !r.broken[oauth] && !r.broken[oauth+".enabled"]
}

func (r *reading) checkOAuth() {
	o := r.cfg.Server.OAuth
	if !o.Enabled {
		if _, said := r.at[oauth+".enabled"]; said && o.URL != "" {
			// A line that fell into this table when the header behind it was lost looks just like one that is meant.
			r.warn(oauth+".enabled", "switches tokens off, although the table says where their keys are: nobody needs one",
				"take the line out, or leave it if that is meant")
		}
		return
	}
	if o.URL == "" && r.sound(oauthURL) {
		r.fail(oauthURL, "is missing or empty, but without keys no token can be verified",
			`write url = "https://auth.example.com/.well-known/jwks.json" in [`+oauth+`], which is where your issuer's keys are`)
	}
	if o.URL.isSafe() && o.URL.isOfNoHost() && r.sound(oauthURL) {
		r.fail(oauthURL, r.show(oauthURL, string(o.URL))+" is link-local or no address of one host, and is never asked", "write the address of your issuer")
	}
	r.checkSafe(oauthURL, o.URL, "whoever is on the way could put keys of their own there")
	r.checkExpected(oauth+".expected_issuer", o.ExpectedIssuer, "any token that one of the keys has signed would pass, whichever issuer it names",
		`write expected_issuer = "https://auth.example.com" in [`+oauth+`], exactly as your tokens have it in their claim iss`)
	r.checkExpected(oauth+".expected_audience", o.ExpectedAudience, "any token of this issuer would pass, also one that was meant for another service",
		`write expected_audience = "nexus-api" in [`+oauth+`], exactly as your tokens have it in their claim aud`)
	r.checkAlgorithms(o.Algorithms)
	r.checkKeyTimes(o)
	r.checkProtectedResource(o.ProtectedResource)
}

// checkSafe wants https wherever an answer could be changed on the way.
func (r *reading) checkSafe(key string, u URL, danger string) {
	if u != "" && r.sound(key) && !u.isSafe() {
		r.fail(key, r.show(key, string(u))+" is not https: "+danger,
			"write https://; http is for this machine alone (localhost, 127.0.0.0/8, ::1)")
	}
}

// checkExpected looks at what a claim of each token must be, exactly.
func (r *reading) checkExpected(key, value, danger, fix string) {
	switch {
	case !r.sound(key):
	case value == "":
		r.warn(key, "is left out: "+danger, fix)
	case strings.TrimSpace(value) != value:
		r.fail(key, r.show(key, value)+" begins or ends with space, and is compared exactly", "write it without")
	case strings.ContainsFunc(value, unicode.IsControl):
		r.fail(key, "has a control character", "write it without")
	}
}

func (r *reading) checkAlgorithms(list []Algorithm) {
	seen := map[Algorithm]bool{}
	for i, a := range list {
		key := element(oauth+".algorithms", i)
		if seen[a] && r.sound(key) {
			r.fail(key, r.show(key, string(a))+" is in the list twice", "take one out")
		}
		seen[a] = seen[a] || r.sound(key)
	}
}

const (
	minPoll = Duration(100 * time.Millisecond)
	maxSkew = Duration(10 * time.Minute)
)

func (r *reading) checkKeyTimes(o OAuth) {
	const poll, skew, stale = oauth + ".poll_interval", oauth + ".clock_skew", oauth + ".max_stale"
	if r.sound(poll) && o.PollInterval < minPoll {
		r.fail(poll, r.show(poll, o.PollInterval.String())+" is too often for any issuer", `write a duration from "100ms" to "365d", such as "5m"`)
	}
	if r.sound(skew) && o.ClockSkew > maxSkew {
		r.warn(skew, r.show(skew, o.ClockSkew.String())+" is how long a token still passes after it has expired", `set the clocks right and write at most "10m", such as "60s"`)
	}
	if r.sound(stale) && o.MaxStale == 0 {
		r.fail(stale, "is nothing, so that no key could ever be used", `write how long keys may be used without a refresh, such as "24h"`)
	}
	if !r.sound(stale) || !r.sound(poll) || o.MaxStale >= 2*o.PollInterval {
		return
	}
	key, what, fix := stale, "is shorter than twice "+poll, "raise it above twice "+poll
	if _, said := r.at[stale]; !said {
		key, what, fix = poll, "is longer than half of "+stale, "lower it, or raise "+stale
	}
	r.warn(key, what+", so that between two fetches, or as soon as one fails, no token would be accepted", fix)
}

func (r *reading) checkProtectedResource(p ProtectedResource) {
	const servers = protected + ".authorization_servers"
	if _, said := r.at[protected]; said && p.Resource == "" && r.sound(resource) {
		r.fail(resource, "is missing or empty, but the table has no meaning without it",
			`write resource = "https://nexus.example.com" in [`+protected+`], the address of this gateway as its callers know it, or take the table out`)
	}
	r.checkPublic(resource, p.Resource)
	r.checkResource(p.Resource)
	for i, u := range p.AuthorizationServers {
		key := element(servers, i)
		if u == "" && r.sound(key) {
			r.fail(key, "is empty", "write the URL of an issuer, or take the entry out")
		}
		r.checkPublic(key, u)
	}
}

// checkPublic looks at a URL that callers are told.
func (r *reading) checkPublic(key string, u URL) {
	r.checkSafe(key, u, "callers are told of it, and whoever is on the way could pose as it")
	if r.sound(key) && u.hasUserinfo() {
		r.fail(key, "has user information, which every caller would be told", "leave out what stands before the @")
	}
}

// checkResource wants a resource at whose path metadata can be served.
func (r *reading) checkResource(u URL) {
	if u == "" || !r.sound(resource) {
		return
	}
	if strings.Contains(string(u), "?") {
		r.fail(resource, "has a query, and its metadata would have no path (RFC 9728)", "leave out the ? and what follows it")
		return
	}
	if m := u.checkPath(); m != nil {
		r.fail(resource, "its path "+m.what, m.fix)
	}
}
