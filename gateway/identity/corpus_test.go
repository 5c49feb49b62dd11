package identity_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"nexus/config"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
	"nexus/gateway/trace"
)

// goodTokens are 200 values of the header Authorization that must be accepted: each algorithm in all variants that the
// standards allow.
func goodTokens() []string {
	var all []string
	for _, a := range config.Algorithms() {
		h := func(more string) string { return header(a, more) }
		for _, variant := range []struct{ scheme, header, payload string }{
			{"Bearer ", h(`,"typ":"JWT"`), payload(nil)},
			{"bearer ", h(""), payload(nil)},
			{"BEARER   ", h(`,"typ":"jwt"`), payload(nil)},
			{"bEaReR ", h(`,"typ":"at+jwt"`), payload(nil)},
			{"Bearer ", h(`,"typ":"application/at+JWT"`), payload(nil)},
			{"Bearer ", h(`,"typ":"Application/JWT"`), payload(nil)},
			{"Bearer ", `{"alg":"` + a + `"}`, payload(nil)},
			{"Bearer ", `{"alg":"` + a + `","kid":""}`, payload(nil)},
			{"Bearer ", h(`,"jku":"https://evil.example","x5u":1,"x5c":[],"jwk":{"kty":"oct"},"x5t":"AA","cty":"x"`), payload(nil)},
			{"Bearer ", " {\n\t\"kid\" : \"key-" + a + "\",\r\n \"\\u0061lg\" : \"" + a + "\" } ", payload(nil)},
			{"Bearer ", h(""), payload(map[string]any{"aud": []string{"other", audience, "more"}})},
			{"Bearer ", h(""), payload(map[string]any{"exp": noon.Unix() - 59})},
			{"Bearer ", h(""), payload(map[string]any{"nbf": noon.Unix() + 60, "iat": noon.Unix() + 60})},
			{"Bearer ", h(""), payload(map[string]any{"iat": nil, "sub": nil, "nbf": 0})},
			{"Bearer ", h(""), `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":4.102444800e9,"nbf":1e0,"iat":1795430400.999}`},
			{"Bearer ", h(""), `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":253402300799,"n":1e400,"z":-0}`},
			{"Bearer ", h(""), " {\n\"\\u0069ss\":\"https:\\/\\/auth.example.com\",\"aud\":\"\\u006eexus-api\",\"exp\":4102444800 }\r\n"},
			{"Bearer ", h(""), `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":4102444800,"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`},
			{"Bearer ", h(""), `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":4102444800,"sub":"\ud83d\ude00\u0000","":null," ":{"":[]}}`},
			{"Bearer ", h(""), payload(map[string]any{"x": strings.Repeat("long", 2000)})},
		} {
			all = append(all, variant.scheme+sign(a, variant.header, variant.payload))
		}
	}
	return all
}

func TestNoGoodTokenIsRefused(t *testing.T) {
	v, tokens := newVerifier(t), goodTokens()
	if len(tokens) < 200 {
		t.Fatalf("only %d tokens", len(tokens))
	}
	for i, value := range tokens {
		for _, round := range []string{"anew", "from memory"} {
			_, refusal, step := authenticate(t, v, http.Header{"Authorization": {value}}, noon)
			if refusal != nil {
				t.Errorf("%d, %s: %s", i, round, step.Sentence())
			}
			if fresh := step.Took > 0; fresh != (round == "anew") {
				t.Errorf("%d, %s: took %v", i, round, step.Took)
			}
			if algorithm := config.Algorithms()[i/20]; step.Key != algorithm || step.Detail != "key-"+algorithm || step.Near != nil || step.Value != "" {
				t.Errorf("%d: step %+v", i, step)
			}
		}
	}
}

// TestNoMutationIsAccepted changes good tokens in 5,000 ways, the same ones each time but for the keys, and sends each
// to a verifier that remembers the good ones.
func TestNoMutationIsAccepted(t *testing.T) {
	random := rand.New(rand.NewPCG(7519, 7515))
	v, tokens := newVerifier(t), goodTokens()
	known := make(map[string]bool)
	for i, value := range tokens {
		tokens[i] = value[strings.LastIndexByte(value, ' ')+1:]
		known[tokens[i]] = true
		authenticate(t, v, bearing(tokens[i]), noon)
	}
	reasons := make(map[trace.Reason]int)
	for sent := 0; sent < 5000; {
		from := tokens[random.IntN(len(tokens))]
		how := mutations[random.IntN(len(mutations))]
		token := how.change(random, from, tokens[random.IntN(len(tokens))])
		if known[strings.Trim(token, " \t")] {
			continue
		}
		sent++
		_, refusal, _ := authenticate(t, v, bearing(token), noon)
		if refusal == nil {
			t.Fatalf("%s: accepted %s, made of %s", how.name, token, from)
		}
		reasons[refusal.Reason]++
	}
	t.Logf("refused for %v", reasons)
	if len(reasons) < 5 {
		t.Errorf("the mutations all fail for %v: they look at too little", reasons)
	}
}

// mutation is one way to change a token, perhaps with the help of another one.
type mutation struct {
	name   string
	change func(random *rand.Rand, token, other string) string
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// The mutations of a signature change its bits at random: the one change that keeps an ECDSA signature (r, s) good, to
// (r, -s), is not among them, and changes nothing that the token says.
var mutations = []mutation{
	{"another character", func(random *rand.Rand, token, _ string) string {
		i := random.IntN(len(token))
		return token[:i] + string(alphabet[random.IntN(len(alphabet))]) + token[i+1:]
	}},
	{"any other byte", func(random *rand.Rand, token, _ string) string {
		i := random.IntN(len(token))
		return token[:i] + string([]byte{byte(random.IntN(256))}) + token[i+1:]
	}},
	{"a character more", func(random *rand.Rand, token, _ string) string {
		i := random.IntN(len(token) + 1)
		return token[:i] + string((alphabet + ".=+/\r\n ")[random.IntN(len(alphabet)+7)]) + token[i:]
	}},
	{"a piece less", func(random *rand.Rand, token, _ string) string {
		i := random.IntN(len(token))
		return token[:i] + token[i+random.IntN(min(len(token)-i, 20))+1:]
	}},
	{"the end of another", func(random *rand.Rand, token, other string) string {
		i := random.IntN(min(len(token), len(other)))
		return token[:i] + other[i:]
	}},
	{"a part of another", func(random *rand.Rand, token, other string) string {
		p, o := strings.Split(token, "."), strings.Split(other, ".")
		i := random.IntN(3)
		p[i] = o[i]
		return strings.Join(p, ".")
	}},
	{"a bit of the signature", func(random *rand.Rand, token, _ string) string {
		i := strings.LastIndexByte(token, '.') + 1
		raw, _ := base64.RawURLEncoding.DecodeString(token[i:])
		raw[random.IntN(len(raw))] ^= 1 << random.IntN(8)
		return token[:i] + encode(string(raw))
	}},
	{"another claim", func(random *rand.Rand, token, _ string) string {
		p := strings.Split(token, ".")
		raw, _ := base64.RawURLEncoding.DecodeString(p[1])
		return p[0] + "." + encode(strings.Replace(string(raw), "{", fmt.Sprintf(`{"admin":%d,`, random.Int()), 1)) + "." + p[2]
	}},
	{"another header", func(random *rand.Rand, token, _ string) string {
		p := strings.Split(token, ".")
		names := append(config.Algorithms(), "none", "HS256")
		return encode(header(names[random.IntN(len(names))], fmt.Sprintf(`,"x":%d`, random.Int()))) + "." + p[1] + "." + p[2]
	}},
	{"a stranger's signature", func(random *rand.Rand, _, _ string) string {
		return signWith(stranger(), header("ES256", ""), payload(map[string]any{"sub": random.Int()}))
	}},
	{"claims of the issuer that must not count", func(random *rand.Rand, _, _ string) string {
		bad := []map[string]any{
			{"exp": noon.Unix() - 60 - random.Int64N(1e9)}, {"exp": -random.Int64N(1e9) - 1}, {"exp": nil, "x": random.Int()}, {"exp": fmt.Sprint(random.Int())},
			{"nbf": noon.Unix() + 61 + random.Int64N(1e9)}, {"iat": noon.Unix() + 61 + random.Int64N(1e9)}, {"iat": []int{random.Int()}},
			{"iss": fmt.Sprint(random.Int())}, {"aud": fmt.Sprint(random.Int())}, {"aud": random.Int()}, {"iss": random.Int()},
		}
		return good("EdDSA", bad[random.IntN(len(bad))])
	}},
}

// TestEachAlgorithmCanBeForbidden: a token that is good in all else is refused where its algorithm is not listed.
func TestEachAlgorithmCanBeForbidden(t *testing.T) {
	set := wholeSet(t)
	for _, forbidden := range config.Algorithms() {
		if !jwks.Supports(forbidden) {
			t.Errorf("%s is in the list and cannot be verified", forbidden)
		}
		others := rules
		others.Algorithms = strings.Join(strings.Fields(strings.Replace(strings.Join(config.Algorithms(), " "), forbidden, "", 1)), " ")
		_, refusal, step := authenticate(t, newVerifierOf(others, set), bearing(good(forbidden, nil)), noon)
		if refusal == nil || refusal.Reason != trace.TokenAlgorithmRefused || step.Key != forbidden || len(step.Near) != 9 {
			t.Errorf("%s: %+v, %+v", forbidden, refusal, step)
		}
		others.Algorithms = forbidden
		if _, refusal, step := authenticate(t, newVerifierOf(others, set), bearing(good(forbidden, nil)), noon); refusal != nil {
			t.Errorf("%s alone: %s", forbidden, step.Sentence())
		}
	}
}

// TestATokenWithoutAKeyIDIsHeldAgainstEachKey of its algorithm.
func TestATokenWithoutAKeyIDIsHeldAgainstEachKey(t *testing.T) {
	var keys []*issuer.Key
	for i := range 4 {
		key, err := issuer.NewKey(fmt.Sprint("k", i), "ES256")
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	v := newVerifierOf(rules, setOf(t, keys...))
	for i, key := range keys {
		_, refusal, step := authenticate(t, v, bearing(signWith(key, `{"alg":"ES256"}`, payload(nil))), noon)
		if refusal != nil || step.Detail != fmt.Sprint("k", i) {
			t.Errorf("key %d: %s", i, step.Sentence())
		}
	}
}

// TestAKeyIDIsBounded: 256 bytes are looked for, and one more is not, even if a key has it.
func TestAKeyIDIsBounded(t *testing.T) {
	for length, want := range map[int]trace.Reason{256: "", 257: trace.TokenKeyUnknown} {
		key, err := issuer.NewKey(strings.Repeat("k", length), "ES256")
		if err != nil {
			t.Fatal(err)
		}
		v := newVerifierOf(rules, setOf(t, key, keyring()["EdDSA"]))
		_, refusal, step := authenticate(t, v, bearing(signWith(key, `{"alg":"ES256","kid":"`+key.ID+`"}`, payload(nil))), noon)
		if refusal != nil != (want != "") || refusal != nil && refusal.Reason != want {
			t.Errorf("%d bytes: %s", length, step.Sentence())
		}
	}
}
