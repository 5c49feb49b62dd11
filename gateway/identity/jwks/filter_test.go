package jwks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
)

// rsaJWK is a public key without kid, alg and use.
func rsaJWK(public *rsa.PublicKey) map[string]any {
	return map[string]any{
		"kty": "RSA",
		"n":   base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

// number is a number as a JWK has it.
func number(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// badElements are elements that must be left out, as they stand in a set, with the reason that is given.
func badElements(t testing.TB) map[string]struct{ text, why string } {
	t.Helper()
	ec, ed, rs := newKey(t, "bad", "ES256"), newKey(t, "bad", "EdDSA"), newKey(t, "bad", "RS256")
	modulus := rs.Public().(*rsa.PublicKey).N
	bad := map[string]struct{ text, why string }{
		"null":                {`null`, "no JSON object"},
		"a number":            {`7`, "no JSON object"},
		"a list":              {`[]`, "no JSON object"},
		"a text":              {`"key"`, "no JSON object"},
		"empty":               {`{}`, "kty"},
		"invalid UTF-8":       {"{\"kty\":\"EC\",\"kid\":\"\xff\"}", "UTF-8"},
		"invalid UTF-8 aside": {"{\"kty\":\"EC\",\"note\":\"\xff\"}", "UTF-8"},
		"a name twice":        {`{"kty":"EC","kid":"a","kid":"b"}`, "twice"},
		"a name twice within": {`{"kty":"EC","x5c":{"a":1,"a":2}}`, "twice"},
		"a numeric kid":       {`{"kty":"EC","kid":7}`, "its kid is of the wrong kind"},
		"a list for use":      {`{"kty":"EC","use":["sig"]}`, "its use is of the wrong kind"},
		"a text for key_ops":  {`{"kty":"EC","key_ops":"verify"}`, "its key_ops is of the wrong kind"},
		"names in capitals":   {`{"KTY":"EC","CRV":"P-256"}`, "kty"},
		"oct":                 {`{"kty":"oct","kid":"bad","alg":"HS256","k":"c2VjcmV0"}`, "symmetric"},
	}
	add := func(name string, key *issuer.Key, why string, more map[string]any) {
		text, err := json.Marshal(member(t, key, more))
		if err != nil {
			t.Fatal(err)
		}
		bad[name] = struct{ text, why string }{string(text), why}
	}
	y, err := base64.RawURLEncoding.DecodeString(member(t, ec, nil)["y"].(string))
	if err != nil {
		t.Fatal(err)
	}
	y[31] ^= 1
	add("an unknown kty", ec, "kty", map[string]any{"kty": "AKP"})
	add("a kty in lower case", ec, "kty", map[string]any{"kty": "ec"})
	add("a long kid", ec, "256 bytes", map[string]any{"kid": strings.Repeat("k", 257)})
	add("use enc", ec, "use", map[string]any{"use": "enc"})
	add("an odd use", ec, "use", map[string]any{"use": "SIG"})
	add("key_ops for encryption", ec, "key_ops", map[string]any{"key_ops": []string{"encrypt"}})
	add("key_ops without any", ec, "key_ops", map[string]any{"key_ops": []string{}})
	add("HS256 as alg", rs, "alg", map[string]any{"alg": "HS256"})
	add("none as alg", rs, "alg", map[string]any{"alg": "none"})
	add("an alg for encryption", rs, "alg", map[string]any{"alg": "RSA-OAEP"})
	add("the alg of another type", rs, "fit", map[string]any{"alg": "ES256"})
	add("the alg of another curve", ec, "fit", map[string]any{"alg": "ES512"})
	add("a curve of no algorithm", ec, "crv", map[string]any{"crv": "secp256k1"})
	add("another curve", ec, "point", map[string]any{"crv": "P-384", "alg": "ES384"})
	add("a point off the curve", ec, "point", map[string]any{"y": base64.RawURLEncoding.EncodeToString(y)})
	add("the point at infinity", ec, "point", map[string]any{"x": "AA", "y": "AA"})
	add("a point beyond", ec, "point", map[string]any{"x": strings.Repeat("_", 60)})
	add("no x", ec, "point", map[string]any{"x": nil})
	add("standard base64", ec, "base64url", map[string]any{"x": strings.Repeat("+", 42) + "A"})
	add("a line end", ec, "base64url", map[string]any{"x": "AA\r\nAA"})
	add("bits after the last byte", ed, "base64url", map[string]any{"x": strings.Repeat("A", 42) + "B"})
	add("no modulus", rs, "2048", map[string]any{"n": nil})
	add("a modulus that is no base64url", rs, "base64url", map[string]any{"n": "n!"})
	add("an exponent that is no base64url", rs, "base64url", map[string]any{"e": "=" + "A"})
	add("a modulus of 2047 bits", rs, "2048", map[string]any{"n": number(new(big.Int).SetBit(new(big.Int).Rsh(modulus, 1), 0, 1))})
	add("a modulus of 8193 bits", rs, "8192", map[string]any{"n": number(new(big.Int).SetBit(big.NewInt(1), 8192, 1))})
	add("an even modulus", rs, "even", map[string]any{"n": number(new(big.Int).SetBit(modulus, 0, 0))})
	for _, e := range []int64{0, 1, 2, 4, 65536} {
		add(fmt.Sprintf("exponent %d", e), rs, "odd and above 2", map[string]any{"e": number(big.NewInt(e))})
	}
	add("exponent 2^31+1", rs, "2^31-1", map[string]any{"e": number(big.NewInt(1<<31 + 1))})
	add("exponent 2^64+3", rs, "2^31-1", map[string]any{"e": number(new(big.Int).SetBit(big.NewInt(3), 64, 1))})
	add("an Ed448 key", ed, "crv", map[string]any{"crv": "Ed448"})
	add("an X25519 key", ed, "crv", map[string]any{"crv": "X25519"})
	add("31 bytes", ed, "32 bytes", map[string]any{"x": base64.RawURLEncoding.EncodeToString(make([]byte, 31))})
	add("a point of small order", ed, "small order", map[string]any{"x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))})
	return bad
}

func TestABadKeyIsLeftOutForItsReasonAndCostsNoOther(t *testing.T) {
	good := newKey(t, "good", "ES256")
	goodText, err := json.Marshal(member(t, good, nil))
	if err != nil {
		t.Fatal(err)
	}
	sig := sign(t, good)
	for name, bad := range badElements(t) {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{
				`{"keys":[` + bad.text + `,` + string(goodText) + `]}`,
				`{"keys":[` + string(goodText) + `,` + bad.text + `]}`,
			} {
				set := parse(t, []byte(text))
				if _, err := set.Verify(sig); err != nil {
					t.Errorf("the good key: %v", err)
				}
				if ids := set.IDs(); !slices.Equal(ids, []string{"good"}) {
					t.Errorf("keys %q are used", ids)
				}
				if dropped := set.Dropped(); len(dropped) != 1 || !strings.Contains(dropped[0].Why, bad.why) {
					t.Errorf("dropped %q, for another reason than %q", dropped, bad.why)
				}
			}
			_, err := jwks.Parse([]byte(`{"keys":[` + bad.text + `]}`))
			if err == nil || !strings.HasPrefix(err.Error(), "no usable key: 1 dropped: ") || !strings.Contains(err.Error(), bad.why) {
				t.Errorf("alone: %v", err)
			}
		})
	}
}

func TestAKeyThatIsOnlyOddlyWrittenIsUsed(t *testing.T) {
	ec, rs := newKey(t, "a", "ES256"), newKey(t, "a", "RS256")
	padded := func(key *issuer.Key, name string) map[string]any {
		octets, err := base64.RawURLEncoding.DecodeString(member(t, key, nil)[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{name: base64.URLEncoding.EncodeToString(append([]byte{0}, octets...))}
	}
	for name, c := range map[string]struct {
		key  *issuer.Key
		more map[string]any
	}{
		"without use, alg and key_ops":       {ec, map[string]any{"use": nil, "alg": nil}},
		"with empty use and alg":             {ec, map[string]any{"use": "", "alg": ""}},
		"with key_ops of verify and more":    {ec, map[string]any{"key_ops": []string{"somethingNew", "verify"}}},
		"with a certificate that is none":    {ec, map[string]any{"x5c": []string{"no certificate"}, "x5t": 7, "x5u": "http://nowhere.invalid"}},
		"with members of nobody's":           {ec, map[string]any{"issued": map[string]any{"by": []int{1}}}},
		"with zeros before its modulus":      {rs, padded(rs, "n")},
		"with zeros before its exponent":     {rs, padded(rs, "e")},
		"with zeros before its x":            {ec, padded(ec, "x")},
		"with an id of 256 bytes, as it was": {rs, map[string]any{"kid": strings.Repeat("k", 256)}},
	} {
		set := parse(t, document(t, member(t, c.key, c.more)))
		sig := sign(t, c.key)
		sig.KeyID = set.IDs()[0]
		if _, err := set.Verify(sig); err != nil || len(set.Dropped()) > 0 {
			t.Errorf("%s: %v, dropped %q", name, err, set.Dropped())
		}
	}
}

func TestMembersThatAreNullAreAbsent(t *testing.T) {
	key := newKey(t, "a", "ES256")
	jwk := member(t, key, nil)
	for _, name := range []string{"use", "alg", "key_ops", "d", "k", "n", "x5c"} {
		jwk[name] = nil
	}
	set := parse(t, document(t, jwk))
	if _, err := set.Verify(sign(t, key)); err != nil || len(set.Warnings()) > 0 {
		t.Errorf("%v, warned of %q", err, set.Warnings())
	}
}

func TestADocumentThatIsNoSetIsRefused(t *testing.T) {
	// GOOD stands for a list with a good key: it is the shape that counts against the document.
	good := strings.TrimSuffix(strings.TrimPrefix(string(document(t, member(t, newKey(t, "a", "ES256"), nil))), `{"keys":`), "}")
	const noSet, twice = "no JSON object with keys", "a name occurs twice in the JSON object"
	for name, c := range map[string]struct{ text, why string }{
		"nothing":               {``, noSet},
		"null":                  {`null`, noSet},
		"an empty object":       {`{}`, noSet},
		"a list":                {`GOOD`, noSet},
		"an error":              {`{"error":"temporarily_unavailable"}`, noSet},
		"an empty list of keys": {`{"keys":[]}`, "no usable key: the list is empty"},
		"keys that are null":    {`{"keys":null}`, noSet},
		"keys that are one":     {`{"keys":{}}`, noSet},
		"keys in capitals":      {`{"KEYS":GOOD}`, noSet},
		"keys twice":            {`{"keys":GOOD,"keys":GOOD}`, twice},
		"keys twice, escaped":   {`{"keys":GOOD,"k\u0065ys":GOOD}`, twice},
		"another name twice":    {`{"a":1,"keys":GOOD,"a":2}`, twice},
		"two objects":           {`{"keys":GOOD}{"keys":GOOD}`, noSet},
		"something after it":    {`{"keys":GOOD}x`, noSet},
		"half an object":        {`{"keys":GOOD`, noSet},
		"half a list":           {`{"keys":[{"kty":"RSA"}`, noSet},
		"half a key":            {`{"keys":[{"kty":"RSA"`, noSet},
		"a comma too many":      {`{"keys":GOOD,}`, noSet},
		"a name of no UTF-8":    {"{\"\xff\":1,\"keys\":GOOD}", noSet},
		"a name of half a rune": {`{"\ud800":1,"keys":GOOD}`, noSet},
		"a byte order mark":     {"\ufeff{\"keys\":GOOD}", noSet},
		"HTML":                  {`<html><body>Bad Gateway</body></html>`, noSet},
		"deep nesting":          {strings.Repeat(`{"keys":[`, 20000), noSet},
	} {
		set, err := jwks.Parse([]byte(strings.ReplaceAll(c.text, "GOOD", good)))
		if set != nil || err == nil || err.Error() != c.why {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFaultsBesideTheKeysCostNothing(t *testing.T) {
	key := newKey(t, "a", "ES256")
	list := strings.TrimSuffix(string(document(t, member(t, key, nil))), "}")
	for name, more := range map[string]string{
		"a name twice within another member":  `,"note":{"a":1,"a":2}}`,
		"bytes of no UTF-8 in another member": ",\"note\":\"\xff\"}",
		"Keys in another case":                `,"Keys":[]}`,
		"white space":                         " \r\n\t } \n",
	} {
		set := parse(t, []byte(list+more))
		if _, err := set.Verify(sign(t, key)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSecondKeyOfOneKindWithTheSameIDIsLeftOut(t *testing.T) {
	first, second, nameless, another := newKey(t, "a", "ES256"), newKey(t, "a", "ES256"), newKey(t, "", "ES256"), newKey(t, "", "ES256")
	set := setOf(t, first, second, nameless, another)
	if ids := set.IDs(); !slices.Equal(ids, []string{"a", "", ""}) || len(set.Dropped()) != 1 || set.Dropped()[0].ID != "a" {
		t.Errorf("keys %q, dropped %q", ids, set.Dropped())
	}
	if _, err := set.Verify(sign(t, first)); err != nil {
		t.Errorf("the first: %v", err)
	}
	if _, err := set.Verify(sign(t, second)); !errors.Is(err, jwks.ErrSignature) {
		t.Errorf("the second: %v", err)
	}
}

func TestNoMoreThan64KeysAreUsedAnd1024LookedAt(t *testing.T) {
	var many []any
	jwk := member(t, newKey(t, "a", "ES256"), nil)
	for i := range 70 {
		one := map[string]any{"kid": fmt.Sprint(i)}
		for _, name := range []string{"kty", "crv", "x", "y"} {
			one[name] = jwk[name]
		}
		many = append(many, one)
	}
	set := parse(t, document(t, many...))
	if len(set.IDs()) != 64 || len(set.Dropped()) != 6 {
		t.Errorf("%d keys, %d dropped", len(set.IDs()), len(set.Dropped()))
	}
	junk := make([]any, 1024)
	_, err := jwks.Parse(document(t, append(junk, many...)...))
	if err == nil || !strings.HasPrefix(err.Error(), "no usable key: 1094 dropped: ") || len(err.Error()) > 300 {
		t.Errorf("keys after 1024 others: %v", err)
	}
	if set := parse(t, document(t, append(junk[:1023], many...)...)); len(set.IDs()) != 1 || len(set.Dropped()) != 64 {
		t.Errorf("the last of 1024: %d keys, %d reasons", len(set.IDs()), len(set.Dropped()))
	}
}

func TestAPublishedPrivateKeyIsUsedByItsPublicHalfAndReported(t *testing.T) {
	const canary = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE"
	key := newKey(t, "a", "ES256")
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		set := parse(t, document(t, member(t, key, map[string]any{name: canary})))
		if _, err := set.Verify(sign(t, key)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if warnings := set.Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], `"a"`) {
			t.Errorf("%s: warned of %q", name, warnings)
		}
		if strings.Contains(fmt.Sprintf("%+v", set), canary) {
			t.Errorf("%s: the private half is kept", name)
		}
	}
}

func TestWhatIsShownOfAKeyIDIsShortAndPrintable(t *testing.T) {
	id := strings.Repeat("é", 60) + "\x1b[31m\n\u202e"
	_, err := jwks.Parse(document(t, map[string]any{"kty": "oct", "kid": id, "k": "c2VjcmV0LWNhbmFyeQ"}))
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n\u202e") || strings.Contains(err.Error(), "c2VjcmV0") ||
		!strings.Contains(err.Error(), `"`+strings.Repeat("é", 32)+`"`) {
		t.Errorf("%v", err)
	}
	set := parse(t, document(t, member(t, newKey(t, "a", "ES256"), nil), map[string]any{"kty": "oct", "kid": "a\x00\x1b\n"}))
	if id := set.Dropped()[0].ID; id != "a???" {
		t.Errorf("shown as %q", id)
	}
}

func TestSetsAreEqualWhenTheirKeysAre(t *testing.T) {
	a, b := newKey(t, "a", "ES256"), newKey(t, "b", "RS256")
	one := setOf(t, a, b)
	modulus := member(t, b, nil)["n"].(string)
	for name, c := range map[string]struct {
		set  *jwks.Set
		want bool
	}{
		"the same":                    {setOf(t, a, b), true},
		"written in another way":      {parse(t, document(t, member(t, a, map[string]any{"use": nil}), member(t, b, map[string]any{"n": modulus + "==", "x5t": "x"}))), true},
		"with another that is no key": {parse(t, document(t, 7, member(t, a, nil), member(t, b, nil))), true},
		"in another order":            {setOf(t, b, a), false},
		"one less":                    {setOf(t, a), false},
		"one more":                    {setOf(t, a, b, newKey(t, "c", "EdDSA")), false},
		"another key":                 {setOf(t, a, newKey(t, "b", "RS256")), false},
		"another id":                  {parse(t, document(t, member(t, a, nil), member(t, b, map[string]any{"kid": "c"}))), false},
		"without alg":                 {parse(t, document(t, member(t, a, nil), member(t, b, map[string]any{"alg": nil}))), false},
		"none":                        {nil, false},
	} {
		if jwks.Equal(one, c.set) != c.want || jwks.Equal(c.set, one) != c.want {
			t.Errorf("%s: want %v", name, c.want)
		}
	}
}

func TestKeysOfTheBrokenGeneratorAreTold(t *testing.T) {
	product := big.NewInt(1)
	for p := int64(2); p <= 701; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	prime := func() *big.Int { // the generator's form; that it is prime does not matter here
		k, err := rand.Int(rand.Reader, big.NewInt(math.MaxInt64))
		if err != nil {
			t.Fatal(err)
		}
		p := new(big.Int).Exp(big.NewInt(65537), k, product)
		return p.Add(p, new(big.Int).Mul(product, k))
	}
	for range 20 {
		if n := new(big.Int).Mul(prime(), prime()); !jwks.FromBrokenGenerator(n) {
			t.Errorf("%d bits: not told", n.BitLen())
		} else if n.Add(n, big.NewInt(2)); jwks.FromBrokenGenerator(n) {
			t.Error("its neighbour is taken for one")
		}
	}
	for range 200 {
		if jwks.FromBrokenGenerator(longModulus(t)) {
			t.Error("a random number is taken for one")
		}
	}
}

func TestPointsOfSmallOrderAreNoKeys(t *testing.T) {
	// All encodings of the eight points, by y; the last two are not the shortest form.
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		public, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if jwks.CheckEd25519(public) == nil {
				t.Errorf("%x is taken", public)
			}
			public[31] ^= 0x80 // the other sign of x
		}
	}
	off := make([]byte, 32)
	off[0] = 2 // y = 2 has no x
	if jwks.CheckEd25519(off) == nil {
		t.Error("what is no point is taken")
	}
}
