package openai

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// Endpoint is one of OpenAI's endpoints whose bytes are handed on.
type Endpoint uint8

// The endpoints.
const (
	Chat Endpoint = iota
	Completions
	Responses
	Embeddings
	Moderations
	Images
	Speech
)

// Envelope is what a gateway looks at in a request that it hands on.
type Envelope struct {
	// Model is the name that the caller used, whole.
	Model string
	// Stream is whether the caller wants the answer event by event.
	Stream bool
	// StreamUsage is whether the caller asked for the usage at the end of a stream.
	StreamUsage bool

	endpoint Endpoint
	// Where the members stand that Outgoing may change.
	model, stream, options, include jsonscan.Span
	// Where the text stands that is counted, and what bounds the answer.
	messages, input, prompt, instructions jsonscan.Span
	maxCompletion, maxTokens, maxOutput   jsonscan.Span
	n, bestOf                             jsonscan.Span
}

// Look checks a request's body as far as a gateway must, and finds what it needs. The errors are those of
// [llm.Dialect].Decode. What is not looked at is the provider's business.
func Look(e Endpoint, body []byte) (Envelope, error) {
	doc, err := jsonscan.Scan(body)
	if err != nil {
		return Envelope{}, unreadable(err)
	}
	if doc.Alike != "" {
		return Envelope{}, wrong(doc.Alike, "must be spelled so: another name differs from it in letter case alone, and parsers disagree on which one counts")
	}
	v := Envelope{
		endpoint: e, model: doc.Model, stream: doc.Stream, options: doc.StreamOptions, include: doc.IncludeUsage,
		messages: doc.Messages, input: doc.Input, prompt: doc.Prompt, instructions: doc.Instructions,
		maxCompletion: doc.MaxCompletionTokens, maxTokens: doc.MaxTokens, maxOutput: doc.MaxOutputTokens, n: doc.N, bestOf: doc.BestOf,
	}
	if err := v.readModel(body); err != nil {
		return Envelope{}, err
	}
	switch e {
	case Chat:
		if err = someMessages(body, doc.Messages); err == nil {
			err = v.readStream(body)
		}
	case Completions:
		err = v.readStream(body)
	case Responses:
		if err = standsAlone(body, &doc); err == nil {
			v.Stream, err = flag(body, "stream", v.stream)
		}
	case Images:
		v.Stream, err = flag(body, "stream", v.stream)
	case Speech:
		v.Stream = doc.StreamFormat.Kind == jsonscan.String && jsonscan.Text(doc.StreamFormat.Of(body)) == "sse"
	}
	if err != nil {
		return Envelope{}, err
	}
	return v, nil
}

// Decode reads the body that v was found in as a chat completion, as [Dialect.Decode] does, without scanning it again.
func (v *Envelope) Decode(body []byte) (*llm.Request, error) {
	var w wireRequest
	// The scan has found no name twice; looking again would cost as much as the decoding.
	if err := json.Unmarshal(body, &w, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, mistyped(err)
	}
	return w.request()
}

// unreadable is the error of a body that the scan refused.
func unreadable(err error) error {
	const unreadable = "the request body cannot be read as JSON: "
	invalid := &llm.InvalidError{What: unreadable + err.Error(), Offset: -1}
	if e, ok := errors.AsType[*jsonscan.Error](err); ok {
		invalid.Kept, invalid.Offset = unreadable+e.Plain(), e.Offset
	}
	return invalid
}

func (v *Envelope) readModel(body []byte) error {
	switch v.model.Kind {
	case jsonscan.String:
		v.Model = jsonscan.Text(v.model.Of(body))
	case jsonscan.Absent, jsonscan.Null:
	default:
		return misfit("model", "must be a string", v.model)
	}
	return checkModel(v.Model)
}

// checkModel checks the name that a caller calls a model by.
func checkModel(name string) error {
	if name == "" {
		return wrong("model", "must be a non-empty string")
	}
	if len(name) > maxModel {
		return wrong("model", "must be at most %d bytes long", maxModel)
	}
	return nil
}

// readStream reads how a chat or a completion is to be answered.
func (v *Envelope) readStream(body []byte) (err error) {
	if v.Stream, err = flag(body, "stream", v.stream); err != nil {
		return err
	}
	switch v.options.Kind {
	case jsonscan.Absent, jsonscan.Null, jsonscan.Object:
	default:
		return misfit("stream_options", "must be an object", v.options)
	}
	v.StreamUsage, err = flag(body, "stream_options.include_usage", v.include)
	return err
}

// flag reads a member that is true, false, null or not there.
func flag(body []byte, name string, s jsonscan.Span) (bool, error) {
	switch s.Kind {
	case jsonscan.Absent, jsonscan.Null:
		return false, nil
	case jsonscan.Bool:
		return body[s.Start] == 't', nil
	}
	return false, misfit(name, "must be true or false", s)
}

// someMessages checks that there is a conversation.
func someMessages(body []byte, s jsonscan.Span) error {
	switch s.Kind {
	case jsonscan.Array:
		if hasContent(s.Of(body)) {
			return nil
		}
	case jsonscan.Absent, jsonscan.Null:
	default:
		return misfit("messages", "must be an array", s)
	}
	return wrong("messages", "must be a non-empty array")
}

// hasContent is whether there is anything but space in a string, an array or an object.
func hasContent(value []byte) bool {
	for _, c := range value[1 : len(value)-1] {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return true
		}
	}
	return false
}

// standsAlone refuses what rests on answers that the provider stored: it keeps them for all callers of our key together.
func standsAlone(body []byte, doc *jsonscan.Document) error {
	const why = "stored answers are not kept apart by caller; send the whole conversation in input instead"
	given := func(s jsonscan.Span) bool { return s.Kind != jsonscan.Absent && s.Kind != jsonscan.Null }
	if given(doc.PreviousResponseID) {
		return &llm.UnsupportedError{Param: "previous_response_id", Why: why}
	}
	if given(doc.Conversation) {
		return &llm.UnsupportedError{Param: "conversation", Why: why}
	}
	background, err := flag(body, "background", doc.Background)
	if background {
		return &llm.UnsupportedError{
			Param: "background", Why: "stored answers are not kept apart by caller; wait for the answer, or stream it, instead",
		}
	}
	return err
}

// misfit is the error of a member of the wrong type.
func misfit(name, must string, s jsonscan.Span) error {
	return &llm.InvalidError{What: name + " " + must, Offset: s.Start}
}
