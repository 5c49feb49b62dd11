// Package jwks keeps the public keys that an issuer signs its tokens with. [Keys] fetches the issuer's JWK Set behind
// the scenes, bounded in time and size, and keeps the last good one; [Parse] takes each key by itself and leaves out
// what must not verify anything; [Set.Verify] is the one place where a signature is checked. What a fetch brings is
// taken when it comes; whoever cannot do without may be told when one has ended.
//
// The package must know nothing of claims, nor of what a caller is told.
package jwks
