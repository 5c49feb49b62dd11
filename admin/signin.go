package admin

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"nexus/gateway"
	"nexus/web"
)

// formSize bounds the body of a form; the largest one holds a token and a path.
const formSize = 64 << 10

const (
	signInPath  = "/sign-in"
	signOutPath = "/sign-out"
)

// signIn asks for the token, and opens a session for whoever has it. It runs in the guard's place, and
// only while a token is configured.
func (v *visit) signIn() {
	if f, no := wrongMethod(v.w, v.r, http.MethodGet, http.MethodHead, http.MethodPost); no {
		v.refuse(f)
		return
	}
	if v.r.Method != http.MethodPost {
		next := v.next(v.r.URL.Query().Get("next"))
		if v.guard.sessions.valid(sessionID(v.r), v.guard.token) {
			v.goTo(next)
			return
		}
		v.askForToken(http.StatusOK, next, "")
		return
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, formSize)
	if err := v.r.ParseForm(); err != nil {
		v.refuse(refusal{status: http.StatusBadRequest, code: "bad_form", headline: "Unreadable form", text: "The form that was sent could not be read."})
		return
	}
	next := v.next(v.r.PostForm.Get("next"))
	text := strings.TrimSpace(v.r.PostForm.Get("token"))
	if text == "" {
		v.askForToken(http.StatusUnauthorized, next, "Enter the token.")
		return
	}
	switch verdict, wait := v.guard.try(v.r, text); verdict {
	case mustWait:
		v.refuse(tooMany(v.w, wait))
	case passed:
		setCookie(v.w, v.r, v.guard.sessions.open(v.guard.token))
		v.logger.Info("signed in to the admin", "remote_address", gateway.PeerAddress(v.r).String())
		v.goTo(next)
	default:
		v.askForToken(http.StatusUnauthorized, next, "This is not the token.")
	}
}

// signOut ends the caller's session. It needs none: who has none is out already.
func (v *visit) signOut() {
	if f, no := wrongMethod(v.w, v.r, http.MethodPost); no {
		v.refuse(f)
		return
	}
	v.guard.sessions.end(sessionID(v.r))
	setCookie(v.w, v.r, "")
	v.goTo(v.next(""))
}

// askForToken answers with the sign-in page; why is what was wrong with the last try.
func (v *visit) askForToken(status int, next, why string) {
	if status == http.StatusUnauthorized && v.w.Header().Get("WWW-Authenticate") == "" {
		challenge(v.w, unknown)
	}
	v.page(status, web.SignIn(web.SignInPage{Frame: v.frame("", "Sign in"), Next: next, Wrong: why}))
}

func (v *visit) goTo(place string) {
	v.w.Header().Set("Location", place)
	v.w.WriteHeader(http.StatusSeeOther)
}

// next is where to go after signing in: place, if it is one of the admin's own pages, else the overview.
// It comes from a link that anybody may have made, and must lead nowhere else.
func (v *visit) next(place string) string {
	home := v.base
	if home == "" {
		home = "/"
	}
	u, err := url.Parse(place)
	if err != nil || u.IsAbs() || u.Host != "" {
		return home
	}
	// A browser resolves dots and takes two slashes for a host; a clean path has neither.
	below, ok := below(v.base, u.Path)
	if !ok || path.Clean(u.Path) != trimSlash(u.Path) || below == signInPath || below == signOutPath {
		return home
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// below is what follows base in path, without one slash at its end; false where path is not under base.
func below(base, path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, base)
	if !ok || (rest != "" && rest[0] != '/') {
		return "", false
	}
	return trimSlash(rest), true
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }
