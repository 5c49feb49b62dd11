package jwks

import (
	"crypto/rsa"

	"github.com/golang-jwt/jwt/v5"
)

// family is what a key is, as far as an algorithm must know: its type, with its curve where it has one. An algorithm
// belongs to exactly one, so that a signature is never held against a key of another curve.
type family uint8

const (
	familyRSA family = iota
	familyP256
	familyP384
	familyP521
	familyEd25519
	families // how many there are
)

// algorithm is one way to sign that is accepted.
type algorithm struct {
	family family
	method jwt.SigningMethod
}

// algorithms are all that are accepted, by their names in RFC 7518, section 3.1, and RFC 8037. A symmetric one is not
// among them and must never be: its key would be a public one.
var algorithms = map[string]algorithm{
	"RS256": {familyRSA, jwt.SigningMethodRS256},
	"RS384": {familyRSA, jwt.SigningMethodRS384},
	"RS512": {familyRSA, jwt.SigningMethodRS512},
	"PS256": {familyRSA, strictPSS(jwt.SigningMethodPS256)},
	"PS384": {familyRSA, strictPSS(jwt.SigningMethodPS384)},
	"PS512": {familyRSA, strictPSS(jwt.SigningMethodPS512)},
	"ES256": {familyP256, jwt.SigningMethodES256},
	"ES384": {familyP384, jwt.SigningMethodES384},
	"ES512": {familyP521, jwt.SigningMethodES512},
	"EdDSA": {familyEd25519, jwt.SigningMethodEdDSA},
}

// strictPSS is a copy of a method that takes a salt of the hash's length alone, as RFC 7518, section 3.5 demands. The
// library's own takes any length; it is left as it is, because others may use it.
func strictPSS(method *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: method.SigningMethodRSA,
		Options:          method.Options,
		VerifyOptions:    &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
	}
}

// Supports reports whether tokens can be verified that are signed with this algorithm. Its name is compared exactly.
func Supports(algorithm string) bool {
	_, ok := algorithms[algorithm]
	return ok
}
