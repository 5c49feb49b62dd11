package identity

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"nexus/gateway/identity/jwks"
	"nexus/gateway/trace"
)

const (
	keepAccepted = 5 * time.Minute  // how long an accepted token is not verified anew
	keepRefused  = 10 * time.Second // the same of a refused one whose signature cost a look
)

// Verifier verifies bearer tokens, and each only once for a while. It may be used by many goroutines.
type Verifier struct {
	rules    Rules
	accepted []string // algorithms
	keys     *jwks.Keys
	cache    cache
}

// NewVerifier makes a Verifier that holds tokens against keys and rules.
func NewVerifier(rules Rules, keys *jwks.Keys) *Verifier {
	return &Verifier{rules: rules, accepted: rules.accepted(), keys: keys}
}

// Authenticate verifies the bearer token of a request at a moment, and notes the step authentication. The error is a
// [*Refusal]. A token that was verified lately costs a look into memory and allocates nothing. Only a token of an
// unknown key may wait, for a moment.
func (v *Verifier) Authenticate(h http.Header, now time.Time, tr *trace.Trace) (*Claims, error) {
	compact, refusal := bearer(h, tr)
	if refusal != nil {
		return nil, refusal
	}
	set := v.keys.Current(now)
	found := v.cache.find(set, compact, now)
	if found != nil {
		found.tell(tr)
	} else {
		start := time.Now()
		found = v.verify(compact, set, now)
		if found.wantsKeys {
			set, found = v.again(compact, set, now, found)
		}
		if !found.until.IsZero() {
			v.cache.add(set, compact, found, now)
		}
		found.tell(tr).Took = time.Since(start)
	}
	if found.refusal != nil {
		return nil, found.refusal
	}
	return found.claims, nil
}

// verify is the whole of what a token must pass, in its order: shape, header, algorithm, key, signature, claims. The
// payload is not read before the signature holds.
func (v *Verifier) verify(compact string, set *jwks.Set, now time.Time) *verdict {
	t, wrong := parseToken(compact)
	if wrong != nil {
		return wrong
	}
	i := slices.Index(v.accepted, t.algorithm)
	if i < 0 {
		return refused(badAlgorithm, trace.Step{Finding: trace.BadAlgorithm, Key: shown(t.algorithm), Near: v.accepted})
	}
	t.algorithm = v.accepted[i] // belongs to the verifier, not to the token
	if set == nil {
		return v.noKeys(now)
	}
	keyID, wrong := v.hold(&t, set, now)
	if wrong != nil {
		return wrong
	}
	payload, err := parseObject(t.payload)
	if err != nil {
		detail := "its payload " + err.Error()
		return refused(claimsInvalid, trace.Step{Finding: trace.BadClaims, Detail: detail}).keepFor(keepRefused, now)
	}
	expires, wrong := v.rules.check(&payload, now)
	if wrong != nil {
		wrong.keepFor(keepRefused, now)
		if valid := wrong.step.At.Add(-v.rules.Skew); wrong.refusal == notYetValid && valid.Before(wrong.until) {
			wrong.until = valid
		}
		return wrong
	}
	accepted := &verdict{claims: &Claims{root: payload}, expires: expires, step: trace.Step{
		Name: trace.Authentication, Verdict: trace.Passed, Finding: trace.Found, Source: trace.Header,
		Key: t.algorithm, Detail: shown(keyID), At: expires.Add(-v.rules.Skew),
	}}
	return accepted.keepFor(keepAccepted, now)
}

// rotation is how long a token waits for a fetch of keys that it has set off itself, or found running. That is no waiting for
// the issuer: of one that answers at once the new key is known before the first caller with such a token is refused, which
// most clients would not try again, and one that does not holds nobody up. There is one such fetch in 10 s, so that no
// flood of invented key ids has anybody wait again and again.
const rotation = 100 * time.Millisecond

// again has keys fetched, if it is allowed now, and verifies a token once more if they are new.
func (v *Verifier) again(compact string, set *jwks.Set, now time.Time, found *verdict) (*jwks.Set, *verdict) {
	fetch := v.keys.Missed()
	if fetch == nil {
		return set, found
	}
	limit := time.NewTimer(rotation)
	defer limit.Stop()
	select {
	case <-fetch:
	case <-limit.C:
	}
	if fresh := v.keys.Current(now); fresh != nil && fresh != set {
		return fresh, v.verify(compact, fresh, now)
	}
	return set, found
}

// hold holds the signature against the keys. A token whose key is not there may be the first sign of a rotation, and so
// may one that names no key and fits none: both want newer keys.
func (v *Verifier) hold(t *token, set *jwks.Set, now time.Time) (keyID string, wrong *verdict) {
	if len(t.keyID) > maxKeyID {
		return "", v.unknownKey(t, set)
	}
	keyID, err := set.Verify(jwks.Signature{Algorithm: t.algorithm, KeyID: t.keyID, Signed: t.signed, Value: t.signature})
	if err == nil {
		return keyID, nil
	}
	if errors.Is(err, jwks.ErrUnknownKey) {
		wrong = v.unknownKey(t, set)
	} else {
		step := trace.Step{Finding: trace.BadSignature, Key: t.algorithm, Detail: shown(t.keyID)}
		wrong = refused(signatureInvalid, step).keepFor(keepRefused, now)
	}
	wrong.wantsKeys = wrong.refusal == keyUnknown || t.keyID == ""
	return "", wrong
}

// unknownKey refuses a token, and tells which keys there are instead of its own.
func (v *Verifier) unknownKey(t *token, set *jwks.Set) *verdict {
	step := trace.Step{Finding: trace.UnknownKey, Key: t.algorithm, Detail: shown(t.keyID)}
	ids := set.IDs()
	if t.keyID != "" && slices.Contains(ids, t.keyID) {
		step.Finding = trace.OtherKey
		return refused(keyUnknown, step)
	}
	for _, id := range ids[:min(len(ids), maxNames)] {
		step.Near = append(step.Near, shown(id))
	}
	return refused(keyUnknown, step)
}

// noKeys refuses what nobody can tell yet, and says when that may have changed.
func (v *Verifier) noKeys(now time.Time) *verdict {
	status := v.keys.Status()
	refusal := &Refusal{
		Reason: trace.KeysUnavailable, Key: "server.oauth.url", Fault: NoKeys,
		RetryAfter: max(time.Second, status.NextAt.Sub(now)),
	}
	step := trace.Step{Finding: trace.NoKeys, Key: "server.oauth.url", Detail: status.Error}
	switch {
	case !status.FetchedAt.IsZero():
		step.At = status.FetchedAt
	case status.Error == "":
		step.Detail = "the first fetch has not ended"
	}
	wrong := refused(refusal, step)
	wrong.wantsKeys = true
	return wrong
}
