package openai

import (
	"github.com/go-json-experiment/json/jsontext"
)

// The types of this file are a request as it is on the wire. Pointers and raw values tell "not there" from
// the zero value; null counts as not there, as with OpenAI. Lists are checked entry by entry while they are
// decoded, and become entries of the neutral request at once: a body of empty objects shall not become a
// hundred times its size in memory before somebody looks.

type wireRequest struct {
	Model    string       `json:"model"`
	Messages wireMessages `json:"messages"`

	Tools             wireTools      `json:"tools"`
	ToolChoice        wireToolChoice `json:"tool_choice"`
	ParallelToolCalls *bool          `json:"parallel_tool_calls"`
	ResponseFormat    *wireFormat    `json:"response_format"`

	Stream        bool `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	MaxTokens           *int           `json:"max_tokens"`
	MaxCompletionTokens *int           `json:"max_completion_tokens"`
	Stop                wireStop       `json:"stop"`
	Temperature         *float64       `json:"temperature"`
	TopP                *float64       `json:"top_p"`
	FrequencyPenalty    *float64       `json:"frequency_penalty"`
	PresencePenalty     *float64       `json:"presence_penalty"`
	N                   *int           `json:"n"`
	LogProbs            bool           `json:"logprobs"`
	TopLogProbs         *int           `json:"top_logprobs"`
	Modalities          wireModalities `json:"modalities"`
	Audio               wireGiven      `json:"audio"`

	// What tools were called before 2024.
	Functions    wireGiven `json:"functions"`
	FunctionCall wireGiven `json:"function_call"`
}

type wireMessage struct {
	Role       string        `json:"role"`
	Content    wireContent   `json:"content"`
	Refusal    *string       `json:"refusal"`
	Audio      wireGiven     `json:"audio"`
	ToolCalls  wireToolCalls `json:"tool_calls"`
	ToolCallID string        `json:"tool_call_id"`

	FunctionCall wireGiven `json:"function_call"`
}

type wirePart struct {
	Type    string  `json:"type"`
	Text    *string `json:"text"`
	Refusal *string `json:"refusal"`

	ImageURL   wireObject `json:"image_url"`
	InputAudio wireObject `json:"input_audio"`
	File       wireObject `json:"file"`
}

type wireToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string  `json:"name"`
		Arguments *string `json:"arguments"`
	} `json:"function"`
}

type wireTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  jsontext.Value `json:"parameters"`
	} `json:"function"`
}

type wireFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Name   string         `json:"name"`
		Schema jsontext.Value `json:"schema"`
	} `json:"json_schema"`
}
