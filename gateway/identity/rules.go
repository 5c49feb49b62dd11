package identity

import (
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"nexus/config"
	"nexus/gateway/trace"
)

// Rules are what a token must be, beyond being signed. Verifiers with equal ones and equal keys may be shared.
type Rules struct {
	Issuer     string        // what the claim iss must be, exactly; empty: anything
	Audience   string        // what the claim aud must be, or hold; empty: anything
	Algorithms string        // with spaces between; empty: all asymmetric ones
	Skew       time.Duration // how far the issuer's clock and ours may be apart

	// ShownIssuer and ShownAudience are what a trace says of them; empty: nothing but that there are such.
	ShownIssuer, ShownAudience string
}

// RulesOf are the rules that the configuration sets.
func RulesOf(cfg *config.OAuth) Rules {
	var names []string
	for _, a := range cfg.Algorithms {
		names = append(names, string(a))
	}
	if len(names) == 0 {
		names = config.Algorithms()
	}
	return Rules{
		Issuer:     cfg.ExpectedIssuer,
		Audience:   cfg.ExpectedAudience,
		Algorithms: strings.Join(names, " "),
		Skew:       time.Duration(cfg.ClockSkew),
	}
}

// accepted are the algorithms that a token may be signed with.
func (r *Rules) accepted() []string {
	if names := strings.Fields(r.Algorithms); len(names) > 0 {
		return names
	}
	return config.Algorithms()
}

// registered are the claims that rules are about, in the types that the library asks for. The library's own MapClaims
// are of no use here: they take an exp of 0 for none. Nor is its parser: it reads the payload before anybody has held
// the signature against a key, while here the payload of a forgery is never read.
type registered struct {
	exp, nbf, iat *jwt.NumericDate // nil: the token has none
	issuer        string           // empty: it has none
	audience      jwt.ClaimStrings
}

func (r *registered) GetExpirationTime() (*jwt.NumericDate, error) { return r.exp, nil }
func (r *registered) GetNotBefore() (*jwt.NumericDate, error)      { return r.nbf, nil }
func (r *registered) GetIssuedAt() (*jwt.NumericDate, error)       { return r.iat, nil }
func (r *registered) GetIssuer() (string, error)                   { return r.issuer, nil }
func (r *registered) GetAudience() (jwt.ClaimStrings, error)       { return r.audience, nil }
func (r *registered) GetSubject() (string, error)                  { return "", nil }

// register reads those claims. What is there must be of the right type; what is wrong is told without its value.
func register(claims *node) (r *registered, wrong string) {
	r = &registered{}
	for _, date := range [...]struct {
		name string
		to   **jwt.NumericDate
	}{{"exp", &r.exp}, {"nbf", &r.nbf}, {"iat", &r.iat}} {
		n := claims.member(date.name)
		if n == nil {
			continue
		}
		if n.kind != number {
			return nil, `the claim "` + date.name + `" is ` + kindWords[n.kind] + ", not a number"
		}
		at, ok := instant(n.text)
		if !ok {
			return nil, `the claim "` + date.name + `" is no date of the years up to 9999`
		}
		*date.to = &jwt.NumericDate{Time: at}
	}
	if r.exp == nil {
		return nil, `the token has no claim "exp"`
	}
	if n := claims.member("iss"); n != nil {
		if n.kind != text {
			return nil, `the claim "iss" is ` + kindWords[n.kind] + ", not a text"
		}
		r.issuer = n.text
	}
	return r, r.readAudience(claims.member("aud"))
}

// readAudience reads the claim aud: a text, or a list of them (RFC 7519, section 4.1.3).
func (r *registered) readAudience(n *node) (wrong string) {
	switch {
	case n == nil:
		return ""
	case n.kind == text:
		r.audience = jwt.ClaimStrings{n.text}
		return ""
	case n.kind != list:
		return `the claim "aud" is ` + kindWords[n.kind] + ", not a text or a list of texts"
	}
	for i := range n.nodes {
		if n.nodes[i].kind != text {
			return `the claim "aud" is a list that holds ` + kindWords[n.nodes[i].kind] + ", not texts alone"
		}
		r.audience = append(r.audience, n.nodes[i].text)
	}
	return ""
}

// check holds the claims of a token whose signature holds against the rules: their types first, then what they say. It
// gives the moment from which on the token has expired. Of several faults the first counts, in the order of the cases.
func (r *Rules) check(claims *node, now time.Time) (expires time.Time, v *verdict) {
	c, wrong := register(claims)
	if wrong != "" {
		return time.Time{}, refused(claimsInvalid, trace.Step{Finding: trace.BadClaims, Detail: wrong})
	}
	err := r.validator(now).Validate(c)
	switch {
	case err == nil:
		return c.exp.Add(r.Skew), nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return time.Time{}, refused(hasExpired, trace.Step{Finding: trace.Expired, At: c.exp.Time, Detail: apart(now, c.exp.Time)})
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return time.Time{}, refused(notYetValid, trace.Step{Finding: trace.TooEarly, Key: "nbf", At: c.nbf.Time, Detail: apart(c.nbf.Time, now)})
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return time.Time{}, refused(notYetValid, trace.Step{Finding: trace.TooEarly, Key: "iat", At: c.iat.Time, Detail: apart(c.iat.Time, now)})
	case r.Issuer != "" && c.issuer != r.Issuer:
		return time.Time{}, refused(otherIssuer, trace.Step{Finding: trace.OtherIssuer, Key: r.ShownIssuer, Detail: r.missIssuer(c)})
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return time.Time{}, refused(otherAudience, trace.Step{Finding: trace.OtherAudience, Key: r.ShownAudience, Detail: r.missAudience(c)})
	}
	return time.Time{}, refused(claimsInvalid, trace.Step{Finding: trace.BadClaims, Detail: "its claims are not accepted"})
}

// apart is how far a moment is after another one, in words.
func apart(later, sooner time.Time) string { return later.Sub(sooner).Round(time.Second).String() }

// validator makes the library's check of claims. An empty issuer or audience would switch its check off without a word,
// so it is never passed on.
func (r *Rules) validator(now time.Time) *jwt.Validator {
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(r.Skew),
		jwt.WithTimeFunc(func() time.Time { return now }),
	}
	if r.Issuer != "" {
		options = append(options, jwt.WithIssuer(r.Issuer))
	}
	if r.Audience != "" {
		options = append(options, jwt.WithAudience(r.Audience))
	}
	return jwt.NewValidator(options...)
}

func (r *Rules) missIssuer(c *registered) string {
	if c.issuer == "" {
		return "the token has no iss"
	}
	return nearMiss(c.issuer, r.Issuer)
}

func (r *Rules) missAudience(c *registered) string {
	said := ""
	for _, audience := range c.audience {
		if miss := nearMiss(audience, r.Audience); miss != "" {
			return miss
		}
		said += audience
	}
	if said == "" {
		return "the token has no aud"
	}
	return ""
}

// nearMiss tells in what little way a text differs from the expected one, without repeating it; empty: in a great one.
func nearMiss(got, want string) string {
	plain := func(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), "/") }
	scheme := func(s string) string {
		if rest, ok := strings.CutPrefix(s, "http://"); ok {
			return "https://" + rest
		}
		return s
	}
	switch {
	case got == "":
		return ""
	case strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/"):
		return "it differs only in a slash at its end"
	case strings.EqualFold(got, want):
		return "it differs only in upper and lower case"
	case scheme(got) == scheme(want):
		return "it differs only in http and https"
	case strings.TrimSpace(got) == strings.TrimSpace(want):
		return "it differs only in white space around it"
	case strings.EqualFold(scheme(plain(got)), scheme(plain(want))):
		return "it differs only a little: in case, in a slash or space at its end, or in http and https"
	}
	return ""
}
