package issuer

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Grant is what a token says of its holder.
type Grant struct {
	Issuer   string // iss
	Audience string // aud
	Subject  string // sub
	// Group is the value of the claim that GroupClaim names. Empty: the token has no such claim.
	Group string
	// GroupClaim is the name of a claim, or names with dots between them for claims inside of one another: "user.plan".
	// A name with "://" is one name, dots and all.
	GroupClaim string
	IssuedAt   time.Time // iat
	ExpiresAt  time.Time // exp
}

// registered are the claims that a Grant sets by itself.
var registered = []string{"iss", "aud", "sub", "iat", "exp", "jti"}

// Claims are those of the token, with a jti of its own. The error says that the group has no place.
func (g Grant) Claims() (map[string]any, error) {
	claims := map[string]any{
		"iss": g.Issuer, "aud": g.Audience, "sub": g.Subject,
		"iat": g.IssuedAt.Unix(), "exp": g.ExpiresAt.Unix(), "jti": rand.Text(),
	}
	if g.Group == "" {
		return claims, nil
	}
	path := strings.Split(g.GroupClaim, ".")
	if strings.Contains(g.GroupClaim, "://") {
		path = []string{g.GroupClaim}
	}
	if slices.Contains(path, "") {
		return nil, fmt.Errorf("claim %q has an empty name in it", g.GroupClaim)
	}
	if slices.Contains(registered, path[0]) {
		return nil, fmt.Errorf("claim %q has a meaning of its own, and cannot hold a group", path[0])
	}
	value := any(g.Group)
	for _, name := range slices.Backward(path[1:]) {
		value = map[string]any{name: value}
	}
	claims[path[0]] = value
	return claims, nil
}
