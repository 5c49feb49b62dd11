// Command clients drives a running Nexus with the unmodified OpenAI client for Go and says what it saw,
// one JSON object a line: {"name": "…", "error": null or "…"}. The address comes from NEXUS_URL. With the
// argument "provider" the provider behind is OpenAI's double, else it is the built-in demo, with "backoff" behind a limit. The exit code
// is 0 if every check was carried out, whatever it found: the reader of the lines judges.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const (
	model     = "demo-1"
	callLimit = 20 * time.Second
)

func main() {
	out := json.NewEncoder(os.Stdout)
	all := checks()
	if len(os.Args) > 1 {
		all = map[string][]check{"provider": providerChecks(), "backoff": backoffChecks()}[os.Args[1]]
	}
	for _, c := range all {
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		var text *string
		if err := c.run(ctx); err != nil {
			s := err.Error()
			text = &s
		}
		cancel()
		if err := out.Encode(map[string]any{"name": c.name, "error": text}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// connect is a client that says who it is with headers, given as name, value, name, value.
func connect(headers ...string) openai.Client {
	options := []option.RequestOption{
		option.WithBaseURL(os.Getenv("NEXUS_URL") + "/llm/v1/"),
		option.WithAPIKey("unused"),
		option.WithMaxRetries(0),
	}
	for i := 0; i+1 < len(headers); i += 2 {
		options = append(options, option.WithHeader(headers[i], headers[i+1]))
	}
	return openai.NewClient(options...)
}

func known() openai.Client { return connect("X-Client-ID", "go-client", "X-User-Tier", "pro") }

func say(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
	}
}

func weather() []openai.ChatCompletionToolUnionParam {
	return []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name:        "get_weather",
		Description: openai.String("The weather of a city"),
		Parameters: openai.FunctionParameters{
			"type":       "object",
			"properties": map[string]any{"city": map[string]any{"type": "string"}},
			"required":   []string{"city"},
		},
	})}
}

type check struct {
	name string
	run  func(context.Context) error
}

func checks() []check {
	return append([]check{
		{"a chat is answered", chat},
		{"a stream says what the whole answer says", stream},
		{"a stream reports usage when asked", streamUsage},
		{"a tool is called and its result is quoted", toolLoop},
		{"a tool call arrives in a stream", toolStream},
		{"the models are listed", models},
		{"one model is retrieved", oneModel},
		{"a stream that the caller leaves is no error", leave},
	}, refusals()...)
}

func chat(ctx context.Context) error {
	client := known()
	answer, err := client.Chat.Completions.New(ctx, say("Hello"))
	if err != nil {
		return err
	}
	switch {
	case len(answer.Choices) != 1 || answer.Choices[0].Message.Content == "":
		return fmt.Errorf("no text in %s", answer.RawJSON())
	case answer.Model != model:
		return fmt.Errorf("model %q", answer.Model)
	case answer.Choices[0].FinishReason != "stop":
		return fmt.Errorf("finish reason %q", answer.Choices[0].FinishReason)
	}
	return usable(answer.Usage)
}

func usable(usage openai.CompletionUsage) error {
	if usage.PromptTokens <= 0 || usage.CompletionTokens <= 0 || usage.TotalTokens != usage.PromptTokens+usage.CompletionTokens {
		return fmt.Errorf("usage %s", usage.RawJSON())
	}
	return nil
}

// read streams an answer to its end.
func read(ctx context.Context, params openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, []openai.ChatCompletionChunk, error) {
	client := known()
	var whole openai.ChatCompletionAccumulator
	var chunks []openai.ChatCompletionChunk
	events := client.Chat.Completions.NewStreaming(ctx, params)
	for events.Next() {
		chunk := events.Current()
		chunks = append(chunks, chunk)
		if !whole.AddChunk(chunk) {
			return whole, chunks, fmt.Errorf("a chunk that does not fit the ones before: %s", chunk.RawJSON())
		}
	}
	return whole, chunks, events.Err()
}

func stream(ctx context.Context) error {
	client := known()
	want, err := client.Chat.Completions.New(ctx, say("Hello"))
	if err != nil {
		return err
	}
	got, chunks, err := read(ctx, say("Hello"))
	if err != nil {
		return err
	}
	switch {
	case len(chunks) < 3:
		return fmt.Errorf("a stream of %d chunks", len(chunks))
	case got.Choices[0].Message.Content != want.Choices[0].Message.Content:
		return fmt.Errorf("streamed %q, whole %q", got.Choices[0].Message.Content, want.Choices[0].Message.Content)
	case got.Choices[0].FinishReason != "stop":
		return fmt.Errorf("finish reason %q", got.Choices[0].FinishReason)
	}
	for _, chunk := range chunks {
		if len(chunk.Choices) != 1 {
			return fmt.Errorf("a usage chunk that nobody asked for: %s", chunk.RawJSON())
		}
	}
	return nil
}

func streamUsage(ctx context.Context) error {
	params := say("Hello")
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	whole, chunks, err := read(ctx, params)
	if err != nil {
		return err
	}
	if last := chunks[len(chunks)-1]; len(last.Choices) != 0 {
		return fmt.Errorf("the last chunk has choices: %s", last.RawJSON())
	}
	return usable(whole.Usage)
}

func toolLoop(ctx context.Context) error {
	client := known()
	params := say("tool: what is the weather in Paris?")
	params.Tools = weather()
	answer, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		return err
	}
	message := answer.Choices[0].Message
	if len(message.ToolCalls) != 1 || message.ToolCalls[0].Function.Name != "get_weather" {
		return fmt.Errorf("no call of the tool in %s", answer.RawJSON())
	}
	if reason := answer.Choices[0].FinishReason; reason != "tool_calls" {
		return fmt.Errorf("finish reason %q", reason)
	}
	params.Messages = append(params.Messages, message.ToParam(),
		openai.ToolMessage("17 degrees and windy", message.ToolCalls[0].ID))
	if answer, err = client.Chat.Completions.New(ctx, params); err != nil {
		return err
	}
	if !strings.Contains(answer.Choices[0].Message.Content, "17 degrees and windy") {
		return fmt.Errorf("the result is not quoted in %q", answer.Choices[0].Message.Content)
	}
	return nil
}

func toolStream(ctx context.Context) error {
	params := say("tool: please")
	params.Tools = weather()
	whole, _, err := read(ctx, params)
	if err != nil {
		return err
	}
	calls := whole.Choices[0].Message.ToolCalls
	if len(calls) != 1 || calls[0].Function.Name != "get_weather" || !json.Valid([]byte(calls[0].Function.Arguments)) {
		return fmt.Errorf("the assembled calls are %+v", calls)
	}
	return nil
}

func models(ctx context.Context) error {
	client := known()
	list, err := client.Models.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range list.Data {
		if m.ID == model {
			return nil
		}
	}
	return fmt.Errorf("no %s in %s", model, list.RawJSON())
}

func oneModel(ctx context.Context) error {
	client := known()
	m, err := client.Models.Get(ctx, model)
	if err == nil && m.ID != model {
		return fmt.Errorf("got %q", m.ID)
	}
	return err
}

func leave(ctx context.Context) error {
	client := known()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := client.Chat.Completions.NewStreaming(ctx, say("slow:50ms tell me more"))
	if !events.Next() {
		return fmt.Errorf("no first chunk: %w", events.Err())
	}
	return events.Close()
}

// refusals are calls that must fail, each with what Nexus promises of the error.
func refusals() []check {
	chatAs := func(client openai.Client, params openai.ChatCompletionNewParams) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.Chat.Completions.New(ctx, params)
			return err
		}
	}
	ask := func(method, path string) func(context.Context) error {
		client := known()
		return func(ctx context.Context) error {
			return client.Execute(ctx, method, path, nil, nil)
		}
	}
	unknown := say("Hello")
	unknown.Model = "demo-99"
	stranger := connect("X-Client-ID", "go-client", "X-User-Tier", "enterprize")
	return []check{
		{"a call without a client id is refused", refused(chatAs(connect(), say("Hello")), 400, "missing_client_id")},
		{"a group outside group_values is refused", refused(chatAs(stranger, say("Hello")), 400, "invalid_group")},
		{"an unknown model is not found", refused(chatAs(known(), unknown), 404, "model_not_found")},
		{"an unknown path is not found", refused(ask(http.MethodPost, "chat/nowhere"), 404, "endpoint_unknown")},
		{"a GET on chat completions is told what is allowed", refused(ask(http.MethodGet, "chat/completions"), 405, "method_not_allowed")},
		{"a provider's 429 is a rate limit error", refused(chatAs(known(), say("error:429")), 429, "")},
	}
}

// refused turns a call that must fail into a check. An empty code is one that Nexus does not promise.
func refused(call func(context.Context) error, status int, code string) func(context.Context) error {
	return func(ctx context.Context) error {
		err := call(ctx)
		var failure *openai.Error
		if !errors.As(err, &failure) {
			return fmt.Errorf("not an API error: %v", err)
		}
		if failure.StatusCode != status || code != "" && failure.Code != code || failure.Message == "" || failure.Type == "" {
			return fmt.Errorf("want %d %s, got %d %s", status, code, failure.StatusCode, failure.RawJSON())
		}
		return nil
	}
}
