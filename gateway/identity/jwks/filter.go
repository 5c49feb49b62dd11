package jwks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxID       = 256  // bytes of a key id
	minRSA      = 2048 // bits of a modulus; RFC 7518, section 3.3
	maxRSA      = 8192 // what is longer costs more to verify than any issuer needs
	maxExponent = math.MaxInt32
)

// element is one JSON Web Key (RFC 7517, section 4) as it was published. Certificates are not read: the key stands
// beside them, and a certificate that has expired must not cost it.
type element struct {
	Kty    string   `json:"kty"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Kid    string   `json:"kid"`
	Crv    string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	N      string   `json:"n"`
	E      string   `json:"e"`

	// Private halves (RFC 7518, section 6). That they are there is all that is ever known of them.
	D   present `json:"d"`
	P   present `json:"p"`
	Q   present `json:"q"`
	DP  present `json:"dp"`
	DQ  present `json:"dq"`
	QI  present `json:"qi"`
	Oth present `json:"oth"`
	K   present `json:"k"`
}

// present is true once its member was there with a value, whatever it was.
type present bool

// UnmarshalJSON keeps nothing of the value.
func (p *present) UnmarshalJSON(value []byte) error {
	*p = string(value) != "null"
	return nil
}

// private reports whether the issuer publishes what it must keep to itself.
func (e *element) private() bool {
	return bool(e.D || e.P || e.Q || e.DP || e.DQ || e.QI || e.Oth || e.K)
}

// key is a key that may verify tokens.
type key struct {
	jwk        jwkset.JWK
	id         string // empty: it has none
	alg        string // empty: any of its family
	family     family
	thumbprint [sha256.Size]byte // RFC 7638
}

// readElement reads one key strictly: names in their own case, none twice, each value of its kind. The error is why it
// cannot be read, without anything of it.
func readElement(raw jsontext.Value) (*element, error) {
	if raw.Kind() != '{' {
		return &element{}, errors.New("it is no JSON object")
	}
	var e element
	err := json.Unmarshal(raw, &e)
	var kind *json.SemanticError
	switch {
	case err == nil:
		return &e, nil
	case errors.Is(err, jsontext.ErrDuplicateName):
		err = errors.New("a name occurs twice in it")
	case errors.As(err, &kind):
		// The pointer names a member of ours, for values of others are not looked at.
		member, _, _ := strings.Cut(strings.TrimPrefix(string(kind.JSONPointer), "/"), "/")
		err = errors.New("its " + member + " is of the wrong kind")
	default:
		err = errors.New("it is no valid UTF-8")
	}
	return &e, err
}

// filter gives the key that an element holds, or says why it must not verify anything.
func filter(e *element) (*key, error) {
	switch {
	case len(e.Kid) > maxID:
		return nil, errors.New("its kid is longer than 256 bytes")
	case e.Kty == "oct":
		return nil, errors.New("it is a symmetric key")
	case e.Use != "" && e.Use != "sig":
		return nil, errors.New("its use is not sig")
	case e.KeyOps != nil && !slices.Contains(e.KeyOps, "verify"):
		return nil, errors.New("its key_ops do not have verify")
	case e.Alg != "" && !Supports(e.Alg):
		return nil, errors.New("its alg is none that is accepted")
	}
	k := &key{id: e.Kid, alg: e.Alg}
	public := jwkset.JWKMarshal{
		KTY: jwkset.KTY(e.Kty), ALG: jwkset.ALG(e.Alg), KID: e.Kid, USE: jwkset.USE(e.Use),
	}
	var err error
	switch e.Kty {
	case "RSA":
		k.family, err = familyRSA, readRSA(e, &public)
	case "EC":
		k.family, err = readEC(e, &public)
	case "OKP":
		k.family, err = familyEd25519, readOKP(e, &public)
	default:
		err = errors.New("its kty is none of RSA, EC and OKP")
	}
	if err != nil {
		return nil, err
	}
	if e.Alg != "" && algorithms[e.Alg].family != k.family {
		return nil, errors.New("its alg does not fit its type or curve")
	}
	k.thumbprint = thumbprint(&public)
	k.jwk, err = jwkset.NewJWKFromMarshal(public, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, errors.New("it is no valid key") // the library's words may hold what the issuer wrote
	}
	return k, nil
}

// readRSA checks an RSA key (RFC 7518, section 6.3.1) and writes it down in the shortest form.
func readRSA(e *element, public *jwkset.JWKMarshal) error {
	n, err := decode(e.N)
	if err != nil {
		return errors.New("its n is no base64url")
	}
	exponent, err := decode(e.E)
	if err != nil {
		return errors.New("its e is no base64url")
	}
	modulus, power := new(big.Int).SetBytes(n), new(big.Int).SetBytes(exponent)
	switch bits := modulus.BitLen(); {
	case bits < minRSA:
		return errors.New("its modulus has less than 2048 bits")
	case bits > maxRSA:
		return errors.New("its modulus has more than 8192 bits")
	case modulus.Bit(0) == 0:
		return errors.New("its modulus is even")
	case !power.IsInt64() || power.Int64() > maxExponent:
		return errors.New("its exponent is over 2^31-1")
	case power.Int64() <= 2 || power.Bit(0) == 0:
		// With exponent 1 a signature is its own message: anybody can write one.
		return errors.New("its exponent is not odd and above 2")
	case fromBrokenGenerator(modulus):
		return errors.New("its modulus is of the broken generator of CVE-2017-15361")
	}
	public.N, public.E = encode(modulus.Bytes()), encode(power.Bytes())
	return nil
}

// readEC checks a key of one of NIST's curves (RFC 7518, section 6.2.1) and writes it down in full length.
func readEC(e *element, public *jwkset.JWKMarshal) (family, error) {
	var family family
	var curve elliptic.Curve
	switch e.Crv {
	case "P-256":
		family, curve = familyP256, elliptic.P256()
	case "P-384":
		family, curve = familyP384, elliptic.P384()
	case "P-521":
		family, curve = familyP521, elliptic.P521()
	default:
		return 0, errors.New("its crv is none that is accepted")
	}
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4 // SEC 1, section 2.3.3: both coordinates follow
	for i, text := range []string{e.X, e.Y} {
		octets, err := decode(text)
		if err != nil {
			return 0, errors.New("its x or y is no base64url")
		}
		coordinate := new(big.Int).SetBytes(octets)
		if coordinate.BitLen() > 8*size {
			return 0, errors.New("it is no point of its curve")
		}
		coordinate.FillBytes(point[1+i*size : 1+(i+1)*size])
	}
	if _, err := ecdsa.ParseUncompressedPublicKey(curve, point); err != nil {
		return 0, errors.New("it is no point of its curve")
	}
	public.CRV, public.X, public.Y = jwkset.CRV(e.Crv), encode(point[1:1+size]), encode(point[1+size:])
	return family, nil
}

// readOKP checks an Ed25519 key (RFC 8037, section 2).
func readOKP(e *element, public *jwkset.JWKMarshal) error {
	if e.Crv != "Ed25519" {
		return errors.New("its crv is none that is accepted")
	}
	x, err := decode(e.X)
	if err != nil {
		return errors.New("its x is no base64url")
	}
	if err := checkEd25519(x); err != nil {
		return err
	}
	public.CRV, public.X = jwkset.CrvEd25519, encode(x)
	return nil
}

// decode reads base64url. Issuers are known to pad it and to write numbers with zeros before them; neither changes the
// key. Everything else is held to RFC 7515, section 2: the decoder alone would overlook line ends.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line end")
	}
	return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
}

func encode(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// thumbprint is the hash of RFC 7638, section 3: of what makes the key, in one form.
func thumbprint(public *jwkset.JWKMarshal) [sha256.Size]byte {
	var text string
	switch public.KTY {
	case jwkset.KtyRSA:
		text = `{"e":"` + public.E + `","kty":"RSA","n":"` + public.N + `"}`
	case jwkset.KtyEC:
		text = `{"crv":"` + string(public.CRV) + `","kty":"EC","x":"` + public.X + `","y":"` + public.Y + `"}`
	default:
		text = `{"crv":"` + string(public.CRV) + `","kty":"OKP","x":"` + public.X + `"}`
	}
	return sha256.Sum256([]byte(text))
}
