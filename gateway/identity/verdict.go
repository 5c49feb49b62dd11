package identity

import (
	"time"

	"nexus/gateway/trace"
)

// verdict is what verifying a token came to, with the facts for the trace.
type verdict struct {
	claims  *Claims
	refusal *Refusal // nil: the token is accepted
	step    trace.Step
	until   time.Time // when it must be found anew; the zero Time: it is not worth keeping
	expires time.Time // when the token ends by the wall clock, which alone knows of a machine that slept; zero: refused
	// wantsKeys: with the keys that the issuer has by now it may be another.
	wantsKeys bool
}

// The refusals of tokens that say nothing of the one token, shared by all that meet them.
var (
	noTokenSent      = &Refusal{Reason: trace.TokenMissing, Key: "server.oauth", Fault: NoToken}
	noScheme         = &Refusal{Reason: trace.TokenMalformed, Key: "server.oauth", Fault: NoScheme}
	notAToken        = &Refusal{Reason: trace.TokenMalformed, Key: "server.oauth", Fault: NotAToken}
	badHeaderRefusal = &Refusal{Reason: trace.TokenMalformed, Key: "server.oauth", Fault: NotAccepted}
	badAlgorithm     = &Refusal{Reason: trace.TokenAlgorithmRefused, Key: "server.oauth.algorithms", Fault: NotAccepted}
	keyUnknown       = &Refusal{Reason: trace.TokenKeyUnknown, Key: "server.oauth.url", Fault: NotAccepted}
	signatureInvalid = &Refusal{Reason: trace.TokenSignatureInvalid, Key: "server.oauth.url", Fault: NotAccepted}
	claimsInvalid    = &Refusal{Reason: trace.TokenClaimsInvalid, Key: "server.oauth", Fault: NotAccepted}
	hasExpired       = &Refusal{Reason: trace.TokenExpired, Key: "server.oauth", Fault: HasExpired}
	notYetValid      = &Refusal{Reason: trace.TokenNotYetValid, Key: "server.oauth.clock_skew", Fault: NotAccepted}
	otherIssuer      = &Refusal{Reason: trace.TokenIssuerMismatch, Key: "server.oauth.expected_issuer", Fault: NotAccepted}
	otherAudience    = &Refusal{Reason: trace.TokenAudienceMismatch, Key: "server.oauth.expected_audience", Fault: NotAccepted}
)

// refused is the verdict of a token that is not accepted.
func refused(refusal *Refusal, step trace.Step) *verdict {
	step.Name, step.Verdict, step.Source = trace.Authentication, trace.Failed, trace.Header
	return &verdict{refusal: refusal, step: step}
}

// stands reports whether the verdict may still be told at a moment.
func (v *verdict) stands(now time.Time) bool {
	return now.Before(v.until) && (v.expires.IsZero() || now.Before(v.expires))
}

// tell notes the verdict as the step authentication.
func (v *verdict) tell(tr *trace.Trace) *trace.Step {
	step := tr.Note(v.step.Name, v.step.Verdict, v.step.Finding)
	*step = v.step
	return step
}

// keepFor has a verdict stand for that long. Without it a verdict is found anew each time.
func (v *verdict) keepFor(d time.Duration, now time.Time) *verdict {
	v.until = now.Add(d)
	return v
}
