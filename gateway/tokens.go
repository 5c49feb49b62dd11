package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/shared"
	"nexus/gateway/trace"
)

// tokenSettings are what shapes a verifier with its memory of verified tokens: generations with equal ones share it. The
// key set is shared by less, so that an edit of what is expected of a token does not fetch the keys again.
type tokenSettings struct {
	keys  jwks.Settings
	rules identity.Rules
}

// compileTokens gives the settings that the configuration asks for; nil where no token is asked for.
func compileTokens(cfg *config.Config) *tokenSettings {
	oauth := &cfg.Server.OAuth
	if !oauth.Enabled {
		return nil
	}
	rules := identity.RulesOf(oauth)
	rules.ShownIssuer, _ = cfg.Shown("server.oauth.expected_issuer").(string)
	rules.ShownAudience, _ = cfg.Shown("server.oauth.expected_audience").(string)
	return &tokenSettings{
		keys:  jwks.Settings{URL: string(oauth.URL), Poll: oauth.PollInterval.Duration(), MaxStale: oauth.MaxStale.Duration()},
		rules: rules,
	}
}

// borrowTokens gives a snapshot its verifier, if tokens are asked for. Keys are fetched behind the scenes: an issuer that
// does not answer keeps no snapshot from opening.
func (s *Snapshot) borrowTokens(pool *shared.Pool) {
	if s.tokens == nil {
		return
	}
	keys, giveBackKeys := shared.Borrow(pool, s.tokens.keys, func(settings jwks.Settings) (*jwks.Keys, func()) {
		return jwks.OpenFrom(s.gateway.keysOf(settings.URL), settings, s.gateway.logger)
	})
	s.shares = append(s.shares, giveBackKeys)
	verifier, giveBack := shared.Borrow(pool, *s.tokens, func(settings tokenSettings) (*identity.Verifier, func()) {
		return identity.NewVerifier(settings.rules, keys), nil
	})
	s.shares = append(s.shares, giveBack)
	s.keys, s.verifier = keys, verifier
}

// keysOf are the keys that the running generation has from a place; nil: it has none from there. An edit of how often they
// are fetched, or of how long they serve, must not throw them away: the issuer may be out just then.
func (g *Gateway) keysOf(url string) *jwks.Keys {
	running := g.live.current.Load() // only a reload stores it, and this is one
	if running == nil || running.tokens == nil || running.tokens.keys.URL != url {
		return nil
	}
	return running.keys
}

// hasKeys is whether tokens can be verified, or could be once: until then nobody can be served.
func (s *Snapshot) hasKeys() bool {
	if s.keys == nil {
		return true
	}
	select {
	case <-s.keys.Loaded():
		return true
	default:
		return false
	}
}

// keysProblem says that the key set is not as fresh as it should be, and what that means; empty: it is.
func (s *Snapshot) keysProblem(now time.Time) string {
	if s.keys == nil {
		return ""
	}
	status := s.keys.Status()
	switch {
	case status.FetchedAt.IsZero() && status.Error != "":
		return fmt.Sprintf("no key set could be fetched yet: %s; until then every token is answered 503", status.Error)
	case status.FetchedAt.IsZero():
		return "the key set is being fetched"
	case s.keys.Current(now) == nil:
		return fmt.Sprintf("the last key set is of %s, older than max_stale%s; every token is answered 503",
			status.FetchedAt.UTC().Format(time.RFC3339), lastError(status))
	case status.Error != "" && status.ErrorAt.After(status.FetchedAt):
		return fmt.Sprintf("the key set could not be fetched again: %s; the one of %s serves on, until %s", status.Error,
			status.FetchedAt.UTC().Format(time.RFC3339), status.FetchedAt.Add(s.tokens.keys.MaxStale).UTC().Format(time.RFC3339))
	}
	return ""
}

// lastError is why the last fetch failed, if it did, behind something else.
func lastError(status jwks.Status) string {
	if status.Error == "" {
		return ""
	}
	return ": " + status.Error
}

// whoCalls takes the steps from the token to the group. Whoever explains a request that was never sent takes the same.
func (p *Plan) whoCalls(verifier *identity.Verifier, ev identity.Evidence, now time.Time, tr *trace.Trace) error {
	if verifier == nil {
		tr.Note(trace.Authentication, trace.Skipped, trace.NotConfigured)
	} else {
		claims, err := verifier.Authenticate(ev.Header, now, tr)
		if err != nil {
			return err
		}
		ev.Claims = claims
	}
	if err := p.clients.Admit(ev.Proof, now, tr); err != nil {
		return err
	}
	client, err := p.identifier.Identify(ev, tr)
	tr.ClientID, tr.Group = client.ID, client.Group
	return err
}

// challenge is what a 401 asks of the caller, by RFC 6750, section 3.
type challenge uint8

const (
	noChallenge    challenge = iota
	needsToken               // none was sent
	refusedToken             // one was sent, and is not accepted
	refusedExpired           // one was sent, and has expired
	challenges
)

// compileChallenges gives the values of WWW-Authenticate, with the place of the metadata (RFC 9728, section 5.1) where
// there is one.
func compileChallenges(p *config.ProtectedResource) (values [challenges][]string) {
	for c, params := range [...][]string{
		needsToken:     nil,
		refusedToken:   {`error="invalid_token"`},
		refusedExpired: {`error="invalid_token"`, `error_description="the token has expired"`},
	} {
		if url := p.MetadataURL(); url != "" {
			params = append(params, `resource_metadata="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(url)+`"`)
		}
		values[c] = []string{strings.TrimSpace("Bearer " + strings.Join(params, ", "))}
	}
	return values
}

// demand adds the challenge to an answer.
func (p *Plan) demand(h http.Header, c challenge) {
	if c == noChallenge {
		return
	}
	h["Www-Authenticate"] = p.challenges[c]
	h["Cache-Control"] = noStore
}

// noStore is shared by all answers; see jsonContent.
var noStore = []string{"no-store"}
