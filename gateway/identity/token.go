package identity

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nexus/gateway/trace"
)

const (
	maxKeyID = 256 // bytes of a kid that is looked for
	maxShown = 64  // bytes of an alg or a kid that a trace keeps
)

// token is a JWT in the compact form (RFC 7515, section 7.1), of which only the header has been read.
type token struct {
	signed    string // header and payload as they came, with the dot between
	payload   []byte // decoded from base64url, and not looked at any further
	signature []byte
	algorithm string // the header's alg
	keyID     string // the header's kid; empty: it has none
}

// encoding is base64url without padding. Bits that no byte needs must be 0, so that a signature has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// decode undoes base64url. The library skips line breaks; here nothing is skipped.
func decode(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	decoded, err := encoding.DecodeString(part)
	return decoded, err == nil
}

// parseToken takes a token apart, and reads its header. What is wrong comes as a verdict.
func parseToken(compact string) (token, *verdict) {
	if dots := strings.Count(compact, "."); dots != 2 {
		return token{}, badToken("it has " + parts(dots+1) + ", not 3")
	}
	last := strings.LastIndexByte(compact, '.')
	t := token{signed: compact[:last]}
	first, second, _ := strings.Cut(t.signed, ".")
	header, ok := decode(first)
	if !ok {
		return token{}, badToken("its header is not base64url without padding")
	}
	if t.payload, ok = decode(second); !ok {
		return token{}, badToken("its payload is not base64url without padding")
	}
	if t.signature, ok = decode(compact[last+1:]); !ok {
		return token{}, badToken("its signature is not base64url without padding")
	}
	return t, t.readHeader(header)
}

func parts(n int) string {
	if n == 1 {
		return "1 part"
	}
	return strconv.Itoa(n) + " parts"
}

// readHeader reads what the header says of the signature. Members that say where a key is found or bring one along
// (jku, jwk, x5u, x5c) are never looked at: the issuer's set alone says which keys count.
func (t *token) readHeader(document []byte) *verdict {
	header, err := parseObject(document)
	if err != nil {
		return badToken("its header " + err.Error())
	}
	algorithm := header.member("alg")
	switch {
	case algorithm == nil:
		return badToken(`its header has no "alg"`)
	case algorithm.kind != text:
		return badToken(`its header's "alg" is ` + kindWords[algorithm.kind] + ", not a text")
	}
	// A critical extension must be understood or the token refused (RFC 7515, section 4.1.11), and b64 changes what is
	// signed (RFC 7797): none is known here.
	for _, name := range [...]string{"crit", "b64"} {
		if header.member(name) != nil {
			return badHeader(`its header has "` + name + `", which asks for an extension that nobody here knows`)
		}
	}
	if wrong := examineType(header.member("typ")); wrong != "" {
		return badHeader(wrong)
	}
	if id := header.member("kid"); id != nil {
		if id.kind != text {
			return badHeader(`its header's "kid" is ` + kindWords[id.kind] + ", not a text")
		}
		t.keyID = id.text
	}
	t.algorithm = algorithm.text
	return nil
}

// otherKinds are kinds of JWT that are signed with the same keys as an access token and are none.
var otherKinds = map[string]string{
	"id+jwt":                  "an ID token",
	"id_token+jwt":            "an ID token",
	"id-token+jwt":            "an ID token",
	"logout+jwt":              "a logout token",
	"dpop+jwt":                "a DPoP proof",
	"secevent+jwt":            "a security event",
	"token-introspection+jwt": "an answer of an introspection",
}

// examineType tells what is wrong with a token's typ (RFC 7515, section 4.1.9; RFC 9068), or nothing.
func examineType(typ *node) string {
	const accepted = "only JWT and at+jwt are accepted"
	if typ == nil {
		return ""
	}
	if typ.kind != text {
		return `its header's "typ" is ` + kindWords[typ.kind] + ", not a text"
	}
	name := strings.TrimPrefix(strings.ToLower(typ.text), "application/")
	if name == "jwt" || name == "at+jwt" {
		return ""
	}
	if what, known := otherKinds[name]; known {
		return `its header's "typ" says that it is ` + what + "; " + accepted
	}
	return `its header's "typ" is of another kind; ` + accepted
}

// shown is what a trace may keep of an alg or a kid: a caller has written it.
func shown(s string) string {
	return cut(strings.Map(printable, s), maxShown)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// cut is the beginning of a text, at most that many bytes, and whole characters. What is cut off goes from memory too.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.Clone(s[:most])
}

func badToken(detail string) *verdict {
	return refused(notAToken, trace.Step{Finding: trace.BadToken, Detail: detail})
}

func badHeader(detail string) *verdict {
	return refused(badHeaderRefusal, trace.Step{Finding: trace.BadHeader, Detail: detail})
}
