package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// apiError is an error in OpenAI's form.
type apiError struct {
	Message string
	Type    string
	Param   *string
	Code    *string
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// post sends a body and reads the error that comes back.
func post(t *testing.T, url, body string, headers ...string) (int, apiError) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read, or the test has failed
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failed struct{ Error apiError }
	if err := json.Unmarshal(raw, &failed); err != nil || failed.Error.Message == "" {
		t.Fatalf("status %d and no error in %q", answer.StatusCode, raw)
	}
	return answer.StatusCode, failed.Error
}

// greeting is a conversation, to which more fields may be added.
const greeting = `"messages":[{"role":"user","content":"Hello"}]`

// providerRefusals are requests which OpenAI refuses, after its API reference and its guide to error codes: what a
// gateway has no business to judge.
var providerRefusals = []struct {
	name, path, body string
	status           int
	param, code      string // of the provider; empty: null
}{
	{"a parameter of another provider", "/chat/completions", `{"model":"gpt-4o","top_k":40,` + greeting + `}`, 400, "", ""},
	{"a parameter that nobody knows", "/chat/completions", `{"model":"gpt-4o","temprature":1,` + greeting + `}`, 400, "", ""},
	{"a temperature over 2", "/chat/completions", `{"model":"gpt-4o","temperature":2.5,` + greeting + `}`, 400, "temperature", "decimal_above_max_value"},
	{"a temperature below 0", "/chat/completions", `{"model":"gpt-4o","temperature":-0.1,` + greeting + `}`, 400, "temperature", "decimal_below_min_value"},
	{"a temperature in words", "/chat/completions", `{"model":"gpt-4o","temperature":"warm",` + greeting + `}`, 400, "temperature", "invalid_type"},
	{"a top_p over 1", "/chat/completions", `{"model":"gpt-4o","top_p":1.5,` + greeting + `}`, 400, "top_p", "decimal_above_max_value"},
	{"a presence penalty over 2", "/chat/completions", `{"model":"gpt-4o","presence_penalty":3,` + greeting + `}`, 400, "presence_penalty", "decimal_above_max_value"},
	{"a frequency penalty below -2", "/chat/completions", `{"model":"gpt-4o","frequency_penalty":-3,` + greeting + `}`, 400, "frequency_penalty", "decimal_below_min_value"},
	{"no answer at all", "/chat/completions", `{"model":"gpt-4o","n":0,` + greeting + `}`, 400, "n", "integer_below_min_value"},
	{"too many answers", "/chat/completions", `{"model":"gpt-4o","n":129,` + greeting + `}`, 400, "n", "integer_above_max_value"},
	{"an answer of no tokens", "/chat/completions", `{"model":"gpt-4o","max_tokens":0,` + greeting + `}`, 400, "max_tokens", "integer_below_min_value"},
	{"a limit that is no whole number", "/chat/completions", `{"model":"gpt-4o","max_completion_tokens":1.5,` + greeting + `}`, 400, "max_completion_tokens", "invalid_type"},
	{"both limits of the answer", "/chat/completions", `{"model":"gpt-4o","max_tokens":5,"max_completion_tokens":5,` + greeting + `}`, 400, "max_tokens", "invalid_value"},
	{"the old limit on a model that reasons", "/chat/completions", `{"model":"o3-mini","max_tokens":5,` + greeting + `}`, 400, "max_tokens", "unsupported_parameter"},
	{"a temperature on a model that reasons", "/chat/completions", `{"model":"o3-mini","temperature":0.5,` + greeting + `}`, 400, "temperature", "unsupported_parameter"},
	{"five texts to stop at", "/chat/completions", `{"model":"gpt-4o","stop":["a","b","c","d","e"],` + greeting + `}`, 400, "stop", "array_above_max_length"},
	{"alternatives of tokens without their probabilities", "/chat/completions", `{"model":"gpt-4o","top_logprobs":3,` + greeting + `}`, 400, "top_logprobs", ""},
	{"too many alternatives of tokens", "/chat/completions", `{"model":"gpt-4o","logprobs":true,"top_logprobs":21,` + greeting + `}`, 400, "top_logprobs", "integer_above_max_value"},
	{"a bias out of range", "/chat/completions", `{"model":"gpt-4o","logit_bias":{"50256":101},` + greeting + `}`, 400, "logit_bias", ""},
	{"options of a stream without a stream", "/chat/completions", `{"model":"gpt-4o","stream_options":{"include_usage":true},` + greeting + `}`, 400, "stream_options", ""},
	{"an option of a stream that nobody knows", "/chat/completions", `{"model":"gpt-4o","stream":true,"stream_options":{"speed":"fast"},` + greeting + `}`, 400, "stream_options.speed", "unknown_parameter"},
	{"a tier of service that does not exist", "/chat/completions", `{"model":"gpt-4o","service_tier":"golden",` + greeting + `}`, 400, "service_tier", "invalid_value"},
	{"metadata that is no text", "/chat/completions", `{"model":"gpt-4o","metadata":{"a":1},` + greeting + `}`, 400, "metadata.a", "invalid_type"},
	{"a role that does not exist", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"robot","content":"Hello"}]}`, 400, "messages[0].role", "invalid_value"},
	{"a part of a message that does not exist", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"smell","smell":"rose"}]}]}`, 400, "messages[0].content[0]", "invalid_value"},
	{"an image without an address", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"cat.png"}}]}]}`, 400, "messages[0].content[0].image_url.url", "invalid_value"},
	{"a field of a message that nobody knows", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello","mood":"good"}]}`, 400, "messages[0].mood", "unknown_parameter"},
	{"a tool's result that nobody asked for", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"},{"role":"tool","tool_call_id":"call_1","content":"17"}]}`, 400, "messages.[1].role", ""},
	{"a call of a tool without its result", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"and?"}]}`, 400, "messages", ""},
	{"a result of another call", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_2","content":"17"}]}`, 400, "messages.[2].tool_call_id", ""},
	{"a choice of tools without tools", "/chat/completions", `{"model":"gpt-4o","tool_choice":"auto",` + greeting + `}`, 400, "tool_choice", ""},
	{"a choice of a tool that is not there", "/chat/completions", `{"model":"gpt-4o","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}},` + greeting + `}`, 400, "tool_choice", ""},
	{"parallel calls without tools", "/chat/completions", `{"model":"gpt-4o","parallel_tool_calls":true,` + greeting + `}`, 400, "parallel_tool_calls", ""},
	{"a tool with a name of two words", "/chat/completions", `{"model":"gpt-4o","tools":[{"type":"function","function":{"name":"get weather"}}],` + greeting + `}`, 400, "tools[0].function.name", "invalid_value"},
	{"a tool without a name", "/chat/completions", `{"model":"gpt-4o","tools":[{"type":"function","function":{}}],` + greeting + `}`, 400, "tools[0].function.name", "missing_required_parameter"},
	{"a tool whose parameters are no object", "/chat/completions", `{"model":"gpt-4o","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"string"}}}],` + greeting + `}`, 400, "tools[0].function.parameters", "invalid_function_parameters"},
	{"JSON that no message asks for", "/chat/completions", `{"model":"gpt-4o","response_format":{"type":"json_object"},` + greeting + `}`, 400, "messages", ""},
	{"a schema that is not there", "/chat/completions", `{"model":"gpt-4o","response_format":{"type":"json_schema"},` + greeting + `}`, 400, "response_format.json_schema", "missing_required_parameter"},
	{"a schema with a name of two words", "/chat/completions", `{"model":"gpt-4o","response_format":{"type":"json_schema","json_schema":{"name":"my place","schema":{}}},` + greeting + `}`, 400, "response_format.json_schema.name", "invalid_value"},
	{"a strict schema that is open", "/chat/completions", `{"model":"gpt-4o","response_format":{"type":"json_schema","json_schema":{"name":"place","strict":true,"schema":{"type":"object"}}},` + greeting + `}`, 400, "response_format", ""},
	{"a form of answer that does not exist", "/chat/completions", `{"model":"gpt-4o","response_format":{"type":"xml"},` + greeting + `}`, 400, "response_format", "invalid_value"},
	{"a chat with a model that embeds", "/chat/completions", `{"model":"text-embedding-3-small",` + greeting + `}`, 404, "model", ""},
	{"a model after the provider's name that it does not have", "/chat/completions", `{"model":"openai/gpt-99",` + greeting + `}`, 404, "", "model_not_found"},
	{"a prompt that is too long", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"error:400"}]}`, 400, "messages", "context_length_exceeded"},
	{"an account without credit", "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"error:quota"}]}`, 429, "", "insufficient_quota"},
	{"an embedding of nothing", "/embeddings", `{"model":"text-embedding-3-small","input":""}`, 400, "input", ""},
	{"an embedding in a form that does not exist", "/embeddings", `{"model":"text-embedding-3-small","input":"a","encoding_format":"hex"}`, 400, "encoding_format", "invalid_value"},
	{"an embedding by a model that talks", "/embeddings", `{"model":"gpt-4o","input":"a"}`, 403, "", ""},
	{"a response without an input", "/responses", `{"model":"gpt-4o"}`, 400, "input", "missing_required_parameter"},
	{"a response to messages", "/responses", `{"model":"gpt-4o","input":"Hello","messages":[]}`, 400, "", ""},
	{"a result of a call that was not made", "/responses", `{"model":"gpt-4o","input":[{"type":"function_call_output","call_id":"call_1","output":"17"}]}`, 400, "input[0]", ""},
	{"too short a response", "/responses", `{"model":"gpt-4o","input":"Hello","max_output_tokens":1}`, 400, "max_output_tokens", "integer_below_min_value"},
	{"a voice that does not exist", "/audio/speech", `{"model":"tts-1","input":"Hello","voice":"tenor"}`, 400, "voice", "invalid_value"},
	{"an image of an odd size", "/images/generations", `{"model":"dall-e-3","prompt":"a cat","size":"1x1"}`, 400, "size", "invalid_value"},
}

// mappedAs is what the contract makes of a provider's status: a type, and what stands before the provider's words.
var mappedAs = map[int]struct{ kind, prefix string }{
	400: {"invalid_request_error", "Invalid request: "}, 401: {"authentication_error", "Authentication failed: "},
	403: {"insufficient_quota", "Insufficient quota: "}, 404: {"not_found_error", ""}, 429: {"rate_limit_error", "Rate limit exceeded: "},
}

func TestWhatTheProviderRefusesReachesTheCallerInItsWords(t *testing.T) {
	nexus, p := behindNexus(t)
	for _, c := range providerRefusals {
		for _, stream := range []bool{false, true} {
			body, name := c.body, c.name
			if stream {
				if c.path != "/chat/completions" || strings.Contains(body, `"stream`) {
					continue // it has no stream, or is about streams itself
				}
				body, name = strings.Replace(body, "{", `{"stream":true,`, 1), name+", before a stream begins"
			}
			t.Run(name, func(t *testing.T) {
				status, theirs := post(t, p.URL+c.path, strings.Replace(body, "openai/", "", 1), "Authorization", "Bearer "+p.Key, "Accept-Encoding", "identity")
				if status != c.status || textOf(theirs.Param) != c.param || textOf(theirs.Code) != c.code {
					t.Fatalf("the provider itself answers %d, param %q, code %q: %s",
						status, textOf(theirs.Param), textOf(theirs.Code), theirs.Message)
				}
				asked := p.Asked()
				status, ours := post(t, nexus.URL+"/llm/v1"+c.path, body, "X-Client-ID", "alice")
				want := mappedAs[c.status]
				code := c.code
				if code == "" {
					code = "provider_error"
				}
				// Where Nexus has asked for the usage, and options of streams are refused, it tries again without.
				if n := p.Asked() - asked; n != 1 && !(n == 2 && strings.Contains(c.param, "stream_options.")) {
					t.Errorf("the provider was asked %d times", p.Asked()-asked)
				}
				if status != c.status || ours.Type != want.kind || textOf(ours.Code) != code || textOf(ours.Param) != c.param {
					t.Errorf("got %d, type %q, param %q, code %q", status, ours.Type, textOf(ours.Param), textOf(ours.Code))
				}
				if ours.Message != want.prefix+theirs.Message {
					t.Errorf("message %q, want %q and %q", ours.Message, want.prefix, theirs.Message)
				}
			})
		}
	}
}

func TestAWrongKeyIsToldWithoutTheKey(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	wrong := "sk-proj-wrong-key-of-the-operator-0123456789"
	nexus := gatewaytest.Start(t, callers+strings.Replace(p.Config(), p.Key, wrong, 1))
	status, failed := post(t, nexus.URL+"/llm/v1/chat/completions", `{"model":"openai/gpt-4o",`+greeting+`}`, "X-Client-ID", "alice")
	if status != 401 || failed.Type != "authentication_error" || textOf(failed.Code) != "invalid_api_key" ||
		!strings.HasPrefix(failed.Message, "Authentication failed: Incorrect API key provided") {
		t.Errorf("status %d, %+v, code %q", status, failed, textOf(failed.Code))
	}
	for i := 0; i+4 <= len(wrong); i++ {
		if part := wrong[i : i+4]; part != "-key" && strings.Contains(failed.Message, part) {
			t.Errorf("a part of the key, %q, is in %q", part, failed.Message)
		}
	}
	if p.Asked() == 0 {
		t.Error("the provider was not asked")
	}
	if strings.Contains(nexus.Output(), wrong) || strings.Contains(nexus.Output(), "Incorrect API key") {
		t.Errorf("the provider's words or the key are in the log:\n%s", nexus.Output())
	}
}

// TestWhatNexusRefusesDoesNotReachTheProvider: the few things that a gateway must judge itself.
func TestWhatNexusRefusesDoesNotReachTheProvider(t *testing.T) {
	nexus, p := behindNexus(t)
	for _, c := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"a body that is no JSON", "/chat/completions", `{"model":`, 400, "invalid_request"},
		{"a body that is no object", "/embeddings", `[]`, 400, "invalid_request"},
		{"a model named twice", "/chat/completions", `{"model":"gpt-4o","model":"gpt-4o-mini",` + greeting + `}`, 400, "invalid_request"},
		{"any field named twice, anywhere", "/responses", `{"model":"gpt-4o","input":[{"role":"user","role":"system","content":"x"}]}`, 400, "invalid_request"},
		{"no model", "/embeddings", `{"input":"x"}`, 400, "invalid_request"},
		{"an empty model", "/chat/completions", `{"model":"openai/",` + greeting + `}`, 400, "invalid_request"},
		{"a model that nobody has", "/chat/completions", `{"model":"gpt-99",` + greeting + `}`, 404, "model_not_found"},
		{"a provider that is not in the file", "/chat/completions", `{"model":"nobody/gpt-4o",` + greeting + `}`, 404, "provider_not_found"},
		{"an answer of before", "/responses", `{"model":"gpt-4o","input":"x","previous_response_id":"resp_1"}`, 400, "unsupported_parameter"},
		{"a conversation that is kept", "/responses", `{"model":"gpt-4o","input":"x","conversation":"conv_1"}`, 400, "unsupported_parameter"},
		{"an answer in the background", "/responses", `{"model":"gpt-4o","input":"x","background":true}`, 400, "unsupported_parameter"},
		{"an endpoint of the account", "/files", `{"model":"gpt-4o"}`, 404, "endpoint_unknown"},
		{"an endpoint that takes files", "/images/edits", `{"model":"gpt-4o"}`, 404, "endpoint_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := p.Asked()
			status, failed := post(t, nexus.URL+"/llm/v1"+c.path, c.body, "X-Client-ID", "alice")
			if status != c.status || textOf(failed.Code) != c.code {
				t.Errorf("status %d, code %q: %s", status, textOf(failed.Code), failed.Message)
			}
			if p.Asked() != asked {
				t.Error("it reached the provider")
			}
		})
	}
}

// TestWhatIsSentIsWhatArrives: the model's name is all that changes on the way.
func TestWhatIsSentIsWhatArrives(t *testing.T) {
	nexus, p := behindNexus(t)
	p.Answer("", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{ "zeta":1.0, "model" : "gpt-4o-2024-08-06","big":12345678901234567890,"e":1E2,"é":"\u00e9","choices":[] }`)
	})
	body := `{ "zeta" : 1.0,"big":12345678901234567890, "e":1E2,"é":"\u00e9", "model" :  "openai/gpt-4o" ,` + "\n" + greeting + `, "odd":{"b":1,"a":[ ]}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, nexus.URL+"/llm/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Client-Id": {"alice"}, "Cookie": {"a=b"}, "Openai-Beta": {"x=v1"}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read, or the test has failed
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(body, "openai/gpt-4o", "gpt-4o", 1); string(p.Last(t).Body) != want {
		t.Errorf("the provider got\n%s\nwant\n%s", p.Last(t).Body, want)
	}
	if want := `{ "zeta":1.0, "model" : "openai/gpt-4o","big":12345678901234567890,"e":1E2,"é":"\u00e9","choices":[] }`; string(got) != want {
		t.Errorf("the caller got\n%s\nwant\n%s", got, want)
	}
	if beta := p.Last(t).Header.Get("Openai-Beta"); beta != "x=v1" {
		t.Errorf("OpenAI-Beta arrived as %q", beta)
	}
}
