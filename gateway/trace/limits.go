package trace

import (
	"fmt"
	"strings"
	"time"
)

// requestLimits tells the step that counts the request as such. Value is who is counted: "the client", "the address", or
// "everybody".
func (s *Step) requestLimits() string {
	switch s.Finding {
	case Within:
		return fmt.Sprintf("%s has used %d of %d requests in %s before this one (%s); %d left", s.Value, s.Used, s.Limit, span(s.Every), s.Key, s.left())
	case Over:
		return fmt.Sprintf("%s has used %d of %d requests in %s (%s); %s; the caller must wait, or the key must allow more", s.Value, s.Used, s.Limit, span(s.Every), s.Key, s.Detail)
	case Busy:
		return fmt.Sprintf("%d requests of %s are in flight, and %s allows %d; the caller must wait for an answer, or the key must allow more", s.Used, s.Value, s.Key, s.Limit)
	case StoreOut:
		return s.storeOut()
	case Unlimited:
		return "no request limit holds for this caller"
	case NotLooked:
		return "there are request limits; how much is used of them is known to the running gateway alone"
	}
	return "no request limit is configured"
}

// tokenCount tells the step that counts the prompt.
func (s *Step) tokenCount() string {
	if s.Finding == Counted {
		return fmt.Sprintf("the prompt has %d tokens by cl100k_base", s.Asked)
	}
	return "no limit needs a count of the tokens"
}

// tokenLimit tells the step that holds tokens against the limits. Detail is the kind of the limit: "input", "output" or
// "total"; Near are the models that were passed over.
func (s *Step) tokenLimit() string {
	kind, room, _ := strings.Cut(s.Detail, "; ")
	switch s.Finding {
	case Within:
		return s.passedOver() + s.account(kind)
	case Observed:
		return fmt.Sprintf("%s%s; it would have been refused, but enforce = false only measures", s.passedOver(), s.account(kind))
	case Over:
		return fmt.Sprintf("%s; %s; the caller must wait or send less, or the key must allow more", s.account(kind), room)
	case OverAlone:
		return fmt.Sprintf("the request alone needs %d %s tokens, and %s allows %d in %s, so it can never pass; the caller must send less, or the key must allow more", s.Asked, kind, s.Key, s.Limit, span(s.Every))
	case StoreOut:
		return s.storeOut()
	case Unlimited:
		return s.passedOver() + "no token limit holds for this caller and model"
	case NotLooked:
		return fmt.Sprintf("%d %s tokens in %s are allowed (%s); how much is used is known to the running gateway alone", s.Limit, kind, span(s.Every), s.Key)
	}
	return "no token limit is configured"
}

// account says how a limit of tokens stands.
func (s *Step) account(kind string) string {
	return fmt.Sprintf("%s tokens: %d of %d used in %s before this request (%s), %d asked, %d left", kind, s.Used, s.Limit, span(s.Every), s.Key, s.Asked, s.left())
}

// left is what is left of the limit: behind the request where it passed, and before it where it did not.
func (s *Step) left() int64 {
	if s.Verdict == Failed {
		return max(0, s.Limit-s.Used)
	}
	return max(0, s.Limit-s.Used-s.Asked)
}

// passedOver says which models would have come first, and which answers.
func (s *Step) passedOver() string {
	if len(s.Near) == 0 {
		return ""
	}
	return fmt.Sprintf("no room for %s, so %s answers; ", enumerate(s.Near), s.Value)
}

func (s *Step) storeOut() string {
	return fmt.Sprintf("the limits cannot be counted (%s); %s", s.Key, s.Detail)
}

// span is a length of time without the zeros that Go puts at its end: 1m, not 1m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
