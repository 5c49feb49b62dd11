package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

const (
	sessionBytes = 32            // of randomness in a session's id
	sessionLife  = 8 * time.Hour // after it the token is asked for again
	sessionCount = 1000          // over it the oldest session gives way
)

// sessions are the browsers that are signed in. Only hashes of their ids are kept, so that a look
// into the memory of the process signs nobody in.
type sessions struct {
	mu   sync.Mutex
	byID map[[sha256.Size]byte]session
}

// session is one signed-in browser. It is worth as much as the token that opened it.
type session struct {
	token   token
	expires time.Time
}

func newSessions() *sessions {
	return &sessions{byID: make(map[[sha256.Size]byte]session)}
}

// open begins a session for a caller who has shown t, and gives the id for the cookie.
func (s *sessions) open(t token) string {
	var raw [sessionBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: the process ends where there is no randomness
	id := base64.RawURLEncoding.EncodeToString(raw[:])

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= sessionCount {
		s.dropOldest()
	}
	s.byID[sha256.Sum256([]byte(id))] = session{token: t, expires: time.Now().Add(sessionLife)}
	return id
}

// dropOldest ends the session that would end first by itself.
func (s *sessions) dropOldest() {
	var oldest [sha256.Size]byte
	var when time.Time
	for id, one := range s.byID {
		if when.IsZero() || one.expires.Before(when) {
			oldest, when = id, one.expires
		}
	}
	delete(s.byID, oldest)
}

// valid tells whether id is that of a session which t has opened and which has not ended.
func (s *sessions) valid(id string, t token) bool {
	key := sha256.Sum256([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byID[key]
	if ok && !time.Now().Before(one.expires) {
		delete(s.byID, key)
		return false
	}
	return ok && t.isSet() && one.token == t
}

// end ends the session with this id, if there is one.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sha256.Sum256([]byte(id)))
}

// keep ends every session but those that t has opened.
func (s *sessions) keep(t token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.byID {
		if one.token != t {
			delete(s.byID, id)
		}
	}
}

// cookieName is the name of the session's cookie. Under TLS its prefix makes browsers refuse one that
// came without TLS, from another host name, or for a part of the paths alone.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-nexus_admin"
	}
	return "nexus_admin"
}

// sessionID is the id that the browser shows; empty: none.
func sessionID(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie gives the browser its session id, or with an empty id takes it away.
func setCookie(w http.ResponseWriter, r *http.Request, id string) {
	c := &http.Cookie{
		Name:     cookieName(r),
		Value:    id,
		Path:     "/",
		MaxAge:   int(sessionLife / time.Second),
		Secure:   r.TLS != nil,
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	}
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
