package jwks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math"
	"math/big"
	"testing"

	"nexus/gateway/identity/jwks"
)

// BenchmarkVerify tells what a token costs that was not seen before.
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range allAlgorithms {
		b.Run(algorithm, func(b *testing.B) {
			key := newKey(b, "a", algorithm)
			set, sig := setOf(b, key), sign(b, key)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Verify(sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyWorst tells what the costliest token can cost that anybody may send: without a key id, against eight keys
// of the longest modulus and the largest exponent that the filter lets through.
func BenchmarkVerifyWorst(b *testing.B) {
	var elements []any
	value := make([]byte, 1024)
	for range 8 {
		elements = append(elements, rsaJWK(&rsa.PublicKey{N: longModulus(b), E: math.MaxInt32}))
	}
	value[1] = 1
	set := parse(b, document(b, elements...))
	sig := jwks.Signature{Algorithm: "RS256", Signed: signed, Value: value}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Verify(sig); !errors.Is(err, jwks.ErrSignature) {
			b.Fatal(err)
		}
	}
}

// longModulus is an odd number of 8192 bits.
func longModulus(t testing.TB) *big.Int {
	t.Helper()
	octets := make([]byte, 1024)
	if _, err := rand.Read(octets); err != nil {
		t.Fatal(err)
	}
	octets[0] |= 0x80
	octets[1023] |= 1
	return new(big.Int).SetBytes(octets)
}

// BenchmarkUnknownKey tells what a made-up key id costs.
func BenchmarkUnknownKey(b *testing.B) {
	key := newKey(b, "a", "RS256")
	set, sig := setOf(b, key), sign(b, key)
	sig.KeyID = "made up"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Verify(sig); !errors.Is(err, jwks.ErrUnknownKey) {
			b.Fatal(err)
		}
	}
}

// BenchmarkMissed tells what asking for an unknown key costs while many do.
func BenchmarkMissed(b *testing.B) {
	var told lines
	set := setOf(b, newKey(b, "a", "ES256"))
	keys, end := jwks.OpenWith(jwks.Settings{}, told.logger(), gives(set))
	defer end()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			keys.Missed()
		}
	})
}
