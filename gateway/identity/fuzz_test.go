package identity_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/gateway/identity"
	"nexus/gateway/trace"
)

// FuzzAuthenticate: whatever the header says, nothing panics, and nothing is accepted but what is byte for byte one of
// the good tokens behind the scheme. A piece of a good token is exchanged for any bytes; with which beyond the list, the
// bytes are the whole header. (The law would allow one more: an ECDSA signature has a twin that says the same, which
// nobody finds by chance.)
func FuzzAuthenticate(f *testing.F) {
	tokens := goodTokens()
	known := make(map[string]bool)
	for _, value := range tokens {
		known[value[strings.LastIndexByte(value, ' ')+1:]] = true
	}
	f.Add(uint8(0), uint16(0), uint16(0), "")
	f.Add(uint8(7), uint16(30), uint16(1), "A")
	f.Add(uint8(31), uint16(9), uint16(2000), "..")
	f.Add(uint8(255), uint16(0), uint16(0), "Bearer a.b.c")
	f.Add(uint8(255), uint16(0), uint16(0), "Bearer "+encode(`{"alg":"ES256"}`)+"."+encode(`{"exp":4102444800}`)+".")
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, which uint8, at, length uint16, bytes string) {
		value := bytes
		if int(which) < len(tokens) {
			from := tokens[which]
			start := min(int(at), len(from))
			value = from[:start] + bytes + from[min(start+int(length), len(from)):]
		}
		var tr trace.Trace
		claims, err := v.Authenticate(http.Header{"Authorization": {value}}, noon, &tr)
		scheme, token, _ := strings.Cut(strings.Trim(value, " \t"), " ")
		if isGood := strings.EqualFold(scheme, "bearer") && known[strings.TrimLeft(token, " ")]; isGood != (err == nil) || isGood != (claims != nil) {
			t.Fatalf("%q: %v", value, err)
		}
		var refusal *identity.Refusal
		if err != nil && (!errors.As(err, &refusal) || refusal.Fault == identity.NoFault || refusal.Reason == "") {
			t.Fatalf("%q: %v", value, err)
		}
		_ = tr.Steps()[0].Sentence()
	})
}

// FuzzSignedPayload: what the issuer signs may say anything. What is accepted is what encoding/json reads in the same
// way, with an issuer, an audience and a time that has not come.
func FuzzSignedPayload(f *testing.F) {
	f.Add(payload(nil))
	f.Add(`{"iss":"https://auth.example.com","aud":["nexus-api"],"exp":4.1e9,"nbf":0.5}`)
	f.Add(`{"iss":"https://auth.example.com","aud":"nexus-api","exp":1795435141}`)
	f.Add(`{"exp":1e400}`)
	f.Add(`{"a":{"a":1,"a":2}}`)
	f.Fuzz(func(t *testing.T, document string) {
		if len(document) > 8<<10 {
			return
		}
		v := newVerifierOf(rules, edSet(t))
		var tr trace.Trace
		if _, err := v.Authenticate(bearing(sign("EdDSA", header("EdDSA", ""), document)), noon, &tr); err != nil {
			return
		}
		var says map[string]any // not a struct, whose names match in any case
		d := json.NewDecoder(strings.NewReader(document))
		d.UseNumber() // a claim that is no date may be any number
		if err := d.Decode(&says); err != nil {
			t.Fatalf("%q is accepted, and encoding/json says %v", document, err)
		}
		audiences, _ := says["aud"].([]any)
		found := says["aud"] == audience
		for _, a := range audiences {
			found = found || a == audience
		}
		date := func(name string) float64 {
			number, _ := says[name].(json.Number)
			at, _ := number.Float64()
			return at
		}
		exp, nbf, iat := date("exp"), date("nbf"), date("iat")
		latest := float64(noon.Add(time.Minute).Unix())
		if says["iss"] != issuerURL || !found || exp < float64(noon.Add(-time.Minute).Unix()) || nbf > latest || iat > latest {
			t.Fatalf("%q is accepted: %v", document, says)
		}
	})
}
