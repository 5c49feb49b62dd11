package identity

import (
	"net/http"
	"strings"

	"nexus/gateway/trace"
)

// maxAuthorization is the longest header Authorization that is looked at, in bytes.
const maxAuthorization = 16 << 10

// bearer gives the token that the header Authorization carries (RFC 6750, section 2.1): the scheme in any case, spaces,
// and the token, which nobody has looked at yet. Otherwise it notes the step authentication.
func bearer(h http.Header, tr *trace.Trace) (string, *Refusal) {
	values := h["Authorization"]
	for _, value := range values {
		if len(value) > maxAuthorization {
			return "", refuseHeader(tr, trace.TooLong, notAToken)
		}
	}
	switch {
	case len(values) > 1:
		// Also where both are equal: whoever stands in front of us may have believed another one than we would.
		return "", refuseHeader(tr, trace.Repeated, notAToken)
	case len(values) == 0:
		return "", refuseHeader(tr, trace.NoToken, noTokenSent)
	}
	value := strings.Trim(values[0], " \t")
	if value == "" {
		return "", refuseHeader(tr, trace.NoToken, noTokenSent)
	}
	scheme, token, _ := strings.Cut(value, " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", refuseHeader(tr, trace.NoScheme, noScheme)
	}
	return token, nil
}

func refuseHeader(tr *trace.Trace, finding trace.Finding, refusal *Refusal) *Refusal {
	step := tr.Note(trace.Authentication, trace.Failed, finding)
	step.Source, step.Key = trace.Header, "Authorization"
	return refusal
}
