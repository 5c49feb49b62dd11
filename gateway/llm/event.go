package llm

// Reply is a whole answer.
type Reply struct {
	ID        string
	Created   int64 // Unix seconds
	Text      string
	ToolCalls []ToolCall
	Finish    FinishReason
	Usage     Usage
}

// FinishReason is why an answer ended.
type FinishReason string

// The finish reasons, in OpenAI's words.
const (
	FinishStop      FinishReason = "stop"
	FinishLength    FinishReason = "length"
	FinishToolCalls FinishReason = "tool_calls"
	FinishFilter    FinishReason = "content_filter"
)

// Usage is what an answer cost, in tokens.
type Usage struct {
	Input  int64
	Output int64
}

// EventKind is what an Event brings.
type EventKind uint8

// The kinds of events. A stream is EventStart, any number of text and tool events, EventFinish, EventUsage.
const (
	EventStart    EventKind = iota // ID and Created are set
	EventText                      // Text is the next piece
	EventToolCall                  // a tool call begins: Index, Call.ID, Call.Name
	EventToolArgs                  // Text is the next piece of call Index's arguments
	EventFinish                    // Finish is set
	EventUsage                     // Usage is set
)

// Event is one piece of a streamed answer.
type Event struct {
	Kind    EventKind
	ID      string
	Created int64
	Text    string
	Index   int
	Call    ToolCall
	Finish  FinishReason
	Usage   Usage
}
