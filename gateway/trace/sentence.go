package trace

import (
	"fmt"
	"strings"
)

// listed is how many names a sentence lists before it only counts the rest.
const listed = 20

// Sentence tells the step in words that an operator can act on: what was looked for, where, what was
// found, and on failure what to change.
func (s *Step) Sentence() string {
	switch s.Name {
	case ClientID:
		return s.identity("client id", "server.client_identification.client_id")
	case Group:
		return s.identity("group", "server.client_identification.group_id")
	case GroupValidation:
		return s.groupValidation()
	case Route:
		return s.route()
	case Provider:
		return s.provider()
	case CORS:
		return s.cors()
	case CSRF:
		return s.csrf()
	case Authentication:
		return s.authentication()
	case ClientCertificate:
		return s.certificate()
	case RequestLimits:
		return s.requestLimits()
	case TokenCount:
		return s.tokenCount()
	default: // TokenLimit
		return s.tokenLimit()
	}
}

// identity tells the steps that look for the client id and the group.
func (s *Step) identity(what, key string) string {
	switch s.Source {
	case Claim:
		return s.claim(what, key+".jwt_claim")
	case Certificate:
		return s.certified(what)
	}
	key += ".http_header"
	switch s.Finding {
	case NotConfigured:
		if s.Name == Group {
			return "no group_id is configured, so callers have no group"
		}
		return "client identification is off, so nobody is asked who they are"
	case Found:
		return fmt.Sprintf("header %q says %q", s.Key, s.Value)
	case Repeated:
		return fmt.Sprintf("header %q occurs more than once, so it is not clear which one counts; the caller, or a proxy in between, must send it exactly once", s.Key)
	case TooLong:
		return fmt.Sprintf("header %q is longer than 256 bytes; the caller must send a shorter %s", s.Key, what)
	case Unprintable:
		return fmt.Sprintf("header %q holds control characters or is not UTF-8; the caller must send a %s of plain text", s.Key, what)
	case Untrusted:
		return fmt.Sprintf("header %q came from %s, which is not in server.client_identification.trusted_sources; add the peer's network there, or keep callers from sending the header themselves", s.Key, s.Detail)
	}
	found := "the request has no such header"
	if s.Finding == Empty {
		found = "the header is empty"
	}
	if s.Name == Group {
		return fmt.Sprintf("looked for header %q; %s; the caller has no group, which is fine", s.Key, found)
	}
	return fmt.Sprintf("looked for header %q; %s; %s", s.Key, found, s.present()) +
		s.advise(fmt.Sprintf("the caller must send it, or %s must name the header that carries the %s", key, what))
}

func (s *Step) groupValidation() string {
	switch s.Finding {
	case NotConfigured:
		return "no group_id is configured, so there is no group to validate"
	case NoGroup:
		return "the caller has no group, so there is none to validate"
	case Found:
		return fmt.Sprintf("group %q is in group_values [%s]", s.Value, enumerate(s.Near))
	}
	if s.Finding == NoneAllowed {
		return fmt.Sprintf("none of the groups [%s] is in group_values [%s]", s.Value, enumerate(s.Near)) +
			s.advise("the issuer must put the caller into one of them, or server.client_identification.validation.group_values must list one of the caller's")
	}
	return fmt.Sprintf("group %q is not in group_values [%s]", s.Value, enumerate(s.Near)) +
		s.advise("the caller must name one of them, or server.client_identification.validation.group_values must list it")
}

func (s *Step) route() string {
	switch s.Finding {
	case Listed:
		return "Nexus answers this by itself; no provider is asked"
	case Routed:
		if s.Detail != s.Value {
			return fmt.Sprintf("model %q leads to provider %q, which knows it as %q", s.Value, s.Key, s.Detail)
		}
		return fmt.Sprintf("model %q leads to provider %q", s.Value, s.Key)
	case UnknownPath:
		return fmt.Sprintf("there is no such endpoint; below %q there are %s", s.Key, enumerate(s.Near)) + s.advise("the caller must use one of them")
	case WrongMethod:
		return fmt.Sprintf("the endpoint takes %s, not %s; the caller must use the right method", s.Key, s.Detail)
	case BadBody:
		return fmt.Sprintf("the request is not what the endpoint takes: %s; the caller must mend it", s.Detail)
	case BodyOverSize:
		return fmt.Sprintf("the body is over server.max_body_size (%s); the caller must send less, or the key must allow more", s.Detail)
	case BodyOverMemory:
		return fmt.Sprintf("all bodies in flight together are over server.max_body_memory (%s); the caller may try again, or the key must allow more", s.Detail)
	case BodyKind:
		return fmt.Sprintf("the body has %s, which no endpoint here takes; the caller must send plain JSON", s.Detail)
	case BodyTooSlow:
		return "the body stopped coming before it was whole; look at the caller's network, or at a proxy in between"
	case UnknownProvider:
		return fmt.Sprintf("model %q names provider %q, and there is none of that name; there are %s", s.Value, s.Key, enumerate(s.Near)) +
			s.advise("the caller must name one of them, or the file must have it under llm.providers")
	case UnknownModel:
		return fmt.Sprintf("no provider has model %q; there are %s", s.Value, enumerate(s.Near)) +
			s.advise("the caller must name one of them (or provider/model), or a provider in the file must list it under models")
	case FilteredModel:
		return fmt.Sprintf("model %q is left out by llm.providers.%s.model_filter; the caller must name another, or the filter must match it, or the file must list it under llm.providers.%s.models", s.Value, s.Key, s.Key)
	case NotSpoken:
		return s.Detail + "; the caller must name a model of such a provider"
	case NotAsked:
		return fmt.Sprintf("the file lists no model %q; whether %s would be known by its own list is not asked here", s.Value, enumerate(s.Near))
	case Left:
		return "the caller went away before its request was whole"
	}
	return "the process was stopped before the request was whole"
}

func (s *Step) provider() string {
	if s.Finding == Answered {
		return fmt.Sprintf("provider %q answered", s.Key) + s.instead()
	}
	return s.providerFailure() + s.tried()
}

// tried says what became of the models that could have answered, where there was more than one.
func (s *Step) tried() string {
	if len(s.Near) == 0 {
		return ""
	}
	return "; tried were: " + strings.Join(s.Near, ", ")
}

// providerFailure says why the provider has not answered.
func (s *Step) providerFailure() string {
	switch s.Finding {
	case BadParameter:
		return fmt.Sprintf("provider %q cannot honour parameter %q: %s; the caller must leave it out", s.Key, s.Value, s.Detail)
	case Broken:
		return fmt.Sprintf("provider %q failed: %s; the request itself was let through", s.Key, s.Detail) + s.remedy()
	case Unreachable:
		return fmt.Sprintf("provider %q could not be reached: %s; look whether it is up, and at llm.providers.%s.base_url", s.Key, s.Detail, s.Key)
	case Silent:
		return fmt.Sprintf("provider %q was silent for %s; look at the provider", s.Key, s.Detail) + s.bound()
	case NoKey:
		return fmt.Sprintf("provider %q has forward_token: %s", s.Key, s.Detail)
	case Left:
		return fmt.Sprintf("the caller went away while provider %q answered", s.Key)
	case CutOff:
		return fmt.Sprintf("the process was stopped while provider %q answered", s.Key)
	}
	return "no provider is asked"
}

// instead says which models have failed before the one that answered.
func (s *Step) instead() string {
	if len(s.Near) == 0 {
		return ""
	}
	return fmt.Sprintf(" with %s, after %s", s.Value, strings.Join(s.Near, ", "))
}

// remedy says what helps against the status in Value, where that is known.
func (s *Step) remedy() string {
	at := "llm.providers." + s.Key
	switch s.Value {
	case "401", "403":
		return "; the provider does not take the key: look at " + at + ".api_key, or at the key that the caller sent"
	case "404":
		return "; look at the model's name, at its rename, and at " + at + ".base_url, which includes the version part"
	case "429":
		return "; that is the provider's own limit for the key"
	}
	return ""
}

// bound names the key that bounds the silence.
func (s *Step) bound() string {
	if s.Value == "" {
		return ""
	}
	return fmt.Sprintf(", or raise llm.providers.%s.%s", s.Key, s.Value)
}

// advise says what to change, after the near miss that was found, if there was one.
func (s *Step) advise(what string) string {
	if s.Detail == "" {
		return "; " + what
	}
	return fmt.Sprintf("; did you mean %q? Otherwise %s", s.Detail, what)
}

// present tells which headers the request has instead.
func (s *Step) present() string {
	if len(s.Near) == 0 {
		return "it has no other header that could be meant"
	}
	return "it has " + enumerate(s.Near)
}

// enumerate lists names, and only counts those that are too many to read.
func enumerate(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) <= listed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
}
