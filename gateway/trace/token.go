package trace

import (
	"fmt"
	"time"
)

// authentication tells the step that verifies a token.
func (s *Step) authentication() string {
	switch s.Finding {
	case NotConfigured:
		return "no token is asked for"
	case Found:
		return fmt.Sprintf("the token's signature holds, by %s with %s; it is valid until %s", keyOf(s.Detail), s.Key, moment(s.At))
	case NoToken:
		return "looked for header \"Authorization\"; the request has none, or an empty one; the caller must send \"Bearer\" and a token of the issuer"
	case NoScheme:
		return "header \"Authorization\" does not say \"Bearer\" and a token; the caller must send just that"
	case Repeated:
		return "header \"Authorization\" occurs more than once, so it is not clear which one counts; the caller, or a proxy in between, must send it exactly once"
	case TooLong:
		return "header \"Authorization\" is longer than 16 KiB; the caller must send a smaller token: let the issuer put fewer claims into it"
	case BadToken:
		return fmt.Sprintf("header \"Authorization\" holds no JWT: %s; the caller must send the token as the issuer gave it", s.Detail)
	case BadHeader:
		return fmt.Sprintf("the token is not taken: %s; the caller must send an access token of the issuer", s.Detail)
	case NoKeys:
		if !s.At.IsZero() {
			return fmt.Sprintf("the last key set was fetched at %s, which is longer ago than server.oauth.max_stale allows%s; look whether server.oauth.url answers from here, and whether max_stale is well above server.oauth.poll_interval", moment(s.At), because(s.Detail))
		}
		return "there is no key set to verify tokens with" + because(s.Detail) + "; look whether server.oauth.url answers from here"
	case Expired:
		return fmt.Sprintf("the token's signature holds, but it expired at %s%s; the caller must get a new one from the issuer", moment(s.At), ago(s.Detail))
	case TooEarly:
		return fmt.Sprintf("claim %q says %s, which lies in the future%s; set the clocks of the issuer and of this machine right, or let server.oauth.clock_skew allow for more", s.Key, moment(s.At), ahead(s.Detail))
	}
	return s.mismatch()
}

// mismatch tells what about a token is not as the configuration has it.
func (s *Step) mismatch() string {
	switch s.Finding {
	case BadAlgorithm:
		return fmt.Sprintf("the token is signed with %q, which is none of the accepted %s; the issuer must sign with one of them, or server.oauth.algorithms must list it", s.Key, enumerate(s.Near)) + s.unlistable()
	case UnknownKey:
		return fmt.Sprintf("none of the issuer's keys is the token's, which is signed by %s with %s; the key set has %s; if the key is new, it is fetched within seconds; else the token is of another issuer, or server.oauth.url is the key set of another", keyOf(s.Detail), s.Key, keyIDs(s.Near))
	case OtherKey:
		return fmt.Sprintf("the issuer's %s is not for %s, with which the token is signed: somebody else made the token, or the key set names another type, curve or alg than the issuer signs with", keyOf(s.Detail), s.Key)
	case BadSignature:
		return fmt.Sprintf("the token's signature, by %s with %s, does not hold: the token was cut or changed on its way, or somebody else made it; the caller must send it as the issuer gave it; if no token holds, server.oauth.url is the key set of another issuer", keyOf(s.Detail), s.Key)
	case OtherIssuer:
		return "claim \"iss\" is not server.oauth.expected_issuer" + quoted(s.Key) + because(s.Detail) + "; the caller needs a token of that issuer, or the key must say what the issuer calls itself, letter by letter"
	case OtherAudience:
		return "claim \"aud\" does not have server.oauth.expected_audience" + quoted(s.Key) + because(s.Detail) + "; the caller needs a token for that audience, or the key must say what the issuer calls this gateway, letter by letter"
	}
	return fmt.Sprintf("the token's signature holds, but its claims are unusable: %s; the issuer must mend that", s.Detail)
}

// unlistable tells that no list of algorithms helps: what two sides can verify, either can forge.
func (s *Step) unlistable() string {
	if len(s.Key) == 5 && s.Key[:2] == "HS" || s.Key == "none" {
		return fmt.Sprintf(" (which %s never can)", s.Key)
	}
	return ""
}

// claim tells the steps that look for the client id and the group in a claim.
func (s *Step) claim(what, key string) string {
	switch s.Finding {
	case Found:
		return fmt.Sprintf("claim %q says %q", s.Key, s.Value)
	case TooLong:
		return fmt.Sprintf("claim %q is longer than 256 bytes; the issuer must put a shorter %s into it", s.Key, what)
	case Unprintable:
		return fmt.Sprintf("claim %q holds control characters; the issuer must put a %s of plain text into it", s.Key, what)
	case WrongKind:
		return fmt.Sprintf("claim %q is %s, which is no %s; let %s name another claim, or one inside of it with a dot between the names", s.Key, s.Detail, what, key)
	}
	found := "the token has no such claim"
	if s.Finding == Empty {
		found = "the claim is empty"
	}
	if s.Name == Group {
		return fmt.Sprintf("looked for claim %q; %s; %s", s.Key, found, s.claims()) + s.nearMiss() + "; the caller has no group, which is fine"
	}
	return fmt.Sprintf("looked for claim %q; %s; %s", s.Key, found, s.claims()) +
		s.advise(fmt.Sprintf("let %s name the claim that holds the %s, or let the issuer add it", key, what))
}

// claims tells which claims the token has instead.
func (s *Step) claims() string {
	if len(s.Near) == 0 {
		return "it has none"
	}
	return "it has " + enumerate(s.Near)
}

// nearMiss asks for what may have been meant.
func (s *Step) nearMiss() string {
	if s.Detail == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", s.Detail)
}

func keyOf(id string) string {
	if id == "" {
		return "a key without an id"
	}
	return fmt.Sprintf("key %q", id)
}

func keyIDs(ids []string) string {
	named := make([]string, len(ids))
	for i, id := range ids {
		named[i] = keyOf(id)
	}
	return enumerate(named)
}

// ago and ahead put a length of time into a sentence.
func ago(length string) string {
	if length == "" {
		return ""
	}
	return ", " + length + " ago"
}

func ahead(length string) string {
	if length == "" {
		return ""
	}
	return " by " + length
}

// quoted is a value behind its key, where it may be shown.
func quoted(value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(" %q", value)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// moment is a time as a sentence says it; what is not said is "never".
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
