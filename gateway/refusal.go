package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"nexus/gateway/identity"
	"nexus/gateway/llm"
	"nexus/gateway/trace"
)

// OpenAI's error types, as far as Nexus gives them.
const (
	typeInvalidRequest = "invalid_request_error"
	typeAuthentication = "authentication_error"
	typeQuota          = "insufficient_quota"
	typeNotFound       = "not_found_error"
	typeRateLimit      = "rate_limit_error"
	typeInternal       = "internal_error"
	typeAPI            = "api_error"
)

// The states that end a request and are no fault of its content.
var (
	errShuttingDown  = errors.New("the process is stopping")
	errClientGone    = errors.New("the caller went away")
	errTooManyFields = errors.New("more than 100 header fields")
	errPanicked      = errors.New("a bug in Nexus")
)

// endpointError is a path below a protocol's prefix at which there is nothing.
type endpointError struct{ near string }

func (e *endpointError) Error() string { return "no such endpoint" }

// methodError is an endpoint asked with the wrong method.
type methodError struct {
	allow   string // the header Allow
	message string
}

func (e *methodError) Error() string { return e.message }

// nowhereError is a path that belongs to nothing Nexus serves.
type nowhereError struct{ message string }

func (e *nowhereError) Error() string { return e.message }

// refusal is an error as it is told: to the caller, the trace, the log and the metrics. This file is the one place
// that knows which error is told how.
type refusal struct {
	llm.Failure
	reason     trace.Reason
	failed     bool   // let through, and then broken; else refused
	key        string // the configuration key that decided
	kept       string // what the trace and the log keep in place of the message, which may repeat the prompt
	retryAfter time.Duration
	retryText  string // the same in a provider's words
	allow      string
	challenge  challenge
}

// answer makes a refusal of nothing but a status, a type, a code and a message.
func answer(reason trace.Reason, status int, kind, code, message string) refusal {
	return refusal{reason: reason, Failure: llm.Failure{Status: status, Type: kind, Code: code, Message: message}}
}

// classify is the table: error → reason, status, body.
func classify(err error) refusal {
	var (
		caller      *identity.Refusal
		invalid     *llm.InvalidError
		unsupported *llm.UnsupportedError
		provider    *llm.Error
		contentType *contentTypeError
		nothing     *endpointError
		exceeded    *exceededError
		unavailable *unavailableError
		method      *methodError
		nowhere     *nowhereError
		notSpoken   *notSpokenError
	)
	switch {
	case errors.As(err, &caller):
		return classifyCaller(caller)
	case errors.As(err, &provider):
		return classifyProvider(provider)
	case errors.As(err, &exceeded):
		return classifyLimit(exceeded)
	case errors.As(err, &unavailable):
		r := answer(trace.LimiterUnavailable, 503, typeAPI, "temporarily_unavailable", "The limits cannot be counted at the moment; please try again")
		r.key, r.retryAfter = "server.rate_limits.storage.on_failure", unavailableWait
		return r
	case errors.As(err, &notSpoken):
		r := answer(trace.EndpointUnknown, 404, typeNotFound, "endpoint_unknown", "There is no such endpoint for this model: "+notSpoken.Error())
		r.key = "llm.providers"
		return r
	case errors.As(err, &invalid):
		r := answer(trace.RequestInvalid, 400, typeInvalidRequest, "invalid_request", "Invalid request: "+invalid.What)
		r.kept = "Invalid request: " + cmp.Or(invalid.Kept, invalid.What)
		return r
	case errors.As(err, &unsupported):
		r := answer(trace.ParameterUnsupported, 400, typeInvalidRequest, "unsupported_parameter", "Invalid request: "+unsupported.Error())
		r.Param = unsupported.Param
		return r
	case errors.As(err, &contentType):
		return answer(trace.ContentTypeUnsupported, 415, typeInvalidRequest, "unsupported_media_type",
			"Invalid request: the body has "+contentType.has+"; send plain JSON")
	case errors.As(err, &nothing):
		r := answer(trace.EndpointUnknown, 404, typeNotFound, "endpoint_unknown", nothing.describe())
		r.key = "llm.protocols.openai.path"
		return r
	case errors.As(err, &method):
		r := answer(trace.MethodNotAllowed, 405, typeInvalidRequest, "method_not_allowed", method.message)
		r.allow = method.allow
		return r
	case errors.As(err, &nowhere):
		return answer(trace.EndpointUnknown, 404, typeNotFound, "endpoint_unknown", nowhere.message)
	}
	if r, ok := classifyCall(err); ok {
		return r
	}
	return classifyState(err)
}

// unavailableWait is when to try again while the storage of the limits is out, which is looked for about as often.
const unavailableWait = 2 * time.Second

// classifyLimit tells that a limit has no room.
func classifyLimit(e *exceededError) refusal {
	message := "Rate limit exceeded"
	switch {
	case e.impossible:
		message += ": Token rate limit exceeded. Request requires more tokens than the configured limit allows and cannot be fulfilled."
	case e.reason == trace.TokenLimitExceeded:
		message += ": Token rate limit exceeded. Please try again later."
	}
	r := answer(e.reason, 429, typeRateLimit, "rate_limit_exceeded", message)
	if r.key = e.key; !e.impossible {
		r.retryAfter = max(e.wait, time.Millisecond)
	}
	return r
}

// classifyCall tells what went wrong between us and a provider.
func classifyCall(err error) (r refusal, ok bool) {
	var (
		unreachable *llm.UnreachableError
		timeout     *llm.TimeoutError
		broken      *llm.BrokenError
	)
	switch {
	case errors.As(err, &unreachable):
		r = answer(trace.ProviderUnreachable, 502, typeAPI, "provider_unreachable", "Connection error: "+unreachable.Error())
	case errors.As(err, &timeout):
		r = answer(trace.ProviderTimeout, 504, typeAPI, "provider_timeout", "Connection error: the provider did not answer in time")
		r.kept = "Connection error: " + timeout.Error()
	case errors.As(err, &broken):
		r = answer(trace.ProviderError, 502, typeAPI, "provider_error", "Provider API error: "+broken.Error())
	case errors.Is(err, errNoKey):
		// Nobody has failed: the caller was asked for something and has not brought it.
		r = answer(trace.RequestInvalid, 401, typeAuthentication, "missing_api_key", "Authentication failed: send a key of the provider in X-Provider-API-Key")
		r.challenge = needsToken
		return r, true
	case errors.Is(err, errTwoKeys), errors.Is(err, errLongKey):
		return answer(trace.RequestInvalid, 400, typeInvalidRequest, "invalid_request", "Invalid request: X-Provider-API-Key must be sent once, and be at most 16 KiB long"), true
	default:
		return refusal{}, false
	}
	r.failed = true
	return r, true
}

func classifyCaller(r *identity.Refusal) refusal {
	if r.Fault != identity.NoFault {
		return classifyToken(r)
	}
	code, message := "", ""
	switch r.Reason {
	case trace.ClientIDMissing, trace.ClientCertificateMissing:
		code, message = "missing_client_id", "Client identification is required"
	case trace.ClientIDUntrusted:
		code, message = "untrusted_client_id", "Client identification is not accepted from this address"
	case trace.GroupInvalid:
		code, message = "invalid_group", "The specified group is not valid"
	default:
		code, message = "invalid_client_id", "The client identification is not valid"
	}
	out := answer(r.Reason, 400, typeInvalidRequest, code, message)
	out.key = r.Key
	return out
}

// classifyToken tells what is wrong with a token. What would help a forger is in the trace alone.
func classifyToken(r *identity.Refusal) refusal {
	told := func(code, message string, c challenge) refusal {
		out := answer(r.Reason, 401, typeAuthentication, code, message)
		out.key, out.challenge = r.Key, c
		return out
	}
	switch r.Fault {
	case identity.NoToken:
		return told("invalid_token", "missing token", needsToken)
	case identity.NoScheme:
		return told("invalid_token", "token must be prefixed with Bearer", needsToken)
	case identity.NotAToken:
		return told("invalid_token", "invalid token", refusedToken)
	case identity.HasExpired:
		return told("unauthorized", "the token has expired", refusedExpired)
	case identity.NoKeys:
		out := answer(r.Reason, 503, typeAPI, "temporarily_unavailable", "Tokens cannot be verified at the moment; please try again")
		out.key, out.retryAfter = r.Key, max(r.RetryAfter, time.Second)
		return out
	}
	return told("unauthorized", "unauthorized", refusedToken)
}

// classifyProvider tells a provider's failure in the provider's words.
func classifyProvider(e *llm.Error) refusal {
	code := "provider_error"
	if e.Code != "" && e.Status < 500 {
		code = e.Code
	}
	told := func(status int, kind, prefix string) refusal {
		r := answer(trace.ProviderError, status, kind, code, prefix+e.Message)
		r.failed, r.kept, r.Param = true, prefix+e.Error(), e.Param
		return r
	}
	switch {
	case e.Status == 401:
		r := told(401, typeAuthentication, "Authentication failed: ")
		r.challenge = needsToken // every 401 has one: RFC 9110, section 15.5.2
		return r
	case e.Status == 403:
		return told(403, typeQuota, "Insufficient quota: ")
	case e.Status == 404:
		return told(404, typeNotFound, "")
	case e.Status == 429:
		r := told(429, typeRateLimit, "Rate limit exceeded: ")
		r.retryText = e.RetryAfter
		return r
	case e.Status >= 400 && e.Status < 500:
		return told(e.Status, typeInvalidRequest, "Invalid request: ")
	case e.Status == 500:
		return told(500, typeInternal, "")
	}
	return told(502, typeAPI, fmt.Sprintf("Provider API error (%d): ", e.Status))
}

// classifyState tells what is nobody's mistake in the request itself.
func classifyState(err error) refusal {
	var (
		format   *llm.ModelFormatError
		provider *llm.UnknownProviderError
		model    *llm.UnknownModelError
	)
	switch {
	case errors.As(err, &format):
		return answer(trace.RequestInvalid, 400, typeInvalidRequest, "invalid_request", format.Error())
	case errors.As(err, &provider):
		r := answer(trace.ProviderUnknown, 404, typeNotFound, "provider_not_found", provider.Error())
		r.key = "llm.providers"
		return r
	case errors.As(err, &model):
		r := answer(trace.ModelUnknown, 404, typeNotFound, "model_not_found", model.Error())
		r.key = "llm.providers"
		if model.Filter != "" {
			r.key = "llm.providers." + model.Filter + ".model_filter"
		}
		return r
	case errors.Is(err, errBodyTooLarge):
		r := answer(trace.BodyTooLarge, 413, typeInvalidRequest, "request_too_large", "Invalid request: the body is larger than this server takes")
		r.key = "server.max_body_size"
		return r
	case errors.Is(err, errMemoryExhausted):
		r := answer(trace.MemoryExhausted, 503, typeAPI, "temporarily_unavailable", "Too many large requests at once; please try again")
		r.key, r.retryAfter = "server.max_body_memory", time.Second
		return r
	case errors.Is(err, errBodyTooSlow):
		return answer(trace.RequestInvalid, 408, typeInvalidRequest, "request_timeout", "Invalid request: the body stopped coming before it was whole")
	case errors.Is(err, errBodyBroken):
		return answer(trace.RequestInvalid, 400, typeInvalidRequest, "invalid_request", "Invalid request: the body ended before it was whole")
	case errors.Is(err, errNoCSRFHeader):
		r := answer(trace.CSRFHeaderMissing, 403, typeInvalidRequest, "csrf_header_missing", "The header that this server asks for against cross-site requests is missing")
		r.key = "server.csrf.header_name"
		return r
	case errors.Is(err, errTooManyFields):
		return answer(trace.RequestInvalid, 431, typeInvalidRequest, "invalid_request", "Invalid request: more than 100 header fields")
	case errors.Is(err, errShuttingDown):
		r := answer(trace.ShuttingDown, 503, typeAPI, "shutting_down", "The server is shutting down; please try again")
		r.failed, r.retryAfter = true, time.Second
		return r
	case errors.Is(err, errClientGone):
		r := answer(trace.ClientGone, statusClientGone, typeAPI, "client_gone", "The caller went away")
		r.failed = true
		return r
	}
	r := answer(trace.InternalError, 500, typeInternal, "internal_error", "Something went wrong inside the server; the request id leads to its log")
	r.failed = true
	return r
}

// statusClientGone is what a trace shows for a caller that nobody could answer any more, as other proxies do.
const statusClientGone = 499

func (e *endpointError) describe() string {
	message := "There is no such endpoint"
	if e.near != "" {
		message += "; did you mean " + e.near + "?"
	}
	return message
}

// refuse tells the caller and the trace what went wrong. An answer that has begun stays as it is.
func (s *Snapshot) refuse(x *Exchange, err error) {
	r := classify(err)
	t := &x.trace
	s.conclude(t, &r)
	if r.reason == trace.ClientGone {
		// Whatever net/http would end this answer with looks like a whole one to a caller who has only stopped writing.
		panic(http.ErrAbortHandler)
	}
	if x.Response().Committed {
		t.Status = x.Response().Status
		if cut := (*cutError)(nil); errors.As(err, &cut) {
			panic(http.ErrAbortHandler) // a clean end would pass for a whole answer
		}
		return
	}
	h := x.Response().Header()
	delete(h, fallbackHeader)
	if r.retryText != "" {
		h.Set("Retry-After", r.retryText)
	} else if r.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((r.retryAfter+time.Second-1)/time.Second)))
	}
	s.demand(h, r.challenge)
	if r.challenge == refusedToken {
		s.gateway.brake.hold(x.Request().Context())
	}
	if r.allow != "" {
		h.Set("Allow", r.allow)
	}
	if !x.body.discard(x.Request(), x.conn) {
		h.Set("Connection", "close")
	}
	r.RequestID = t.ID
	x.out = x.dialect.Failure(x.out[:0], &r.Failure)
	x.send(r.Status)
}

// conclude keeps how a request ended that was not answered.
func (s *Snapshot) conclude(t *trace.Trace, r *refusal) {
	t.Outcome, t.Reason, t.Message, t.Status = trace.Rejected, r.reason, cmp.Or(r.kept, r.Message), r.Status
	if r.failed {
		t.Outcome = trace.Failure
	}
	if r.key != "" {
		t.DecidedBy = s.decision(r.key)
	}
}

// decision is where the running file says a key.
func (s *Snapshot) decision(key string) trace.Decision {
	return trace.Decision{Key: key, File: s.config.File(), Line: s.config.Line(key)}
}
