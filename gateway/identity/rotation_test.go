package identity_test

import (
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
	"nexus/gateway/trace"
)

// fetched are keys that a running issuer publishes.
func fetched(t *testing.T, i *gatewaytest.Issuer, poll time.Duration) *jwks.Keys {
	t.Helper()
	keys, end := jwks.Open(jwks.Settings{URL: i.SetURL(), Poll: poll}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(end)
	select {
	case <-keys.Loaded():
	case <-time.After(10 * time.Second):
		t.Fatalf("no keys: %+v", keys.Status())
	}
	return keys
}

// TestARotationIsFoundByItsFirstToken: whichever way a token says that its key is new, the keys are asked for at once;
// and a forged token that names a known key does not spend what that takes.
func TestARotationIsFoundByItsFirstToken(t *testing.T) {
	past, next, other := gatewaytest.NewKey(t, "past", "ES256"), gatewaytest.NewKey(t, "next", "ES256"), gatewaytest.NewKey(t, "other", "EdDSA")
	tests := []struct {
		name  string
		key   *issuer.Key
		token func(*gatewaytest.Issuer) string
	}{
		{"by its key id", next, func(i *gatewaytest.Issuer) string { return i.Token(t, next, nil) }},
		{"without a key id, where a key fits", next, func(i *gatewaytest.Issuer) string { return withoutID(t, next, i) }},
		{"without a key id, where none fits", other, func(i *gatewaytest.Issuer) string { return withoutID(t, other, i) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := gatewaytest.StartIssuer(t, past)
			v := identity.NewVerifier(identity.Rules{Issuer: i.URL, Audience: gatewaytest.Audience}, fetched(t, i, time.Hour))
			forged := signWith(next, `{"alg":"ES256","kid":"past"}`, payload(nil))
			if _, refusal, _ := authenticate(t, v, bearing(forged), time.Now()); refusal.Reason != trace.TokenSignatureInvalid {
				t.Errorf("refused for %s", refusal.Reason)
			}
			i.Publish(t, past, tt.key)
			token := tt.token(i)
			for deadline := time.Now().Add(5 * time.Second); ; {
				if _, refusal, step := authenticate(t, v, bearing(token), time.Now()); refusal == nil {
					return
				} else if time.Now().After(deadline) {
					t.Fatal(step.Sentence())
				}
			}
		})
	}
}

// withoutID is a good token that does not name its key.
func withoutID(t *testing.T, key *issuer.Key, i *gatewaytest.Issuer) string {
	t.Helper()
	token, err := key.Sign(i.Claims(nil), map[string]any{"kid": nil})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestTheKeysChangeUnderLookUps: while the set changes all the time, a token of a key that stays is never refused, and
// one of a key that comes and goes only for want of that key.
func TestTheKeysChangeUnderLookUps(t *testing.T) {
	stays, goes := gatewaytest.NewKey(t, "stays", "EdDSA"), gatewaytest.NewKey(t, "goes", "ES256")
	i := gatewaytest.StartIssuer(t, stays, goes)
	v := identity.NewVerifier(identity.Rules{Issuer: i.URL, Audience: gatewaytest.Audience}, fetched(t, i, 5*time.Millisecond))
	steady, fickle := i.Token(t, stays, nil), i.Token(t, goes, nil)
	var done atomic.Bool
	var accepted, refused atomic.Int64
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for !done.Load() {
				if _, refusal, step := authenticate(t, v, bearing(steady), time.Now()); refusal != nil {
					t.Error(step.Sentence())
				}
				_, refusal, step := authenticate(t, v, bearing(fickle), time.Now())
				switch {
				case refusal == nil:
					accepted.Add(1)
				case refusal.Reason == trace.TokenKeyUnknown:
					refused.Add(1)
				default:
					t.Error(step.Sentence())
				}
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for round := 0; round < 16 && time.Now().Before(deadline); round++ {
		count, keys := &accepted, []*issuer.Key{stays, goes}
		if round%2 == 0 {
			count, keys = &refused, keys[:1]
		}
		i.Publish(t, keys...)
		for before := count.Load(); count.Load() < before+3 && time.Now().Before(deadline); {
			runtime.Gosched()
		}
	}
	done.Store(true)
	group.Wait()
	if accepted.Load() < 8 || refused.Load() < 8 {
		t.Errorf("accepted %d times, refused %d times", accepted.Load(), refused.Load())
	}
}

// TestTheFirstTokenOfANewKeyIsAccepted: whoever calls first after a rotation must not be the one who pays for it, since
// most clients give up at a 401.
func TestTheFirstTokenOfANewKeyIsAccepted(t *testing.T) {
	past, next := gatewaytest.NewKey(t, "past", "ES256"), gatewaytest.NewKey(t, "next", "ES256")
	for range 5 { // on a machine that stands still now and then, an answer may take too long
		i := gatewaytest.StartIssuer(t, past)
		v := identity.NewVerifier(identity.Rules{Issuer: i.URL, Audience: gatewaytest.Audience}, fetched(t, i, time.Hour))
		i.Publish(t, next)
		if claims, refusal, _ := authenticate(t, v, bearing(i.Token(t, next, nil)), time.Now()); refusal == nil && claims != nil {
			return
		}
	}
	t.Error("it is always refused")
}

// TestAnIssuerThatHangsHoldsNobodyUp: the token of an unknown key sets off a fetch that never ends.
func TestAnIssuerThatHangsHoldsNobodyUp(t *testing.T) {
	past, next := gatewaytest.NewKey(t, "past", "ES256"), gatewaytest.NewKey(t, "next", "ES256")
	i := gatewaytest.StartIssuer(t, past)
	v := identity.NewVerifier(identity.Rules{Issuer: i.URL, Audience: gatewaytest.Audience}, fetched(t, i, time.Hour))
	i.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for range 3 {
		began := time.Now()
		if _, refusal, _ := authenticate(t, v, bearing(i.Token(t, next, nil)), time.Now()); refusal == nil || refusal.Reason != trace.TokenKeyUnknown {
			t.Errorf("refused for %+v", refusal)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("an unknown key took %v", took)
		}
		if _, refusal, _ := authenticate(t, v, bearing(i.Token(t, past, nil)), time.Now()); refusal != nil {
			t.Errorf("a known key is refused for %s", refusal.Reason)
		}
	}
}

// TestAKeyOfAnotherAlgorithmIsToldAsThat: the key set has the id that the token names, for something else.
func TestAKeyOfAnotherAlgorithmIsToldAsThat(t *testing.T) {
	v := newVerifier(t)
	id := keyring()["RS256"].ID
	token := signWith(keyring()["PS256"], `{"alg":"PS256","kid":"`+id+`"}`, payload(nil))
	if _, refusal, step := authenticate(t, v, bearing(token), noon); refusal.Reason != trace.TokenKeyUnknown || step.Finding != trace.OtherKey || step.Detail != id {
		t.Errorf("refused for %s: %s", refusal.Reason, step.Sentence())
	}
}
