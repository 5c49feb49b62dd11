package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"nexus/config"
	"nexus/gateway"
)

// token is the hash of a configured token; the zero token is none. Hashes have one length, so that
// comparing them takes one time.
type token [sha256.Size]byte

func newToken(secret config.Secret) token {
	if !secret.IsSet() {
		return token{}
	}
	return sha256.Sum256([]byte(secret.Reveal()))
}

func (t token) isSet() bool { return t != token{} }

// matches tells whether text is the token. Nothing matches the zero token.
func (t token) matches(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return t.isSet() && subtle.ConstantTimeCompare(t[:], sum[:]) == 1
}

// guard is the rule of one surface in one generation: without a token direct loopback callers
// pass, with one those who show it.
type guard struct {
	key      string // the configuration key of the token, for the ways out
	token    token
	attempts *attempts
	sessions *sessions // nil: the token must come with each request
	logger   *slog.Logger
}

// entry is what a guard says to a request.
type entry uint8

const (
	denied    entry = iota // not a direct loopback caller, and there is no token to show
	unknown                // no token, no session
	ambiguous              // more than one Authorization header
	wrong                  // a token, but not the one
	mustWait               // the address has sent too many wrong ones
	passed                 // by address, or by a token sent along
	signedIn               // by a session
)

// judge says whether r may pass. why is the reason of a denial, wait the time of a mustWait.
func (g *guard) judge(r *http.Request) (verdict entry, why string, wait time.Duration) {
	if !g.token.isSet() {
		if why = distance(r); why != "" {
			return denied, why, 0
		}
		return passed, "", 0
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		// Whoever stands between could have looked at another one than we would.
		return ambiguous, "", 0
	}
	if len(headers) == 1 {
		if text, ok := bearer(headers[0]); ok {
			verdict, wait = g.try(r, text)
			return verdict, "", wait
		}
	}
	if g.sessions != nil && g.sessions.valid(sessionID(r), g.token) {
		return signedIn, "", 0
	}
	return unknown, "", 0
}

// try compares the token that r brings, by header or by form.
func (g *guard) try(r *http.Request, text string) (entry, time.Duration) {
	right := g.token.matches(text)
	addr := gateway.PeerAddress(r)
	wait, blocked := g.attempts.judge(addr, right)
	if blocked {
		g.logger.Warn("too many wrong tokens", "key", g.key, "remote_address", addr.String(), "wait", wrongWindow)
	}
	switch {
	case wait > 0:
		return mustWait, wait
	case right:
		return passed, 0
	}
	return wrong, 0
}

// bearer is the token of an Authorization header. Other schemes are somebody else's, for example of a
// proxy in between: they count as no token.
func bearer(header string) (string, bool) {
	scheme, text, _ := strings.Cut(strings.TrimSpace(header), " ")
	text = strings.TrimSpace(text)
	return text, strings.EqualFold(scheme, "Bearer") && text != ""
}

// ways tells a denied caller how to get in.
func (g *guard) ways() []string {
	how := "sign in with it"
	if g.sessions == nil {
		how = "send it as a bearer token"
	}
	return []string{
		"Open a port-forward from your machine (ssh -L 8000:localhost:8000 HOST, or kubectl port-forward, with the port that Nexus listens on) and come back to it as localhost.",
		"Set " + g.key + " in the configuration file, and " + how + ".",
	}
}

// secure sets the headers that every answer of the admin carries, whatever it is.
func secure(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if r.TLS != nil || loopbackHost(r.Host) {
		// Elsewhere a browser ignores it, and complains on the console of every page.
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

const permissions = "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), clipboard-read=(), clipboard-write=(), " +
	"display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), " +
	"local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-create=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(), serial=(), storage-access=(), usb=(), window-management=(), " +
	"xr-spatial-tracking=()"
