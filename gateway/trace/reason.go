// Package trace holds the words of an explanation: the reason codes, the steps that a request went
// through, and the sentences that tell them. It keeps facts, by value and without allocating; a
// sentence is made only when somebody reads. It never holds a token, a signature, a key or a prompt.
package trace

// Reason is the one word for why a request was not answered, the same in the trace, the log, the metric
// and the admin. The empty Reason belongs to an answered request.
type Reason string

// The reason codes that exist today. They are part of the contract with users' scripts.
const (
	CSRFHeaderMissing     Reason = "csrf_header_missing"
	TokenMissing          Reason = "token_missing"
	TokenMalformed        Reason = "token_malformed"
	TokenAlgorithmRefused Reason = "token_algorithm_refused"
	TokenKeyUnknown       Reason = "token_key_unknown"
	TokenSignatureInvalid Reason = "token_signature_invalid"
	TokenExpired          Reason = "token_expired"
	TokenNotYetValid      Reason = "token_not_yet_valid"
	TokenIssuerMismatch   Reason = "token_issuer_mismatch"
	TokenAudienceMismatch Reason = "token_audience_mismatch"
	TokenClaimsInvalid    Reason = "token_claims_invalid"
	KeysUnavailable       Reason = "keys_unavailable"
	// ClientCertificateMissing is none where it is needed, or one that no longer counts.
	ClientCertificateMissing Reason = "client_certificate_missing"
	ClientIDMissing          Reason = "client_id_missing"
	ClientIDInvalid          Reason = "client_id_invalid"
	ClientIDUntrusted        Reason = "client_id_untrusted"
	GroupInvalid             Reason = "group_invalid"
	RateLimitGlobal          Reason = "rate_limit_global"
	RateLimitIP              Reason = "rate_limit_ip"
	RateLimitUser            Reason = "rate_limit_user"
	ConcurrencyLimit         Reason = "concurrency_limit"
	LimiterUnavailable       Reason = "limiter_unavailable"
	TokenLimitExceeded       Reason = "token_limit_exceeded"
	TokenLimitImpossible     Reason = "token_limit_impossible"
	RequestInvalid           Reason = "request_invalid"
	BodyTooLarge             Reason = "body_too_large"
	MemoryExhausted          Reason = "memory_exhausted"
	ModelUnknown             Reason = "model_unknown"
	ProviderUnknown          Reason = "provider_unknown"
	ParameterUnsupported     Reason = "parameter_unsupported"
	EndpointUnknown          Reason = "endpoint_unknown"
	MethodNotAllowed         Reason = "method_not_allowed"
	ContentTypeUnsupported   Reason = "content_type_unsupported"

	// Of failed requests: the caller was let through, and something broke afterwards.
	ProviderError       Reason = "provider_error"
	ProviderUnreachable Reason = "provider_unreachable"
	ProviderTimeout     Reason = "provider_timeout"
	ClientGone          Reason = "client_gone"
	ShuttingDown        Reason = "shutting_down"
	// InternalError is a bug of ours: a panic that was caught.
	InternalError Reason = "internal_error"
)

// Reasons lists every reason code, for the filters of the admin and the labels of the metrics.
var Reasons = [...]Reason{
	CSRFHeaderMissing, TokenMissing, TokenMalformed, TokenAlgorithmRefused, TokenKeyUnknown, TokenSignatureInvalid, TokenExpired,
	TokenNotYetValid, TokenIssuerMismatch, TokenAudienceMismatch, TokenClaimsInvalid, KeysUnavailable,
	ClientCertificateMissing, ClientIDMissing, ClientIDInvalid, ClientIDUntrusted, GroupInvalid,
	RateLimitGlobal, RateLimitIP, RateLimitUser, ConcurrencyLimit, LimiterUnavailable, TokenLimitExceeded, TokenLimitImpossible,
	RequestInvalid, BodyTooLarge, MemoryExhausted,
	ModelUnknown, ProviderUnknown, ParameterUnsupported,
	EndpointUnknown, MethodNotAllowed, ContentTypeUnsupported,
	ProviderError, ProviderUnreachable, ProviderTimeout, ClientGone, ShuttingDown, InternalError,
}

var reasonWords = map[Reason]string{
	CSRFHeaderMissing:        "no header against cross-site requests",
	TokenMissing:             "no token",
	TokenMalformed:           "not a token",
	TokenAlgorithmRefused:    "token's algorithm not accepted",
	TokenKeyUnknown:          "token of an unknown key",
	TokenSignatureInvalid:    "token's signature does not hold",
	TokenExpired:             "token expired",
	TokenNotYetValid:         "token not valid yet",
	TokenIssuerMismatch:      "token of another issuer",
	TokenAudienceMismatch:    "token for another audience",
	TokenClaimsInvalid:       "token's claims unusable",
	KeysUnavailable:          "no keys to verify tokens with",
	ClientCertificateMissing: "no client certificate that is believed",
	ClientIDMissing:          "no client id",
	ClientIDInvalid:          "unusable client id",
	ClientIDUntrusted:        "identity header from an untrusted peer",
	GroupInvalid:             "group not allowed",
	RateLimitGlobal:          "too many requests in all",
	RateLimitIP:              "too many requests from the address",
	RateLimitUser:            "too many requests of the client",
	ConcurrencyLimit:         "too many requests at once",
	LimiterUnavailable:       "the limits' storage is out",
	TokenLimitExceeded:       "token limit used up",
	TokenLimitImpossible:     "larger than the token limit",
	RequestInvalid:           "malformed request",
	BodyTooLarge:             "body too large",
	MemoryExhausted:          "too many bodies in flight",
	ModelUnknown:             "unknown model",
	ProviderUnknown:          "unknown provider",
	ParameterUnsupported:     "parameter the provider cannot honour",
	EndpointUnknown:          "no such endpoint",
	MethodNotAllowed:         "wrong method",
	ContentTypeUnsupported:   "unsupported body type",
	ProviderError:            "the provider failed",
	ProviderUnreachable:      "the provider could not be reached",
	ProviderTimeout:          "the provider was silent too long",
	ClientGone:               "the caller went away",
	ShuttingDown:             "cut off by the shutdown",
	InternalError:            "a bug in Nexus",
}

// Words says the reason in plain English, for a table on a page. Unknown reasons are said as they are.
func (r Reason) Words() string {
	if w, ok := reasonWords[r]; ok {
		return w
	}
	return string(r)
}
