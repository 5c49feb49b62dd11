package identity_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/trace"
)

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestTheMemoryOfTokensIsBounded: whatever the issuer puts into its tokens, those that are remembered hold no more than
// 32 MiB, measured where it counts.
func TestTheMemoryOfTokensIsBounded(t *testing.T) {
	payloads := map[string]string{
		"long texts":        `"x":"` + strings.Repeat("x", 11_000) + `"`,
		"ten thousand ones": `"x":[` + strings.Repeat("1,", 5_000) + `1]`,
		"empty lists":       `"x":[` + strings.Repeat("[],", 3_500) + `[]]`,
		"short names":       `"x":{` + names(1_200) + `}`,
		"nothing":           `"x":0`,
	}
	for name, more := range payloads {
		t.Run(name, func(t *testing.T) {
			v, before := newVerifier(t), heap()
			full, last := 0, 0
			for i := 0; i < 60_000 && full < 64; i++ {
				document := fmt.Sprintf(`{"iss":%q,"aud":%q,"exp":4102444800,"sub":"%d",%s}`, issuerURL, audience, i, more)
				if _, refusal, step := authenticate(t, v, bearing(sign("EdDSA", header("EdDSA", ""), document)), noon); refusal != nil {
					t.Fatal(step.Sentence())
				}
				_, _, tokens := v.Cached()
				if tokens <= last {
					full++ // something had to go
				}
				last = tokens
			}
			accepted, _, tokens := v.Cached()
			grown := heap() - before
			t.Logf("%d tokens, %d KiB counted, %d KiB grown", tokens, accepted>>10, grown>>10)
			if full < 64 {
				t.Error("it was never full")
			}
			if accepted > 28<<20 || grown > 32<<20 {
				t.Errorf("%d tokens count as %d KiB and hold %d KiB", tokens, accepted>>10, grown>>10)
			}
			runtime.KeepAlive(v)
		})
	}
}

// names are members of an object, as many as that, with short names.
func names(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"%x":[]`, i)
	}
	return strings.Join(members, ",")
}

// TestForgeriesPushOutNoGoodToken: a flood of them has 4 MiB to itself, and the good ones stay where they are.
func TestForgeriesPushOutNoGoodToken(t *testing.T) {
	v, before := newVerifier(t), heap()
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, good("EdDSA", map[string]any{"sub": fmt.Sprint(i)}))
		authenticate(t, v, bearing(tokens[i]), noon)
	}
	head, signature := encode(header("EdDSA", "")), encode(strings.Repeat("s", 64))
	for i := range 20_000 {
		forged := head + "." + encode(fmt.Sprintf("%d%s", i, strings.Repeat("forged", i%1000))) + "." + signature
		if _, refusal, _ := authenticate(t, v, bearing(forged), noon); refusal == nil || refusal.Reason != trace.TokenSignatureInvalid {
			t.Fatalf("refusal %v", refusal)
		}
	}
	_, refused, _ := v.Cached()
	if refused > 4<<20 || refused < 3<<20 {
		t.Errorf("refusals hold %d KiB", refused>>10)
	}
	if grown := heap() - before; grown > 6<<20 {
		t.Errorf("all hold %d KiB", grown>>10)
	}
	for i, token := range tokens {
		if _, _, step := authenticate(t, v, bearing(token), noon); step.Took != 0 {
			t.Errorf("token %d had to be verified anew", i)
		}
	}
	runtime.KeepAlive(v)
}

// TestWhatIsAskedForStays: when room is needed, what nobody asked for goes first.
func TestWhatIsAskedForStays(t *testing.T) {
	v := newVerifier(t)
	favourite := good("EdDSA", map[string]any{"sub": "favourite"})
	authenticate(t, v, bearing(favourite), noon)
	for i := range 6_000 {
		authenticate(t, v, bearing(good("EdDSA", map[string]any{"sub": fmt.Sprint(i), "x": strings.Repeat("x", 8_000)})), noon)
		if i%50 == 0 {
			if _, _, step := authenticate(t, v, bearing(favourite), noon); step.Took != 0 {
				t.Fatalf("after %d others it had to be verified anew", i)
			}
		}
	}
}

// TestOtherKeysForgetEverything: what one set has verified counts for no other, in either direction, and nothing counts
// without one.
func TestOtherKeysForgetEverything(t *testing.T) {
	with, without := wholeSet(t), setOf(t, keyring()["RS256"])
	v := newVerifierOf(rules, with)
	accepted, forged := bearing(good("ES256", nil)), bearing(signWith(stranger(), header("ES256", ""), payload(nil)))
	authenticate(t, v, accepted, noon)
	authenticate(t, v, forged, noon)
	if _, _, tokens := v.Cached(); tokens != 2 {
		t.Fatalf("%d tokens are kept", tokens)
	}
	v.Exchange(jwks.Fixed(without))
	if _, refusal, _ := authenticate(t, v, accepted, noon); refusal == nil || refusal.Reason != trace.TokenKeyUnknown {
		t.Errorf("under other keys: %v", refusal)
	}
	if _, _, tokens := v.Cached(); tokens != 0 {
		t.Errorf("%d tokens are kept under other keys", tokens)
	}
	v.Exchange(jwks.Fixed(setOf(t, stranger())))
	if _, refusal, step := authenticate(t, v, forged, noon); refusal != nil {
		t.Errorf("under its own key: %s", step.Sentence())
	}
	v.Exchange(jwks.Fixed(with))
	if _, refusal, _ := authenticate(t, v, forged, noon); refusal == nil {
		t.Error("it is accepted under keys that it was not verified with")
	}
	v.Exchange(&jwks.Keys{})
	if _, refusal, _ := authenticate(t, v, accepted, noon); refusal == nil || refusal.Reason != trace.KeysUnavailable {
		t.Errorf("without keys: %v", refusal)
	}
	if _, _, tokens := v.Cached(); tokens != 0 {
		t.Errorf("%d tokens are kept without keys", tokens)
	}
}

// TestTheCachedPathAllocatesNothing, in all that identifies a caller by a token.
func TestTheCachedPathAllocatesNothing(t *testing.T) {
	v, id := newVerifier(t), identity.Compile(claimed())
	for name, more := range map[string]map[string]any{
		"a group":                 nil,
		"a list of groups":        {"plan": []string{"x", "y", " pro"}},
		"a number and no group":   {"sub": 12345678901234567, "plan": nil},
		"no group but a near one": {"plan": nil, "subscription": "pro"},
	} {
		h := bearing(good("ES256", more))
		var tr trace.Trace
		identify := func() {
			tr = trace.Trace{}
			claims, err := v.Authenticate(h, noon, &tr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := id.Identify(identity.Evidence{Header: h, Claims: claims}, &tr); err != nil {
				t.Fatal(err)
			}
		}
		identify()
		if got := testing.AllocsPerRun(200, identify); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
		if tr.Steps()[0].Took != 0 {
			t.Errorf("%s: it did not come from memory", name)
		}
	}
}

func benchmarkAlgorithm(b *testing.B, algorithm string) {
	h := bearing(good(algorithm, nil))
	set := wholeSet(b)
	b.ReportAllocs()
	for b.Loop() {
		v := newVerifierOf(rules, set) // remembers nothing
		var tr trace.Trace
		if _, err := v.Authenticate(h, noon, &tr); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRS256(b *testing.B) { benchmarkAlgorithm(b, "RS256") }
func BenchmarkVerifyPS256(b *testing.B) { benchmarkAlgorithm(b, "PS256") }
func BenchmarkVerifyES256(b *testing.B) { benchmarkAlgorithm(b, "ES256") }
func BenchmarkVerifyEdDSA(b *testing.B) { benchmarkAlgorithm(b, "EdDSA") }

// BenchmarkVerifyCached is the same for a token that is known, with as many callers at once as there are processors.
func BenchmarkVerifyCached(b *testing.B) {
	h, v := bearing(good("RS256", nil)), newVerifier(b)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			var tr trace.Trace
			if _, err := v.Authenticate(h, noon, &tr); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkIdentify is all that identifies a caller by a known token: token, client id, group, its validation.
func BenchmarkIdentify(b *testing.B) {
	h, v, id := bearing(good("RS256", nil)), newVerifier(b), identity.Compile(claimed())
	var tr trace.Trace
	b.ReportAllocs()
	for b.Loop() {
		tr = trace.Trace{}
		claims, err := v.Authenticate(h, noon, &tr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := id.Identify(identity.Evidence{Header: h, Claims: claims}, &tr); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForgery is what a stranger's token costs that was not seen before.
func BenchmarkForgery(b *testing.B) {
	v, now := newVerifier(b), time.Now()
	head, signature := encode(header("ES256", "")), encode(strings.Repeat("s", 64))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var tr trace.Trace
		if _, err := v.Authenticate(bearing(head+"."+encode(fmt.Sprint(i))+"."+signature), now, &tr); err == nil {
			b.Fatal("accepted")
		}
	}
}

// TestATokenEndsByTheWallClock: a machine that slept, or whose clock was set, has a monotonic clock that knows nothing of
// it, and a token ends all the same.
func TestATokenEndsByTheWallClock(t *testing.T) {
	now := time.Now()
	wall := now.Round(0)
	for name, tt := range map[string]struct {
		until, expires time.Time
		want           bool
	}{
		"neither has come":    {now.Add(time.Minute), wall.Add(time.Second), true},
		"it has expired":      {now.Add(time.Minute), wall.Add(-time.Second), false},
		"its time is up":      {now.Add(-time.Second), wall.Add(time.Minute), false},
		"a refusal, in time":  {now.Add(time.Minute), time.Time{}, true},
		"a refusal, too late": {now.Add(-time.Second), time.Time{}, false},
	} {
		if got := identity.Stands(tt.until, tt.expires, now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
