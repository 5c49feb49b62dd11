package llm

// Dialect is one inbound wire format: how a caller speaks and wants to be answered. It is pure, bytes in
// and bytes out, so that its tests are pairs of files and one place in the gateway does all the
// writing, flushing and keeping alive.
type Dialect interface {
	// Decode reads a chat request. Its errors are [*InvalidError] and [*UnsupportedError].
	Decode(body []byte) (*Request, error)
	// Reply appends the whole answer's body to dst; model is the name that the caller used.
	Reply(dst []byte, model string, r *Reply) []byte
	// Encoder gives what writes one streamed answer.
	Encoder(model string, r *Request) Encoder
	// Failure appends the body of an error answer.
	Failure(dst []byte, f *Failure) []byte
	// Models appends the list of models.
	Models(dst []byte, cards []Card) []byte
	// Model appends one model.
	Model(dst []byte, card Card) []byte
}

// Encoder writes one streamed answer as server-sent events.
type Encoder interface {
	// Event appends what e looks like on the wire: no frame, one, or several.
	Event(dst []byte, e Event) []byte
	// End appends what closes a complete stream.
	End(dst []byte) []byte
	// Failure appends the error event of a stream that breaks off.
	Failure(dst []byte, f *Failure) []byte
}

// Card is a model as callers see it in a list.
type Card struct {
	ID      string
	Created int64
	Owner   string // the provider's name
}

// Failure is an error as a caller is told it.
type Failure struct {
	Status    int
	Type      string // OpenAI's type: "invalid_request_error", …
	Code      string // one word
	Message   string
	Param     string // the offending parameter; empty: none
	RequestID string
}

// InvalidError is a request that is not what the endpoint takes.
type InvalidError struct {
	// What is wrong, for the caller: may name fields, holds nothing of their content.
	What string
	// Kept is What without a word of the request, for the trace and the log; empty: What has none.
	Kept string
	// Offset is the byte at which it was noticed; -1: not a matter of one byte.
	Offset int
}

func (e *InvalidError) Error() string { return e.What }
