package gatewaytest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// ask sends a body to the provider as a gateway would.
func ask(t *testing.T, p *gatewaytest.Provider, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.Key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// plain adds no header of its own and follows nothing.
var plain = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 20 * time.Second}

func bodyOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// chunks are the data of a stream's events.
func chunks(t *testing.T, answer *http.Response) (data []string) {
	t.Helper()
	for _, event := range strings.Split(strings.TrimSuffix(bodyOf(t, answer), "\n\n"), "\n\n") {
		text, ok := strings.CutPrefix(event, "data: ")
		if !ok {
			t.Fatalf("an event without data: %q", event)
		}
		data = append(data, text)
	}
	return data
}

func chatOf(more, text string) string {
	return fmt.Sprintf(`{"model":"gpt-4o",%s"messages":[{"role":"user","content":%q}]}`, more, text)
}

func TestTheProviderStreamsAsOpenAIDoes(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	for _, c := range []struct {
		name, more, want string
	}{
		{"without usage where nobody asked", `"stream":true,`, ""},
		{"with usage at the end, and null before, where somebody asked", `"stream":true,"stream_options":{"include_usage":true},`, "usage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := chunks(t, ask(t, p, "/chat/completions", chatOf(c.more, "words:3")))
			if last := data[len(data)-1]; last != "[DONE]" {
				t.Errorf("the stream ends with %s", last)
			}
			asked := c.want != ""
			if want := 1 + 3 + 1 + 1; !asked && len(data) != want || asked && len(data) != want+1 {
				t.Errorf("%d events", len(data))
			}
			for i, text := range data[:len(data)-1] {
				var chunk struct {
					Object  string
					Choices []json.RawMessage
					Usage   *json.RawMessage
				}
				if err := json.Unmarshal([]byte(text), &chunk); err != nil {
					t.Fatal(err)
				}
				atEnd := asked && i == len(data)-2
				switch {
				case chunk.Object != "chat.completion.chunk":
					t.Errorf("object %q", chunk.Object)
				case strings.Contains(text, `"usage":`) != asked:
					t.Errorf("the usage of chunk %d: %s", i, text)
				case atEnd != (chunk.Usage != nil), atEnd != (len(chunk.Choices) == 0):
					t.Errorf("chunk %d: %s", i, text)
				}
			}
		})
	}
}

func TestTheProviderCallsTools(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	tools := `"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],`
	first := bodyOf(t, ask(t, p, "/chat/completions", chatOf(tools, "tool: weather?")))
	for _, want := range []string{`"get_weather"`, `"{\"city\":\"Paris\"}"`, `"tool_calls"`, `"content": null`} {
		if !strings.Contains(first, want) {
			t.Errorf("no %s in %s", want, first)
		}
	}
	second := bodyOf(t, ask(t, p, "/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"tool:"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"17 degrees"}]}`))
	if !strings.Contains(second, "The tool said: 17 degrees") {
		t.Errorf("the result is not quoted in %s", second)
	}
}

func TestTheProviderRefusesWhatOpenAIRefuses(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	for _, c := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"a parameter that it does not know", "/chat/completions", chatOf(`"top_k":3,`, "Hello"), 400, ""},
		{"a temperature out of range", "/chat/completions", chatOf(`"temperature":3,`, "Hello"), 400, "decimal_above_max_value"},
		{"a model that it does not have", "/chat/completions", `{"model":"gpt-99","messages":[]}`, 404, "model_not_found"},
		{"an empty list of messages", "/chat/completions", `{"model":"gpt-4o","messages":[]}`, 400, "empty_array"},
		{"a body that is not JSON", "/chat/completions", `{`, 400, ""},
		{"an item of no kind", "/responses", `{"model":"gpt-4o","input":[{"type":"odd"}]}`, 400, "invalid_value"},
		{"a chat model that shall embed", "/embeddings", `{"model":"gpt-4o","input":"x"}`, 403, ""},
		{"an endpoint that it does not have", "/chat/nowhere", `{}`, 404, ""},
		{"what it is told to refuse", "/chat/completions", chatOf("", "error:quota"), 429, "insufficient_quota"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := ask(t, p, c.path, c.body)
			var body struct {
				Error struct {
					Message, Type string
					Code          *string
				}
			}
			if err := json.Unmarshal([]byte(bodyOf(t, answer)), &body); err != nil {
				t.Fatal(err)
			}
			code := ""
			if body.Error.Code != nil {
				code = *body.Error.Code
			}
			if answer.StatusCode != c.status || code != c.code || body.Error.Message == "" || body.Error.Type == "" {
				t.Errorf("status %d, %+v, code %q", answer.StatusCode, body.Error, code)
			}
		})
	}
	t.Run("a key that is not its own", func(t *testing.T) {
		if answer := ask(t, p, "/chat/completions", chatOf("", "Hello"), "Authorization", "Bearer sk-wrong"); answer.StatusCode != 401 {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
}

// accused is a test that only notes of what it is told that it failed.
type accused struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (a *accused) Helper() {}
func (a *accused) Error(v ...any) {
	a.Errorf("%s", fmt.Sprint(v...))
}
func (a *accused) Errorf(format string, v ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, fmt.Sprintf(format, v...))
}

func TestAHeaderThatMustNotArriveFailsTheTest(t *testing.T) {
	for _, c := range []struct {
		name, header, value string
		fails               bool
	}{
		{"a cookie", "Cookie", "session=1", true},
		{"an identity header", "X-Client-ID", "alice", true},
		{"the caller's own key", "X-Provider-API-Key", "sk-caller", true},
		{"a caller's token", "Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.", true},
		{"the caller's program", "User-Agent", "OpenAI/JS 6.49.0", true},
		{"what a proxy adds", "X-Forwarded-For", "10.0.0.1", true},
		{"a wish for compression", "Accept-Encoding", "gzip", true},
		{"the trace context", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
		{"a header for OpenAI", "OpenAI-Beta", "assistants=v2", false},
		{"what the test allows", "X-Allowed", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &accused{TB: t}
			p := gatewaytest.StartProvider(a)
			p.Allow("x-allowed")
			bodyOf(t, ask(t, p, "/chat/completions", chatOf("", "Hello"), c.header, c.value))
			a.mu.Lock()
			defer a.mu.Unlock()
			if got := len(a.said) > 0; got != c.fails {
				t.Errorf("the test was told %q", a.said)
			}
			if strings.Contains(strings.Join(a.said, " "), c.value) {
				t.Errorf("the value is repeated: %q", a.said)
			}
		})
	}
}

func TestAGateLetsEventsThroughOneByOne(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	gate := p.Gate()
	answer := ask(t, p, "/chat/completions", chatOf(`"stream":true,`, "words:3"))
	lines := bufio.NewReader(answer.Body)
	for range 3 {
		gate.Pass(1)
		for _, want := range []string{"data: {", "\n"} {
			if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
				t.Fatalf("read %q, %v", line, err)
			}
		}
	}
	gate.Lift()
	if rest, err := io.ReadAll(lines); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

func TestTheProviderNoticesThatTheGatewayLeaves(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/chat/completions",
		strings.NewReader(chatOf(`"stream":true,`, "stall:1")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+p.Key)
	answer, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got := p.Await(t, 1)
	cancel()
	got.AwaitGone(t, 10*time.Second)
	_ = answer.Body.Close()
}

func TestACompleteAnswerIsNoDeparture(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	bodyOf(t, ask(t, p, "/chat/completions", chatOf("", "Hello")))
	got := p.Last(t)
	<-got.Done()
	select {
	case <-got.Gone():
		t.Error("the gateway is said to have left")
	default:
	}
	if string(got.Body) != chatOf("", "Hello") {
		t.Errorf("recorded %q", got.Body)
	}
}

func TestAnAnswerBreaksWhereThePromptWantsItTo(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	for _, more := range []string{"", `"stream":true,`} {
		if body, err := io.ReadAll(ask(t, p, "/chat/completions", chatOf(more, "cut:2")).Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read %q, %v", body, err)
		}
	}
}

func TestAHandlerOfTheTestsOwnHasTheBodyAndTheSocket(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	p.Answer("", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), "Hello") {
			t.Errorf("read %q, %v", body, err)
		}
		gatewaytest.Raw("HTTP/1.1 418 Odd\r\n", "Content-Length: 3\r\n\r\nodd")(w, r)
	})
	if answer := ask(t, p, "/anything", chatOf("", "Hello")); answer.StatusCode != 418 || bodyOf(t, answer) != "odd" {
		t.Errorf("status %d", answer.StatusCode)
	}
	p.Answer("", gatewaytest.Socket(gatewaytest.Reset))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/anything", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if answer, err := plain.Do(r); err == nil {
		_ = answer.Body.Close()
		t.Errorf("a reset connection answered %d", answer.StatusCode)
	}
}

func TestAStalledSocketEndsWithTheTest(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	p.Answer("", p.Stalled(gatewaytest.EventHead))
	if answer := ask(t, p, "/anything", "{}"); answer.StatusCode != 200 {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestTheProviderListsWhatItOffers(t *testing.T) {
	p := gatewaytest.StartProvider(t)
	p.Offer("one", "two/three")
	for path, want := range map[string]int{"/models": 200, "/models/one": 200, "/models/two%2Fthree": 200, "/models/four": 404} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.Key)
		answer, err := plain.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, answer.StatusCode, want)
		}
	}
	if p.Asked() != 0 || len(p.Listings()) != 4 {
		t.Errorf("%d calls, %d listings", p.Asked(), len(p.Listings()))
	}
}
