package identity

import (
	"time"

	"nexus/gateway/identity/jwks"
)

// ParseClaims are the claims of a payload that nobody has signed.
func ParseClaims(payload string) (*Claims, error) {
	root, err := parseObject([]byte(payload))
	if err != nil {
		return nil, err
	}
	return &Claims{root: root}, nil
}

// Find gives the text of the claim at a path, or what it is instead; ok is false where there is none.
func (c *Claims) Find(path string) (says string, ok bool) {
	n := c.find(path)
	if n == nil {
		return "", false
	}
	if !n.scalar() {
		return kindWords[n.kind], true
	}
	return n.text, true
}

// Nearest is the claim that may be meant by one that is not there.
func (c *Claims) Nearest(path string) string { return c.nearest(path) }

// Instant reads a NumericDate.
func Instant(number string) (time.Time, bool) { return instant(number) }

// Cached is how many bytes of accepted and of refused tokens the verifier remembers, and how many tokens.
func (v *Verifier) Cached() (accepted, refused, tokens int) {
	kept := v.cache.current.Load()
	if kept == nil {
		return 0, 0, 0
	}
	for i := range kept.shards {
		s := &kept.shards[i]
		s.mu.RLock()
		accepted, refused, tokens = accepted+s.accepted.size, refused+s.refused.size, tokens+len(s.entries)
		s.mu.RUnlock()
	}
	return accepted, refused, tokens
}

// Exchange gives the verifier other keys. Nobody may use it meanwhile.
func (v *Verifier) Exchange(keys *jwks.Keys) { v.keys = keys }

// Stands is whether an accepted token is still told from memory.
func Stands(until, expires, now time.Time) bool {
	v := verdict{until: until, expires: expires}
	return v.stands(now)
}
