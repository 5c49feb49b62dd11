package trace

import "time"

// Name is the name of a step. The order of the constants is the order in which a request meets the steps.
type Name uint8

// The steps of a request.
const (
	CORS Name = iota
	CSRF
	Authentication
	ClientCertificate
	ClientID
	Group
	GroupValidation
	RequestLimits
	Route
	TokenCount
	TokenLimit
	Provider

	stepCount
)

var stepNames = [stepCount]string{
	"cors", "csrf", "authentication", "client_certificate", "client_id", "group", "group_validation",
	"request_limits", "route", "token_count", "token_limit", "provider",
}

// String is the step's name as the admin's JSON says it.
func (n Name) String() string { return stepNames[n] }

// Verdict is how a step ended.
type Verdict uint8

// The verdicts of a step.
const (
	Skipped Verdict = iota // not configured, or nothing to do
	Passed
	Failed
)

var verdictNames = [...]string{"skipped", "passed", "failed"}

// String is the verdict as the admin's JSON says it.
func (v Verdict) String() string { return verdictNames[v] }

// Source is the kind of place that a step looked at.
type Source uint8

// The places where an identity can come from.
const (
	Nowhere     Source = iota
	Header             // a request header
	Claim              // a claim of a verified token
	Certificate        // the client certificate of the connection
)

// Finding is the fact that a step came upon; with the step's Name it chooses the sentence.
type Finding uint8

// The findings. Each belongs to the steps that sentence.go names for it.
const (
	NotConfigured Finding = iota // the table that would ask for this step is not in the file
	Found                        // what was looked for is there
	Absent                       // it is not there
	Empty                        // it is there, and says nothing
	Repeated                     // the header occurs more than once
	TooLong                      // over 256 bytes
	Unprintable                  // control characters, or no UTF-8
	Untrusted                    // sent by a peer outside trusted_sources
	NotAllowed                   // not in group_values
	NoGroup                      // the caller has no group, so there is nothing to validate

	WrongKind     // the claim is of a kind that cannot be an identity
	NoneAllowed   // the claim is a list, and none of it is in group_values
	NoToken       // the header Authorization is missing or empty
	NoScheme      // it does not say Bearer and a token
	BadToken      // what it says is no token: Detail tells
	BadHeader     // the token's header asks for what is never done: Detail tells
	BadAlgorithm  // the token is signed with an algorithm that is not accepted
	NoKeys        // there is no set of keys to hold the signature against
	OtherKey      // the token's key is not for the token's algorithm
	UnknownKey    // none of the keys is the token's
	BadSignature  // the signature does not hold
	Expired       // the claim exp has passed
	TooEarly      // the claim nbf or iat lies in the future
	OtherIssuer   // the claim iss is not server.oauth.expected_issuer
	OtherAudience // the claim aud does not have server.oauth.expected_audience
	BadClaims     // the claims are not what they must be: Detail tells

	SameOrigin     // no page of another origin has a part in the request
	OriginAllowed  // a page of another origin, Value, may call and read the answer
	OriginRefused  // a page of another origin, Value, may not read the answer
	Preflight      // a browser's question for the page of another origin, and it may
	MethodRefused  // the same, and it may not with this method: Detail
	HeaderRefused  // the same, and it may not set this header: Detail
	PrivateRefused // the same, and it may not call into a private network

	CertificateUnknown // no authority in client_ca has signed the client certificate
	CertificateExpired // the client certificate, or one on the way to its authority, has expired or is not valid yet
	CertificateUnfit   // the client certificate is not one for clients, or breaks a rule of its authority
	OddURI             // the certificate's URI is not written as its parts are
	SignsOthers        // the certificate says a SPIFFE ID, and may sign others

	Listed          // the route step answers by itself: a list of models, one model
	Routed          // the model leads to a provider
	UnknownPath     // no endpoint at this path
	WrongMethod     // an endpoint, but not for this method
	BadBody         // the body is not what the endpoint takes
	BodyOverSize    // the body is over server.max_body_size
	BodyOverMemory  // the bodies in flight are over server.max_body_memory
	BodyKind        // multipart, or with a Content-Encoding
	BodyTooSlow     // the body stopped coming
	UnknownModel    // no provider has the model
	UnknownProvider // the name before the slash is no provider
	FilteredModel   // the provider's model_filter leaves the model out
	NotSpoken       // the model's provider does not have this endpoint: Detail tells
	NotAsked        // which models the providers have is not known: Near names those that would have to be asked
	BadParameter    // the provider cannot honour a parameter

	Within    // there is room within the limits; those that Value names are the tightest
	Over      // a limit has no room
	OverAlone // the request alone is larger than a limit
	Busy      // as many requests as may be are in flight
	StoreOut  // the storage of the limits is out, and Detail says what holds then
	Uncounted // the limits in force do not ask for a count of tokens, or the endpoint has none
	Counted   // Asked is how many tokens the prompt has
	Observed  // a limit that only observes has no room
	Unlimited // no limit holds for this caller and model
	NotLooked // what is used is known to the running gateway alone
	FellBack  // another model answers, since those in Near are limited or have failed

	Answered // the provider answered
	Broken   // the provider failed
	Silent   // the provider was silent for too long
	// Unreachable: the provider could not be reached, NoKey: the caller has brought no key for it.
	Unreachable
	NoKey
	Left   // the caller went away first
	CutOff // the process stopped first
)

// Step is one thing that Nexus tried. It holds facts; [Step.Sentence] makes the words, when somebody reads.
type Step struct {
	Name    Name
	Verdict Verdict
	Finding Finding
	Source  Source
	// Key is where the step looked: the configured header or claim, the algorithm of the token, what the configuration
	// expects of it, the provider, the prefix of the endpoints, the methods.
	Key string
	// Value is the client id, the group, the model or the parameter: what may be shown of the request, and nothing else.
	Value string
	// Detail says more: the name that a near miss was close to, the id of a token's key, how long ago At was or how far
	// ahead it is, a position in the body, a configured bound.
	Detail string
	// Near is what is there instead: the groups that are allowed, the names of the request's headers or of the
	// token's claims, the ids of the keys, the models.
	Near []string
	// Used is what was used of the limit named by Key before this request, Asked what the request asks of it, and Limit what may
	// be used in one Every. Value is what is counted. All are 0 where the step is about no limit.
	Used, Asked, Limit int64
	Every              time.Duration
	// At is the moment that a token's times are about; the zero Time: none.
	At time.Time
	// Took is how long the step lasted; 0 where it was too short to be measured.
	Took time.Duration
}
