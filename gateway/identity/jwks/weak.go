package jwks

import (
	"crypto/ed25519"
	"errors"
	"math/big"
	"slices"
)

// lastFingerprint is the 126th prime. The generator of CVE-2017-15361 (known as ROCA) made the two primes of a key of 1984
// bits and more as powers of 65537 modulo the product of at least the first 126 primes, so its moduli are powers of
// 65537 modulo each of them. For another modulus that is so once in 2^167.
const lastFingerprint = 701

// fromBrokenGenerator reports whether an RSA modulus was made by that generator: such a key can be factored.
func fromBrokenGenerator(modulus *big.Int) bool {
	var rest big.Int
	for p := int64(3); p <= lastFingerprint; p += 2 {
		prime := big.NewInt(p)
		if !prime.ProbablyPrime(0) { // exact for numbers this small
			continue
		}
		if !isPower(rest.Mod(modulus, prime).Int64(), p) {
			return false
		}
	}
	return true
}

// isPower reports whether n is a power of 65537 modulo p.
func isPower(n, p int64) bool {
	power := int64(1)
	for range p { // the powers repeat before that
		if power == n {
			return true
		}
		power = power * 65537 % p
	}
	return false
}

// checkEd25519 says why 32 bytes are no key that may verify: no point of the curve (RFC 8032, section 5.1.3), or a point
// of small order, for which a signature can be made that holds for any text, without a private key.
//
// A point P has an order of at most 8 exactly where y = 0, y² = 1, or doubling it gives y = 0: -x² = y², which the
// curve's -x² + y² = 1 + dx²y² makes dy⁴ + 2y² = 1.
func checkEd25519(public []byte) error {
	if len(public) != ed25519.PublicKeySize {
		return errors.New("its x has not 32 bytes")
	}
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p) // d = -121665/121666
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)

	octets := slices.Clone(public)
	slices.Reverse(octets)
	octets[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(octets)
	if y.Cmp(p) >= 0 {
		return errors.New("it is no point of its curve")
	}
	yy := new(big.Int).Mul(y, y)
	yy.Mod(yy, p)
	numerator := new(big.Int).Sub(yy, one)
	denominator := new(big.Int).Mul(d, yy)
	denominator.Add(denominator, one).Mod(denominator, p)
	// x² = (y² - 1) / (dy² + 1) must be a square. With the fraction turned into a product it is one all the same.
	square := new(big.Int).Mul(numerator, denominator)
	if big.Jacobi(square.Mod(square, p), p) < 0 {
		return errors.New("it is no point of its curve")
	}
	doubled := new(big.Int).Mul(denominator, yy) // dy⁴ + y²
	doubled.Add(doubled, yy).Sub(doubled, one).Mod(doubled, p)
	if y.Sign() == 0 || numerator.Sign() == 0 || doubled.Sign() == 0 {
		return errors.New("it is a point of small order")
	}
	return nil
}
