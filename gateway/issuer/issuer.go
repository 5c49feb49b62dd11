// Package issuer is a token issuer for development and tests: it makes keys, signs tokens with them and publishes
// their public halves as a JWK Set (RFC 7517). Keys live in memory alone.
//
// It must never be what a production trusts.
package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// Key is a key pair with an id, for one algorithm.
type Key struct {
	ID        string // the JWK's kid; empty: it has none
	Algorithm string // the JWK's alg, RFC 7518: RS256, PS512, ES384, EdDSA, …
	private   crypto.Signer
	method    jwt.SigningMethod
}

// rsaBits is the size of new RSA keys: the smallest that is accepted, since tests make many.
const rsaBits = 2048

// NewKey makes a key pair. The error says that the algorithm is none of the asymmetric ones.
func NewKey(id, algorithm string) (*Key, error) {
	key := &Key{ID: id, Algorithm: algorithm, method: jwt.GetSigningMethod(algorithm)}
	var err error
	switch m := key.method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		key.private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case *jwt.SigningMethodECDSA:
		curves := map[int]elliptic.Curve{256: elliptic.P256(), 384: elliptic.P384(), 521: elliptic.P521()}
		key.private, err = ecdsa.GenerateKey(curves[m.CurveBits], rand.Reader)
	case *jwt.SigningMethodEd25519:
		_, key.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("make a key: %q is no asymmetric algorithm", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// Public is the public half.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// JWK is the public half as a JSON Web Key, its members for a test to change.
func (k *Key) JWK() (map[string]any, error) {
	jwk, err := jwkset.NewJWKFromKey(k.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(k.Algorithm), KID: k.ID, USE: jwkset.UseSig},
	})
	if err != nil {
		return nil, fmt.Errorf("write the key as a JWK: %w", err)
	}
	text, err := json.Marshal(jwk.Marshal())
	if err != nil {
		return nil, fmt.Errorf("write the key as a JWK: %w", err)
	}
	var members map[string]any
	err = json.Unmarshal(text, &members)
	return members, err
}

// Set is a JWK Set of the public halves.
func Set(keys ...*Key) ([]byte, error) {
	list := make([]map[string]any, 0, len(keys))
	for _, k := range keys {
		jwk, err := k.JWK()
		if err != nil {
			return nil, err
		}
		list = append(list, jwk)
	}
	return json.Marshal(map[string]any{"keys": list})
}

// Sign makes a token (RFC 7519) of the claims. The header has typ, alg and, where the key has an id, kid; a member of
// header takes its place, and nil takes it out.
func (k *Key) Sign(claims, header map[string]any) (string, error) {
	token := jwt.NewWithClaims(k.method, jwt.MapClaims(claims))
	if k.ID != "" {
		token.Header["kid"] = k.ID
	}
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == nil })
	return token.SignedString(k.private)
}

// SignBytes signs any text, for tokens that no library would make: header and payload are already encoded, with the
// dot between them. It gives the decoded signature.
func (k *Key) SignBytes(signed string) ([]byte, error) { return k.method.Sign(signed, k.private) }
