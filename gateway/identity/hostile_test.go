package identity_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/trace"
)

// hostile is one thing that somebody may send as a token.
type hostile struct {
	name   string
	token  string
	reason trace.Reason
	fault  identity.Fault
}

// The ways in which a token is refused, short for the tables.
var (
	malformed  = hostile{reason: trace.TokenMalformed, fault: identity.NotAToken}
	unaccepted = hostile{reason: trace.TokenMalformed, fault: identity.NotAccepted}
	algorithm  = hostile{reason: trace.TokenAlgorithmRefused, fault: identity.NotAccepted}
	unknown    = hostile{reason: trace.TokenKeyUnknown, fault: identity.NotAccepted}
	signature  = hostile{reason: trace.TokenSignatureInvalid, fault: identity.NotAccepted}
	unusable   = hostile{reason: trace.TokenClaimsInvalid, fault: identity.NotAccepted}
	expired    = hostile{reason: trace.TokenExpired, fault: identity.HasExpired}
	early      = hostile{reason: trace.TokenNotYetValid, fault: identity.NotAccepted}
	foreign    = hostile{reason: trace.TokenIssuerMismatch, fault: identity.NotAccepted}
	elsewhere  = hostile{reason: trace.TokenAudienceMismatch, fault: identity.NotAccepted}
)

// is names a token that is refused in this way.
func (h hostile) is(name, token string) hostile {
	h.name, h.token = name, token
	return h
}

func TestNoHostileTokenIsAccepted(t *testing.T) {
	tests := append(hostileShapes(), hostileHeaders()...)
	tests = append(tests, hostileSignatures(t)...)
	tests = append(tests, hostileClaims()...)
	if len(tests) < 100 {
		t.Errorf("only %d hostile tokens", len(tests))
	}
	v := newVerifier(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, round := range []string{"anew", "from memory"} {
				_, refusal, step := authenticate(t, v, http.Header{"Authorization": {"Bearer " + tt.token}}, noon)
				if refusal == nil {
					t.Fatalf("%s: accepted", round)
				}
				if refusal.Reason != tt.reason || refusal.Fault != tt.fault {
					t.Errorf("%s: refused for %s (fault %d), want %s (%d): %s", round, refusal.Reason, refusal.Fault, tt.reason, tt.fault, step.Sentence())
				}
				if refusal.Key == "" {
					t.Errorf("%s: no key of the configuration decided", round)
				}
			}
		})
	}
}

// hostileShapes are texts that are no JWT.
func hostileShapes() []hostile {
	token := good("ES256", nil)
	p := strings.Split(token, ".")
	padded := base64.URLEncoding.EncodeToString([]byte(header("ES256", " ")))
	plus := base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"ES256","x":"???>>>"}`))
	head := encode(header("ES256", ""))
	return []hostile{
		malformed.is("one part", "token"),
		malformed.is("two parts", p[0]+"."+p[1]),
		malformed.is("four parts", token+"."),
		malformed.is("five parts, as encrypted tokens have", token+".AA.AA"),
		malformed.is("ten thousand dots", strings.Repeat(".", 10_000)),
		malformed.is("two dots alone", ".."),
		malformed.is("a token within quotes", `"`+token+`"`),
		malformed.is("two tokens", token+", "+token),
		malformed.is("two tokens and a second scheme", token+", Bearer "+token),
		malformed.is("JSON serialization", `{"payload":"`+p[1]+`","protected":"`+p[0]+`","signature":"`+p[2]+`"}`),
		malformed.is("a header with padding", padded+"."+p[1]+"."+p[2]),
		malformed.is("a signature with padding", token+"=="),
		malformed.is("a payload with padding", p[0]+"."+p[1]+"=."+p[2]),
		malformed.is("a header in the other base64", plus+"."+p[1]+"."+p[2]),
		malformed.is("a line break within the header", p[0][:4]+"\n"+p[0][4:]+"."+p[1]+"."+p[2]),
		malformed.is("a carriage return within the payload", p[0]+"."+p[1][:4]+"\r"+p[1][4:]+"."+p[2]),
		malformed.is("both after the signature and more", token+"\r\nA"),
		malformed.is("a space within the signature", p[0]+"."+p[1]+"."+p[2][:4]+" "+p[2][4:]),
		malformed.is("a tab within the payload", p[0]+"."+p[1][:4]+"\t"+p[1][4:]+"."+p[2]),
		malformed.is("NUL after the token", token+"\x00"),
		malformed.is("a zero-width space within", p[0]+"\u200b."+p[1]+"."+p[2]),
		malformed.is("full-width dots", p[0]+"．"+p[1]+"．"+p[2]),
		malformed.is("percent-encoded dots", p[0]+"%2e"+p[1]+"%2e"+p[2]),
		malformed.is("bits that no byte needs, in the signature", p[0]+"."+p[1]+"."+otherSpelling(p[2])),
		malformed.is("more characters than base64 can have", token+"AAA"),
		malformed.is("an empty header", "."+p[1]+"."+p[2]),
		malformed.is("a header that is no JSON", encode("alg=ES256")+"."+p[1]+"."+p[2]),
		malformed.is("a header that is a list", sign("ES256", `[{"alg":"ES256"}]`, payload(nil))),
		malformed.is("a header that is a text", sign("ES256", `"ES256"`, payload(nil))),
		malformed.is("a header that is null", sign("ES256", `null`, payload(nil))),
		malformed.is("a header with something after it", sign("ES256", header("ES256", "")+"{}", payload(nil))),
		malformed.is("a header with a comma too many", sign("ES256", `{"alg":"ES256",}`, payload(nil))),
		malformed.is("a header in single quotes", sign("ES256", `{'alg':'ES256'}`, payload(nil))),
		malformed.is("a header with a byte order mark", sign("ES256", "\ufeff"+header("ES256", ""), payload(nil))),
		malformed.is("a header that is not UTF-8", sign("ES256", header("ES256", ",\"x\":\"\xff\""), payload(nil))),
		malformed.is("a header with half a surrogate", sign("ES256", header("ES256", `,"x":"\ud800"`), payload(nil))),
		malformed.is("a header that is a thousand deep", sign("ES256", header("ES256", `,"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), payload(nil))),
		malformed.is("two algorithms", sign("ES256", `{"alg":"none","alg":"ES256","kid":"key-ES256"}`, payload(nil))),
		malformed.is("two algorithms, one of them escaped", sign("ES256", `{"alg":"ES256","\u0061lg":"none","kid":"key-ES256"}`, payload(nil))),
		malformed.is("two key ids", sign("ES256", header("ES256", `,"kid":"other"`), payload(nil))),
		malformed.is("no algorithm", sign("ES256", `{"kid":"key-ES256"}`, payload(nil))),
		malformed.is("an algorithm in capital letters", sign("ES256", `{"ALG":"ES256","kid":"key-ES256"}`, payload(nil))),
		malformed.is("an algorithm that is a number", sign("ES256", `{"alg":256}`, payload(nil))),
		malformed.is("an algorithm that is null", sign("ES256", `{"alg":null}`, payload(nil))),
		malformed.is("an algorithm that is a list", sign("ES256", `{"alg":["ES256"]}`, payload(nil))),
		malformed.is("over 16 KiB", head+"."+strings.Repeat("A", 16<<10)+"."+p[2]),
	}
}

// otherSpelling is a base64url text that decodes to the same bytes with a lenient reader.
func otherSpelling(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last+1:last+2]
}

// hostileHeaders are tokens whose header asks for what is never done. All but the last ones are signed well.
func hostileHeaders() []hostile {
	tests := []hostile{
		unaccepted.is("crit with an extension", sign("ES256", header("ES256", `,"crit":["exp"],"exp":1`), payload(nil))),
		unaccepted.is("crit that is empty", sign("ES256", header("ES256", `,"crit":[]`), payload(nil))),
		unaccepted.is("crit that is null", sign("ES256", header("ES256", `,"crit":null`), payload(nil))),
		unaccepted.is("b64 is false", sign("ES256", header("ES256", `,"b64":false,"crit":["b64"]`), payload(nil))),
		unaccepted.is("b64 is true", sign("ES256", header("ES256", `,"b64":true`), payload(nil))),
		unaccepted.is("an ID token", sign("ES256", header("ES256", `,"typ":"id+jwt"`), payload(nil))),
		unaccepted.is("a logout token", sign("ES256", header("ES256", `,"typ":"logout+jwt"`), payload(nil))),
		unaccepted.is("a DPoP proof", sign("ES256", header("ES256", `,"typ":"application/DPoP+JWT"`), payload(nil))),
		unaccepted.is("a security event", sign("ES256", header("ES256", `,"typ":"secevent+jwt"`), payload(nil))),
		unaccepted.is("another typ", sign("ES256", header("ES256", `,"typ":"JWT "`), payload(nil))),
		unaccepted.is("an empty typ", sign("ES256", header("ES256", `,"typ":""`), payload(nil))),
		unaccepted.is("application/ twice", sign("ES256", header("ES256", `,"typ":"application/application/jwt"`), payload(nil))),
		unaccepted.is("a typ that is a list", sign("ES256", header("ES256", `,"typ":["JWT"]`), payload(nil))),
		unaccepted.is("a typ that is null", sign("ES256", header("ES256", `,"typ":null`), payload(nil))),
		unaccepted.is("a key id that is a number", sign("ES256", `{"alg":"ES256","kid":1}`, payload(nil))),
		unaccepted.is("a key id that is null", sign("ES256", `{"alg":"ES256","kid":null}`, payload(nil))),
		unaccepted.is("a key id that is a list", sign("ES256", `{"alg":"ES256","kid":["key-ES256"]}`, payload(nil))),
		unknown.is("a key id that is too long", sign("ES256", `{"alg":"ES256","kid":"`+strings.Repeat("k", 257)+`"}`, payload(nil))),
		unknown.is("a key id that leads to a file", sign("ES256", `{"alg":"ES256","kid":"../../../../dev/null"}`, payload(nil))),
		unknown.is("a key id with a query in it", sign("ES256", `{"alg":"ES256","kid":"x' UNION SELECT 'key'; --"}`, payload(nil))),
		unknown.is("a key id with NUL", sign("ES256", `{"alg":"ES256","kid":"key-ES256\u0000"}`, payload(nil))),
		unknown.is("a key id in other case", sign("ES256", `{"alg":"ES256","kid":"KEY-es256"}`, payload(nil))),
		unknown.is("a key id of another curve", sign("ES384", `{"alg":"ES256","kid":"key-ES384"}`, payload(nil))),
		unknown.is("a key id of another type", sign("RS256", `{"alg":"ES256","kid":"key-RS256"}`, payload(nil))),
		unknown.is("a key for another algorithm of its type", sign("RS512", `{"alg":"RS256","kid":"key-RS512"}`, payload(nil))),
		unknown.is("PSS with a key for the older padding", sign("RS256", `{"alg":"PS256","kid":"key-RS256"}`, payload(nil))),
	}
	for _, name := range []string{
		"none", "None", "NONE", "nOnE", " none", "none ", "no\u0131ne", "", "HS256", "HS384", "HS512", "hs256", "rs256", "Es256", "ES256 ", "ES256\u0000",
		"RS1", "ES256K", "EdDSA ", "Ed448", "A128GCMKW", "dir", "RSA-OAEP", "RS256,HS256",
	} {
		head := `{"alg":` + strconv.QuoteToASCII(name) + `,"kid":"key-ES256"}`
		head = strings.ReplaceAll(head, `\x00`, `\u0000`)
		tests = append(tests, algorithm.is("algorithm "+strconv.Quote(name), sign("ES256", head, payload(nil))))
		tests = append(tests, algorithm.is("algorithm "+strconv.Quote(name)+" without a signature", encode(head)+"."+encode(payload(nil))+"."))
	}
	return tests
}

// hostileSignatures are tokens whose signature is somebody else's, or another's.
func hostileSignatures(t *testing.T) []hostile {
	token := good("ES256", nil)
	p, other := strings.Split(token, "."), strings.Split(good("ES256", map[string]any{"sub": "bob"}), ".")
	raw, _ := base64.RawURLEncoding.DecodeString(p[2])
	half := len(raw) / 2
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
	if err != nil {
		t.Fatal(err)
	}
	order := keyring()["ES256"].Public().(*ecdsa.PublicKey).Params().N
	signed := p[0] + "." + p[1]
	with := func(signature []byte) string { return signed + "." + encode(string(signature)) }
	join := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	r, s := new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])
	strange, err := stranger().JWK()
	if err != nil {
		t.Fatal(err)
	}
	point := `"jwk":{"kty":"EC","crv":"P-256","x":"` + strange["x"].(string) + `","y":"` + strange["y"].(string) + `"}`
	tests := []hostile{
		signature.is("no signature", signed+"."),
		signature.is("a last character too many", token+"A"),
		signature.is("half a signature", with(raw[:half])),
		signature.is("a signature with a zero byte before it", with(append([]byte{0}, raw...))),
		signature.is("a signature with a zero byte after it", with(append(bytes.Clone(raw), 0))),
		signature.is("a signature in DER", with(der)),
		signature.is("the signature of another token", signed+"."+other[2]),
		signature.is("the payload of another token", p[0]+"."+other[1]+"."+p[2]),
		signature.is("zero r and s", with(make([]byte, 64))),
		signature.is("zero r", with(join(new(big.Int), s))),
		signature.is("zero s", with(join(r, new(big.Int)))),
		signature.is("r and s of the order", with(join(order, order))),
		signature.is("r and s of one", with(join(big.NewInt(1), big.NewInt(1)))),
		signature.is("r and s exchanged", with(join(s, r))),
		signature.is("a stranger's signature", signWith(stranger(), header("ES256", ""), payload(nil))),
		signature.is("a stranger's signature without a key id", signWith(stranger(), `{"alg":"ES256"}`, payload(nil))),
		signature.is("a stranger's signature with an empty key id", signWith(stranger(), `{"alg":"ES256","kid":""}`, payload(nil))),
		signature.is("a stranger's key in the header", signWith(stranger(), header("ES256", ","+point), payload(nil))),
		signature.is("a stranger's key in the header, without a key id", signWith(stranger(), `{"alg":"ES256",`+point+`}`, payload(nil))),
		signature.is("a stranger's key set in the header", signWith(stranger(), header("ES256", `,"jku":"https://evil.example/jwks.json"`), payload(nil))),
		signature.is("a stranger's certificate in the header", signWith(stranger(), header("ES256", `,"x5c":["MIIB"],"x5u":"https://evil.example/c.pem"`), payload(nil))),
		signature.is("a signature over the payload alone", signed+"."+strings.Split(signWith(keyring()["ES256"], "", payload(nil)), ".")[2]),
		signature.is("Ed25519 of zeros", encode(header("EdDSA", ""))+"."+p[1]+"."+encode(strings.Repeat("\x00", 64))),
		signature.is("RSA of zeros", encode(header("RS256", ""))+"."+p[1]+"."+encode(strings.Repeat("\x00", 256))),
		signature.is("RSA of one", encode(header("RS256", ""))+"."+p[1]+"."+encode(strings.Repeat("\x00", 255)+"\x01")),
		signature.is("RSA cut short", encode(header("RS256", ""))+"."+p[1]+"."+encode(strings.Repeat("A", 255))),
		signature.is("an unreadable payload of a stranger is never read", signWith(stranger(), header("ES256", ""), "\xff{")),
	}
	return append(tests, symmetricForgeries(t)...)
}

// symmetricForgeries are tokens that are signed with a public key as if it were a secret.
func symmetricForgeries(t *testing.T) []hostile {
	public := keyring()["RS256"].Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"DER":     der,
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"modulus": public.(*rsa.PublicKey).N.Bytes(),
		"nothing": nil,
	}
	var tests []hostile
	for name, secret := range secrets {
		for says, how := range map[string]hostile{"HS256": algorithm, "RS256": signature} {
			signed := encode(`{"alg":"`+says+`","kid":"key-RS256"}`) + "." + encode(payload(nil))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			tests = append(tests, how.is("the public key as a secret, as "+name+", called "+says, signed+"."+encode(string(mac.Sum(nil)))))
		}
	}
	return tests
}

// hostileClaims are tokens of the issuer, signed as they should be, that say what must not count.
func hostileClaims() []hostile {
	says := func(h hostile, name string, more map[string]any) hostile { return h.is(name, good("ES256", more)) }
	is := func(h hostile, name, document string) hostile {
		return h.is(name, sign("ES256", header("ES256", ""), document))
	}
	exp := func(h hostile, number string) hostile {
		return is(h, "exp "+number, `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":`+number+`}`)
	}
	nbf := func(h hostile, number string) hostile {
		return is(h, "nbf "+number, `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":4102444800,"nbf":`+number+`}`)
	}
	deep := func(n int) string {
		return `{"iss":"` + issuerURL + `","aud":"` + audience + `","exp":4102444800,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	return []hostile{
		exp(unusable, `"1795430400"`), exp(unusable, "null"), exp(unusable, "true"), exp(unusable, "[1795430400]"), exp(unusable, `{}`), exp(unusable, `"NaN"`),
		exp(expired, "-1"), exp(expired, "-1e-5"), exp(expired, "-1795430400"), exp(unusable, "-1e13"), exp(unusable, "1e400"), exp(unusable, "1e999999999999999999999"), exp(unusable, "253402300800"),
		exp(unusable, "253402300799.1"), exp(unusable, "NaN"), exp(unusable, "Infinity"), exp(unusable, "0x7fffffff"), exp(unusable, "01795430400"), exp(unusable, "+1795430400"),
		exp(unusable, "9223372036854775808"), exp(unusable, "18446744073709551616000"),
		exp(expired, "0"), exp(expired, "-0"), exp(expired, "0e999999999"), exp(expired, "1e-999999999"), exp(expired, "1"), exp(expired, "1795430400e-1"),
		nbf(unusable, `"1"`), nbf(unusable, "null"), nbf(unusable, "1e400"), nbf(unusable, "-1e400"), nbf(unusable, "false"), nbf(early, "4102444799"), nbf(early, "2.5e11"),
		says(unusable, "no exp", map[string]any{"exp": nil}),
		is(unusable, "exp in capital letters", `{"iss":"`+issuerURL+`","aud":"`+audience+`","EXP":4102444800}`),
		says(expired, "expired a minute ago", map[string]any{"exp": noon.Unix() - 60}),
		says(early, "not before a minute and a second from now", map[string]any{"nbf": noon.Unix() + 61}),
		says(early, "issued a minute and a second from now", map[string]any{"iat": noon.Unix() + 61}),
		says(unusable, "iat that is a text", map[string]any{"iat": "now"}),
		says(foreign, "another issuer", map[string]any{"iss": "https://evil.example"}),
		says(foreign, "no issuer", map[string]any{"iss": nil}),
		says(foreign, "an empty issuer", map[string]any{"iss": ""}),
		says(foreign, "the issuer with a slash", map[string]any{"iss": issuerURL + "/"}),
		says(foreign, "the issuer with more behind it", map[string]any{"iss": issuerURL + ".evil.example"}),
		says(unusable, "a list of issuers", map[string]any{"iss": []string{issuerURL}}),
		is(unusable, "an issuer that is null", `{"iss":null,"aud":"`+audience+`","exp":4102444800}`),
		says(elsewhere, "another audience", map[string]any{"aud": "other-api"}),
		says(elsewhere, "the audience in other case", map[string]any{"aud": "Nexus-API"}),
		says(elsewhere, "no audience", map[string]any{"aud": nil}),
		says(elsewhere, "an empty audience", map[string]any{"aud": ""}),
		says(elsewhere, "an empty list of audiences", map[string]any{"aud": []string{}}),
		says(elsewhere, "other audiences", map[string]any{"aud": []string{"a", "b", audience + " "}}),
		says(unusable, "an audience that is an object", map[string]any{"aud": map[string]any{audience: true}}),
		says(unusable, "an audience that is a number", map[string]any{"aud": 1}),
		says(unusable, "audiences that are not texts alone", map[string]any{"aud": []any{audience, 1}}),
		says(unusable, "audiences within a list", map[string]any{"aud": []any{[]string{audience}}}),
		is(unusable, "an empty payload", ""), is(unusable, "an empty object", "{}"), is(unusable, "a payload that is a list", "["+payload(nil)+"]"),
		is(unusable, "a payload that is a text", `"text"`), is(unusable, "a payload that is null", "null"),
		is(unusable, "a token within a token", good("ES256", nil)),
		is(unusable, "something after the claims", payload(nil)+"{}"), is(unusable, "a bracket after the claims", payload(nil)+"}"),
		is(unusable, "the claims twice", payload(nil)+payload(nil)), is(unusable, "a comment", "/**/"+payload(nil)),
		is(unusable, "claims that end in the middle", strings.TrimSuffix(payload(nil), "}")),
		is(unusable, "a byte order mark", "\ufeff"+payload(nil)), is(unusable, "NUL after the claims", payload(nil)+"\x00"),
		is(unusable, "claims in UTF-16", "{\x00}\x00"),
		is(unusable, "claims that are not UTF-8", `{"exp":4102444800,"sub":"`+"\xc0\xaf"+`"}`),
		is(unusable, "half a surrogate", `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":4102444800,"sub":"\ud800"}`),
		is(unusable, "two subjects", `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":4102444800,"sub":"a","sub":"b"}`),
		is(unusable, "two subjects, one of them escaped", `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":4102444800,"sub":"a","s\u0075b":"b"}`),
		is(unusable, "two plans within an object", `{"iss":"`+issuerURL+`","aud":"`+audience+`","exp":4102444800,"u":{"plan":"a","plan":"b"}}`),
		is(unusable, "64 lists within the object", deep(64)), is(unusable, "5,000 lists", deep(5000)),
	}
}

// TestSaltOfAnotherLengthIsRefused: a PSS signature whose salt has not the length of the hash is none (RFC 7518,
// section 3.5), though the library's method would take it.
func TestSaltOfAnotherLengthIsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n := base64.RawURLEncoding.EncodeToString(key.N.Bytes())
	set, err := jwks.Parse([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"` + n + `","e":"AQAB"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	v := identity.NewVerifier(rules, jwks.Fixed(set))
	signed := encode(`{"alg":"PS256","kid":"k"}`) + "." + encode(payload(nil))
	digest := sha256.Sum256([]byte(signed))
	for _, salt := range []int{rsa.PSSSaltLengthAuto, 8, 20, 31, 32, 33, 64} { // the first is as long as can be
		signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		_, refusal, _ := authenticate(t, v, bearing(signed+"."+encode(string(signature))), noon)
		if (refusal == nil) != (salt == 32) {
			t.Errorf("salt of %d bytes: refusal %v", salt, refusal)
		}
	}
}
