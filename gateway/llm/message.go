// Package llm is a conversation in nobody's wire format: what a caller asks ([Request]), what a
// provider answers ([Reply], or a sequence of [Event]), and the two interfaces between which it
// travels: a [Dialect] that callers speak and a [Provider] that answers. Everything that knows one
// vendor's JSON lives in the packages below it.
package llm

import "strings"

// Request is one chat completion, as a dialect decoded it. Its strings own their bytes: the body that they
// came from may be used again.
type Request struct {
	// Model is the name that the caller used, whole: "gpt-4" or "openai/gpt-4".
	Model    string
	Messages []Message

	Tools      []Tool
	ToolChoice ToolChoice
	// ParallelToolCalls is whether one answer may call more than one tool; nil: the provider's default.
	ParallelToolCalls *bool

	Stream bool
	// StreamUsage is set when the caller asked for the usage at the end of a stream.
	StreamUsage bool

	// MaxTokens bounds the answer; 0: the caller did not say.
	MaxTokens   int
	Stop        []string
	Temperature *float64
	TopP        *float64
	Format      Format

	// N is how many answers are wanted; 0 and 1 are one.
	N                int
	LogProbs         bool
	TopLogProbs      int
	FrequencyPenalty float64
	PresencePenalty  float64
	// Audio is set when the answer should be spoken, too.
	Audio bool
}

// Role is who said a message.
type Role string

// The roles of a message. RoleDeveloper is the newer name of RoleSystem.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one turn of the conversation.
type Message struct {
	Role  Role
	Parts []Part
	// ToolCalls are the calls that an assistant's message made.
	ToolCalls []ToolCall
	// ToolCallID is the call that a tool's message answers.
	ToolCallID string
}

// Text is what the message says: the texts of its parts, one after another.
func (m *Message) Text() string {
	if len(m.Parts) == 1 {
		return m.Parts[0].Text
	}
	var text strings.Builder
	for _, p := range m.Parts {
		text.WriteString(p.Text)
	}
	return text.String()
}

// Part is one piece of a message: something said, in text, or something else (an image, a file) of which only
// the kind is known.
type Part struct {
	Kind string // "text", "refusal"; without Text: "image_url", "input_audio", "file", "audio"
	Text string
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	// Parameters is the JSON Schema of the arguments; nil: none are taken.
	Parameters []byte
}

// ToolChoice says whether a tool must be called.
type ToolChoice struct {
	Mode ToolMode
	Name string // of the one tool to call, with ToolNamed
}

// ToolMode is how free the model is in calling tools.
type ToolMode uint8

// The tool modes. The zero value leaves it to the model.
const (
	ToolAuto ToolMode = iota
	ToolNone
	ToolRequired
	ToolNamed
)

// ToolCall is one call of a tool.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON, as the model wrote it
}

// Format is the form that the answer's text must have.
type Format struct {
	Kind   FormatKind
	Name   string // of the schema, with FormatSchema
	Schema []byte // JSON Schema, with FormatSchema
}

// FormatKind is the kind of a Format.
type FormatKind uint8

// The kinds of a format. The zero value is plain text.
const (
	FormatText FormatKind = iota
	FormatJSON
	FormatSchema
)
