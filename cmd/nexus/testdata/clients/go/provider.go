package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
)

// chatModel is a model of OpenAI's double.
const chatModel = "gpt-4o"

func providerChecks() []check {
	return slices.Concat([]check{
		{"a chat is answered under the name that was asked for", answered},
		{"a stream is whole and in order", longStream},
		{"a stream reports usage when asked", usageOfStream},
		{"two tools are called at once, and their results come back", twoTools},
		{"a tool call is put together from a stream", toolsOfStream},
		{"the models are listed, and one is retrieved", modelsOfProvider},
		{"embeddings come as numbers", embeddings},
		{"a response is answered", response},
		{"a response is streamed", responseStream},
		{"a response calls a tool, and gets its result", responseTool},
		{"the older endpoints answer, too", olderEndpoints},
		{"sound comes through byte for byte", sound},
		{"an answer that breaks off is an error", brokenAnswer},
		{"a stream that breaks off is an error, after what came before", brokenStream},
		{"a response that breaks off is an error", brokenResponse},
		{"a provider that falls silent inside a stream is an error", silentStream},
		{"a caller who waits no longer is told so", impatient},
		{"a stream that the caller leaves is no error", leaveStream},
	}, failures())
}

func prompt(text string) openai.ChatCompletionNewParams {
	params := say(text)
	params.Model = chatModel
	return params
}

func answered(ctx context.Context) error {
	client := known()
	for _, name := range []string{chatModel, "openai/" + chatModel} {
		params := prompt("Hello")
		params.Model = name
		answer, err := client.Chat.Completions.New(ctx, params)
		switch {
		case err != nil:
			return err
		case answer.Model != name:
			return fmt.Errorf("model %q", answer.Model)
		case len(answer.Choices) != 1 || answer.Choices[0].Message.Content != "You said: Hello" || answer.Choices[0].FinishReason != "stop":
			return fmt.Errorf("answer %s", answer.RawJSON())
		}
		if err := usable(answer.Usage); err != nil {
			return err
		}
	}
	return nil
}

func longStream(ctx context.Context) error {
	whole, chunks, err := read(ctx, prompt("words:100"))
	if err != nil {
		return err
	}
	if got, want := whole.Choices[0].Message.Content, strings.TrimSuffix(strings.Repeat("word ", 100), " "); got != want {
		return fmt.Errorf("streamed %q", got)
	}
	for _, chunk := range chunks {
		if chunk.Model != chatModel || len(chunk.Choices) != 1 || chunk.Usage.TotalTokens != 0 {
			return fmt.Errorf("a chunk of another model, or with usage: %s", chunk.RawJSON())
		}
	}
	return nil
}

func usageOfStream(ctx context.Context) error {
	params := prompt("Hello")
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

func twoTools(ctx context.Context) error {
	client := known()
	params := prompt("tool:2 weather?")
	params.Tools = weather()
	answer, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		return err
	}
	message := answer.Choices[0].Message
	if len(message.ToolCalls) != 2 || answer.Choices[0].FinishReason != "tool_calls" {
		return fmt.Errorf("not two calls in %s", answer.RawJSON())
	}
	params.Messages = append(params.Messages, message.ToParam())
	for _, call := range message.ToolCalls {
		params.Messages = append(params.Messages, openai.ToolMessage("17 degrees", call.ID))
	}
	if answer, err = client.Chat.Completions.New(ctx, params); err != nil {
		return err
	}
	if text := answer.Choices[0].Message.Content; text != "The tool said: 17 degrees" {
		return fmt.Errorf("answer %q", text)
	}
	return nil
}

func toolsOfStream(ctx context.Context) error {
	params := prompt("tool:2 please")
	params.Tools = weather()
	whole, _, err := read(ctx, params)
	if err != nil {
		return err
	}
	calls := whole.Choices[0].Message.ToolCalls
	if len(calls) != 2 || calls[1].Function.Arguments != `{"city":"Paris"}` {
		return fmt.Errorf("the assembled calls are %+v", calls)
	}
	return nil
}

func modelsOfProvider(ctx context.Context) error {
	client := known()
	list, err := client.Models.List(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list.Data, func(m openai.Model) bool { return m.ID == chatModel }) {
		return fmt.Errorf("no %s in %s", chatModel, list.RawJSON())
	}
	m, err := client.Models.Get(ctx, chatModel)
	if err == nil && m.ID != chatModel {
		return fmt.Errorf("got %q", m.ID)
	}
	return err
}

func embeddings(ctx context.Context) error {
	client := known()
	answer, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Dimensions: param.NewOpt[int64](4),
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}},
	})
	if err != nil {
		return err
	}
	if len(answer.Data) != 2 || !slices.Equal(answer.Data[0].Embedding, []float64{-0.5, -0.375, -0.25, -0.125}) {
		return fmt.Errorf("embeddings %s", answer.RawJSON())
	}
	return nil
}

func toRespond(text string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: chatModel, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(text)},
	}
}

func response(ctx context.Context) error {
	client := known()
	answer, err := client.Responses.New(ctx, toRespond("Hello"))
	if err != nil {
		return err
	}
	if answer.OutputText() != "You said: Hello" || answer.Model != chatModel || answer.Usage.InputTokens <= 0 {
		return fmt.Errorf("answer %s", answer.RawJSON())
	}
	return nil
}

// respond streams a response to its end: the text of its deltas, and its last event.
func respond(ctx context.Context, text string) (string, responses.ResponseStreamEventUnion, error) {
	client := known()
	var said strings.Builder
	var last responses.ResponseStreamEventUnion
	events := client.Responses.NewStreaming(ctx, toRespond(text))
	for number := int64(0); events.Next(); number++ {
		last = events.Current()
		if last.SequenceNumber != number {
			return said.String(), last, fmt.Errorf("event %d has the number %d", number, last.SequenceNumber)
		}
		if last.Type == "response.output_text.delta" {
			said.WriteString(last.Delta)
		}
	}
	return said.String(), last, events.Err()
}

func responseStream(ctx context.Context) error {
	said, last, err := respond(ctx, "Hello")
	if err != nil {
		return err
	}
	if said != "You said: Hello" || last.Type != "response.completed" || last.Response.Model != chatModel {
		return fmt.Errorf("streamed %q, the last event is %s", said, last.RawJSON())
	}
	return nil
}

func responseTool(ctx context.Context) error {
	client := known()
	function := weather()[0].OfFunction.Function
	params := responses.ResponseNewParams{
		Model: chatModel,
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("tool: weather?", responses.EasyInputMessageRoleUser),
		}},
		Tools: []responses.ToolUnionParam{responses.ToolParamOfFunction(function.Name, function.Parameters, false)},
	}
	answer, err := client.Responses.New(ctx, params)
	if err != nil {
		return err
	}
	if len(answer.Output) != 1 || answer.Output[0].Type != "function_call" {
		return fmt.Errorf("no call in %s", answer.RawJSON())
	}
	call := answer.Output[0].AsFunctionCall()
	result := responses.ResponseInputItemParamOfFunctionCallOutput("17 degrees")
	result.OfFunctionCallOutput.CallID = openai.String(call.CallID)
	params.Input.OfInputItemList = append(params.Input.OfInputItemList,
		responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name), result)
	if answer, err = client.Responses.New(ctx, params); err != nil {
		return err
	}
	if answer.OutputText() != "The tool said: 17 degrees" {
		return fmt.Errorf("answer %q", answer.OutputText())
	}
	return nil
}

func olderEndpoints(ctx context.Context) error {
	client := known()
	text, err := client.Completions.New(ctx, openai.CompletionNewParams{
		Model: "gpt-3.5-turbo-instruct", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Hello")},
	})
	if err != nil || len(text.Choices) != 1 || text.Choices[0].Text != "You said: Hello" {
		return fmt.Errorf("completion: %+v, %w", text, err)
	}
	judged, err := client.Moderations.New(ctx, openai.ModerationNewParams{
		Model: "omni-moderation-latest", Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("Hello")},
	})
	if err != nil || len(judged.Results) != 1 {
		return fmt.Errorf("moderation: %+v, %w", judged, err)
	}
	image, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Model: "gpt-image-1", Prompt: "a cat"})
	if err != nil || len(image.Data) != 1 || image.Data[0].B64JSON == "" {
		return fmt.Errorf("image: %+v, %w", image, err)
	}
	return nil
}

func sound(ctx context.Context) error {
	client := known()
	answer, err := client.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{
		Model: "tts-1", Input: "Hello", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
	})
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if want := "ID3\x04\x00\x00\xff\xfb\x90\x64\x00\x80\xfe"; !bytes.Equal(body, []byte(want)) {
		return fmt.Errorf("heard %x", body)
	}
	return nil
}

func brokenAnswer(ctx context.Context) error {
	client := known()
	if answer, err := client.Chat.Completions.New(ctx, prompt("cut:1")); err == nil {
		return fmt.Errorf("answered %s", answer.RawJSON())
	}
	return nil
}

func brokenStream(ctx context.Context) error {
	_, chunks, err := read(ctx, prompt("cut:3 one two three"))
	if err == nil || len(chunks) != 3 {
		return fmt.Errorf("%d chunks, error %v", len(chunks), err)
	}
	return nil
}

func brokenResponse(ctx context.Context) error {
	if _, last, err := respond(ctx, "cut:6 one two three"); err == nil && last.Type != "error" {
		return fmt.Errorf("no error; the last event is %s", last.RawJSON())
	}
	return nil
}

func silentStream(ctx context.Context) error {
	params := prompt("stall:3 one two three")
	params.Model = "hasty/" + chatModel
	if _, chunks, err := read(ctx, params); err == nil || ctx.Err() != nil {
		return fmt.Errorf("%d chunks, error %v", len(chunks), err)
	}
	return nil
}

func impatient(ctx context.Context) error {
	client := known()
	_, err := client.Chat.Completions.New(ctx, prompt("stall:0"), option.WithRequestTimeout(300*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("error %v", err)
	}
	return nil
}

func leaveStream(ctx context.Context) error {
	client := known()
	events := client.Chat.Completions.NewStreaming(ctx, prompt("slow:50ms words:100"))
	if !events.Next() {
		return fmt.Errorf("no first chunk: %w", events.Err())
	}
	return events.Close()
}

// failures are calls that fail at the provider, each with what Nexus promises of the error.
func failures() []check {
	var all []check
	for _, f := range []struct {
		model, prompt string
		status        int
		kind, code    string
		message       string // how it begins
	}{
		{"", "error:400", 400, "invalid_request_error", "context_length_exceeded", "Invalid request: This model's"},
		{"", "error:401", 401, "authentication_error", "invalid_api_key", "Authentication failed: "},
		{"", "error:403", 403, "insufficient_quota", "unsupported_country_region_territory", "Insufficient quota: "},
		{"", "error:404", 404, "not_found_error", "model_not_found", "The model"},
		{"", "error:409", 409, "invalid_request_error", "conflict", "Invalid request: "},
		{"", "error:422", 422, "invalid_request_error", "unprocessable_entity", "Invalid request: "},
		{"", "error:429", 429, "rate_limit_error", "rate_limit_exceeded", "Rate limit exceeded: "},
		{"", "error:quota", 429, "rate_limit_error", "insufficient_quota", "Rate limit exceeded: You exceeded"},
		{"", "error:500", 500, "internal_error", "provider_error", "The server had an error"},
		{"", "error:503", 502, "api_error", "provider_error", "Provider API error (503): "},
		{"gone/gpt-4o", "Hello", 502, "api_error", "provider_unreachable", "Connection error: "},
		{"hasty/gpt-4o", "stall:0", 504, "api_error", "provider_timeout", ""},
	} {
		params := prompt(f.prompt)
		if f.model != "" {
			params.Model = f.model
		}
		expect := func(err error) error {
			var failure *openai.Error
			if !errors.As(err, &failure) {
				return fmt.Errorf("not an API error: %v", err)
			}
			if failure.StatusCode != f.status || failure.Type != f.kind || failure.Code != f.code ||
				!strings.HasPrefix(failure.Message, f.message) || !json.Valid([]byte(failure.RawJSON())) {
				return fmt.Errorf("want %d %s %s, got %d %s", f.status, f.kind, f.code, failure.StatusCode, failure.RawJSON())
			}
			return nil
		}
		name := strings.TrimSpace(fmt.Sprintf("%s %q arrives as %d %s", f.model, f.prompt, f.status, f.code))
		all = append(all, check{name, func(ctx context.Context) error {
			client := known()
			_, err := client.Chat.Completions.New(ctx, params)
			return expect(err)
		}}, check{name + ", before a stream begins", func(ctx context.Context) error {
			_, _, err := read(ctx, params)
			return expect(err)
		}})
	}
	return all
}
