package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/gateway/trace"
)

func post8(path, body string, header ...string) call {
	return call{method: http.MethodPost, path: path, body: body, header: append([]string{"X-Client-Id", "alice", "Content-Type", "application/json"}, header...)}
}

func TestBytesAreUntouchedButForTheModelsName(t *testing.T) {
	const odd = `{ "z" : 1.0, "a":[ 1e2 ,-0],"unknown":{"k":"\u00e9\/"}, "big":12345678901234567890,%s "messages":[{"role":"user","content":"Hello"}] }` + "\n"
	v := startVendor(t, always(whole(fmt.Sprintf(odd, `"model" : "gpt-4o-2024","usage":{"prompt_tokens":5,"completion_tokens":3},`))))
	g := start(t, relaying(v))
	for _, name := range []string{"gpt-4o", "openai/gpt-4o"} {
		a := g.do(t, alice(fmt.Sprintf(odd, `"model" : "`+name+`",`)))
		if want := fmt.Sprintf(odd, `"model" : "gpt-4o-2024",`); v.last(t).body != want {
			t.Errorf("the provider got\n%s, want\n%s", v.last(t).body, want)
		}
		if want := fmt.Sprintf(odd, `"model" : "`+name+`","usage":{"prompt_tokens":5,"completion_tokens":3},`); a.body != want {
			t.Errorf("the caller got\n%s, want\n%s", a.body, want)
		}
		tr := g.trace(t, a)
		if tr.Outcome != trace.Allowed || tr.Provider != "openai" || tr.Model != name || tr.Input != 5 || tr.Output != 3 || tr.Upstream <= 0 {
			t.Errorf("trace %+v", tr)
		}
	}
}

func TestTheProviderIsSentWhatItNeedsAndNothingOfTheCaller(t *testing.T) {
	v := startVendor(t, always(whole(`{}`)))
	g := start(t, relaying(v))
	g.do(t, alice(asking, "Authorization", "Bearer caller", "Cookie", "c=1", "X-User-Tier", "pro", "X-Provider-Api-Key", "own", "X-Other", "o",
		"Openai-Beta", "assistants=v2", "Anthropic-Version", "2023", "Traceparent", "00-1-2-01", "Openai-Organization", "theirs", "Accept-Language", "en", "Forwarded", "for=1"))
	want := http.Header{
		"Authorization": {"Bearer " + vendorKey}, "Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(asking) + 5)},
		"Openai-Beta": {"assistants=v2"}, "Anthropic-Version": {"2023"}, "Traceparent": {"00-1-2-01"}, "User-Agent": {"nexus"}, "Accept": {"*/*"},
	}
	got := v.last(t)
	got.Header.Del("Accept-Encoding")
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("the provider got %v, want %v", got.Header, want)
	}
	if got.URL.Path != "/v1/chat/completions" || got.Host != strings.TrimSuffix(strings.TrimPrefix(v.url, "http://"), "/v1") {
		t.Errorf("asked at %s %s", got.Host, got.URL)
	}
}

func TestAStreamIsHandedOnAsItCame(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		events := strings.ReplaceAll(": a comment\n\nid: 7\nevent: odd\n"+delta("é 😀")+": another\n\n"+"retry: 5\n\n"+finished+marked, "\n", end)
		v := startVendor(t, func(_ asked, conn net.Conn) {
			_, _ = io.WriteString(conn, chunked)
			for i := range len(events) { // cut in the middle of characters, too
				_, _ = io.WriteString(conn, chunk(events[i:i+1]))
			}
			_, _ = io.WriteString(conn, endOfStream)
		})
		g := start(t, relaying(v))
		a := g.do(t, alice(askStream))
		if want := strings.ReplaceAll(events, "gpt-4o-2024", "gpt-4o"); a.status != 200 || a.body != want {
			t.Errorf("line ends %q: %d\n%q, want\n%q", end, a.status, a.body, want)
		}
		if a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
			t.Errorf("content type %q", a.header.Get("Content-Type"))
		}
	}
}

func TestTheFirstEventDoesNotWaitForTheSecond(t *testing.T) {
	next := make(chan struct{})
	v := startVendor(t, func(_ asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("one")))
		<-next
		_, _ = io.WriteString(conn, chunk(delta("two")+finished+marked)+endOfStream)
	})
	g := start(t, relaying(v))
	_, reader := g.connect(t, "/llm/v1/chat/completions", askStream)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 64)
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err)
	}
	close(next)
	rest, err := io.ReadAll(response.Body)
	contains(t, "the stream", string(first)+string(rest), "one", "two", "[DONE]")
	if err != nil {
		t.Error(err)
	}
}

func TestAnEventOfAMegabytePasses(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	v := startVendor(t, streams(delta(long), finished, marked))
	g := start(t, relaying(v))
	if a := g.do(t, alice(askStream)); a.body != strings.ReplaceAll(delta(long)+finished+marked, "gpt-4o-2024", "gpt-4o") {
		t.Errorf("%d bytes came", len(a.body))
	}
}

func TestTheUsageOfAStreamIsAskedForAndHidden(t *testing.T) {
	v := startVendor(t, streams(delta("a"), finished, counted, marked))
	g := start(t, relaying(v))
	a := g.do(t, alice(askStream))
	contains(t, "what the provider got", v.last(t).body, `"stream":true,"stream_options":{"include_usage":true},`)
	if strings.Contains(a.body, "prompt_tokens") || !strings.HasSuffix(a.body, marked) {
		t.Errorf("the caller got %s", a.body)
	}
	if tr := g.trace(t, a); tr.Input != 5 || tr.Output != 3 || tr.FirstToken <= 0 {
		t.Errorf("trace %+v", tr)
	}
	a = g.do(t, alice(strings.Replace(askStream, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)))
	contains(t, "the answer to who has asked", a.body, "prompt_tokens")
}

func TestAProviderThatKnowsNoStreamOptionsIsAskedWithout(t *testing.T) {
	v := startVendor(t, func(r asked, conn net.Conn) {
		if strings.Contains(r.body, "stream_options") {
			always(status("400 Bad Request", `{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}`))(r, conn)
			return
		}
		streams(delta("a"), finished, marked)(r, conn)
	})
	g := start(t, relaying(v))
	for range 3 {
		if a := g.do(t, alice(askStream)); a.status != 200 || !strings.HasSuffix(a.body, marked) {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if v.count() != 4 {
		t.Errorf("asked %d times, want once more than there were calls", v.count())
	}
	a := g.do(t, alice(strings.Replace(askStream, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)))
	if a.status != 400 {
		t.Errorf("who asks for it is answered %d", a.status)
	}
}

// TestWhatAProviderSaysInstead is the table of the answers of a provider that are none.
func TestWhatAProviderSaysInstead(t *testing.T) {
	failure := func(code string) string {
		return `{"error":{"message":"They said so","type":"t","param":"p","code":` + code + `}}`
	}
	for _, tt := range []struct {
		name, answer, body  string
		status              int
		kind, code, message string
		reason              trace.Reason
	}{
		{"400", status("400 Bad Request", failure(`"bad_thing"`)), asking, 400, "invalid_request_error", "bad_thing", "Invalid request: They said so", trace.ProviderError},
		{"422", status("422 Unprocessable", failure(`null`)), asking, 422, "invalid_request_error", "provider_error", "Invalid request: They said so", trace.ProviderError},
		{"401", status("401 Unauthorized", failure(`"invalid_api_key"`)), asking, 401, "authentication_error", "invalid_api_key", "Authentication failed: They said so", trace.ProviderError},
		{"403", status("403 Forbidden", failure(`null`)), asking, 403, "insufficient_quota", "provider_error", "Insufficient quota: They said so", trace.ProviderError},
		{"404", status("404 Not Found", failure(`"model_not_found"`)), asking, 404, "not_found_error", "model_not_found", "They said so", trace.ProviderError},
		{"429", status("429 Too Many", failure(`"rate_limit_exceeded"`), "Retry-After: 7"), asking, 429, "rate_limit_error", "rate_limit_exceeded", "Rate limit exceeded: They said so", trace.ProviderError},
		{"500", status("500 Oops", failure(`null`)), asking, 500, "internal_error", "provider_error", "They said so", trace.ProviderError},
		{"503", status("503 Busy", failure(`null`)), asking, 502, "api_error", "provider_error", "Provider API error (503): They said so", trace.ProviderError},
		{"503 with HTML", status("503 Busy", "<html>down</html>"), askStream, 502, "api_error", "provider_error", "Provider API error (503): Service Unavailable", trace.ProviderError},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", asking, 502, "api_error", "provider_error", "Provider API error (302): the provider redirects, which is not followed", trace.ProviderError},
		{"HTML in place of JSON", whole("<html>hi</html>"), asking, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"an HTML page in place of a stream", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", askStream, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"a failure of 200", whole(failure(`"overloaded"`)), asking, 500, "internal_error", "provider_error", "They said so", trace.ProviderError},
		{"nothing at all", whole(""), asking, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"half an answer", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\"", asking, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"no HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n", asking, 502, "api_error", "", "", ""},
		{"a stream without events", chunked + endOfStream, askStream, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"a stream that ends in its first event", chunked + chunk("data: {\"id\"") + endOfStream, askStream, 502, "api_error", "provider_error", "", trace.ProviderError},
		{"a failure as the first event", chunked + chunk("data: "+failure(`"overloaded"`)+"\n\n") + endOfStream, askStream, 500, "internal_error", "provider_error", "They said so", trace.ProviderError},
		{"a packing that is not known", whole("....", "Content-Encoding: br"), asking, 502, "api_error", "provider_error", "", trace.ProviderError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := startVendor(t, func(_ asked, conn net.Conn) { _, _ = io.WriteString(conn, tt.answer); _ = conn.Close() })
			g := start(t, relaying(v))
			a := g.do(t, alice(tt.body))
			if a.status != tt.status || a.err.Type != tt.kind || tt.code != "" && a.err.Code != tt.code || tt.message != "" && a.err.Message != tt.message {
				t.Errorf("answered %d %s %s %q", a.status, a.err.Type, a.err.Code, a.err.Message)
			}
			if strings.HasPrefix(tt.name, "429") && a.header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			tr := g.trace(t, a)
			if tr.Outcome != trace.Failure || tt.reason != "" && tr.Reason != tt.reason {
				t.Errorf("trace %s %s", tr.Outcome, tr.Reason)
			}
			steps := tr.Steps()
			text := steps[len(steps)-1].Sentence() + tr.Message + g.log.String()
			if strings.Contains(text, "They said so") || strings.Contains(text, "html") {
				t.Errorf("the provider's words are kept: %s", text)
			}
		})
	}
}

func TestAPackedAnswerIsUnpacked(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, delta("packed")+finished+marked)
	_ = w.Close()
	v := startVendor(t, always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String())))
	g := start(t, relaying(v))
	a := g.do(t, alice(askStream))
	if a.header.Get("Content-Encoding") != "" || !strings.HasSuffix(a.body, marked) {
		t.Errorf("%v %q", a.header, a.body)
	}
}

// TestAStreamThatBreaksOff ends in ways that come after its first event: the caller is told by an event, and by no mark
// of the end.
func TestAStreamThatBreaksOff(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		config, code string
		hold         bool
	}{
		{"cut", chunked + chunk(delta("a")), "", "provider_error", false},
		{"ended too early", chunked + chunk(delta("a")) + endOfStream, "", "provider_error", false},
		{"in the middle of an event", chunked + chunk(delta("a")+"data: {\"id\":") + endOfStream, "", "provider_error", false},
		{"silent", chunked + chunk(delta("a")), "idle_timeout = \"300ms\"", "provider_timeout", true},
		{"a failure", chunked + chunk(delta("a")+`data: {"error":{"message":"no `+vendorKey+`","code":"overloaded"}}`+"\n\n"), "", "provider_error", false},
		{"not chunks", chunked + chunk(delta("a")) + "zz\r\n", "", "provider_error", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := startVendor(t, func(r asked, conn net.Conn) {
				_, _ = io.WriteString(conn, tt.answer)
				if tt.hold {
					<-r.gone
				}
				_ = conn.Close()
			})
			g := start(t, relaying(v, tt.config))
			a := g.do(t, alice(askStream))
			_, failure, told := strings.Cut(a.body, "event: error\ndata: ")
			var envelope struct{ Error apiError }
			if err := json.Unmarshal([]byte(failure), &envelope); !told || err != nil || envelope.Error.Code != tt.code || !strings.Contains(a.body, `"a"`) {
				t.Errorf("the stream was %q (%v)", a.body, err)
			}
			if strings.Contains(a.body, "[DONE]") || strings.Contains(a.body, vendorKey) {
				t.Errorf("the stream was %q", a.body)
			}
			if tr := g.trace(t, a); tr.Outcome != trace.Failure || tr.Status != 200 {
				t.Errorf("trace %s %s %d", tr.Outcome, tr.Reason, tr.Status)
			}
		})
	}
}

func TestAStreamWithoutItsMarkIsWholeAfterAFinishReason(t *testing.T) {
	for _, answer := range []string{
		chunked + chunk(delta("a")+finished) + endOfStream,
		chunked + chunk(delta("a")+finished),
		chunked + chunk(delta("a")+strings.TrimSuffix(finished, "\n")) + endOfStream,
		chunked + chunk(delta("a")+finished+"data: [DONE]") + endOfStream,
	} {
		v := startVendor(t, func(_ asked, conn net.Conn) { _, _ = io.WriteString(conn, answer); _ = conn.Close() })
		g := start(t, relaying(v))
		a := g.do(t, alice(askStream))
		if !strings.HasSuffix(a.body, marked) || strings.Count(a.body, "[DONE]") != 1 || strings.Contains(a.body, "event: error") {
			t.Errorf("after %q the caller got %q", answer, a.body)
		}
		if tr := g.trace(t, a); tr.Outcome != trace.Allowed {
			t.Errorf("trace %s %s", tr.Outcome, tr.Reason)
		}
	}
}

func TestASilentProviderIsGivenUp(t *testing.T) {
	v := startVendor(t, func(r asked, _ net.Conn) { <-r.gone })
	g := start(t, relaying(v, `response_timeout = "200ms"`))
	for _, body := range []string{asking, askStream} {
		a := g.do(t, alice(body))
		if a.status != 504 || a.err.Code != "provider_timeout" || a.err.Type != "api_error" || !strings.HasPrefix(a.err.Message, "Connection error: ") {
			t.Errorf("%d %+v", a.status, a.err)
		}
		within(t, time.Second, "the end of the call", v.last(t).gone)
		tr := g.trace(t, a)
		steps := tr.Steps()
		if tr.Reason != trace.ProviderTimeout {
			t.Errorf("reason %s", tr.Reason)
		}
		contains(t, "the step", steps[len(steps)-1].Sentence(), "200ms", "llm.providers.openai.response_timeout")
	}
}

func TestAProviderThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	v := &vendor{url: "http://" + listener.Addr().String() + "/v1"}
	g := start(t, relaying(v))
	a := g.do(t, alice(asking))
	if a.status != 502 || a.err.Code != "provider_unreachable" || a.err.Type != "api_error" || !strings.HasPrefix(a.err.Message, "Connection error: ") {
		t.Errorf("%d %+v", a.status, a.err)
	}
	tr := g.trace(t, a)
	steps := tr.Steps()
	contains(t, "the step", steps[len(steps)-1].Sentence(), "connection refused", "llm.providers.openai.base_url")
	if strings.Contains(tr.Message+a.err.Message, listener.Addr().String()) {
		t.Errorf("the address is told: %s", tr.Message)
	}
	status := g.Status().Providers[0]
	if status.Reachable == nil || *status.Reachable || !strings.Contains(status.LastError, "connection refused") {
		t.Errorf("status %+v", status)
	}
}

func TestACallerWhoLeavesEndsTheProvidersCall(t *testing.T) {
	for name, answer := range map[string]string{"before the answer": "", "in a stream": chunked + chunk(delta("a"))} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan asked, 1)
			v := startVendor(t, func(r asked, conn net.Conn) {
				_, _ = io.WriteString(conn, answer)
				begun <- r
				<-r.gone
			})
			g := start(t, relaying(v))
			conn, _ := g.connect(t, "/llm/v1/chat/completions", askStream)
			r := <-begun
			conn.Close()
			within(t, time.Second, "the end of the provider's call", r.gone)
		})
	}
}

func TestOurKeyIsToldToNobody(t *testing.T) {
	echo := `{"error":{"message":"Incorrect API key provided: ` + vendorKey + `, or ` + vendorKey[:14] + `****cdef. You said: c4nary prompt","type":"x","param":"` + vendorKey + `","code":"` + vendorKey + `"}}`
	v := startVendor(t, always(status("401 Unauthorized", echo, "X-Echo: Bearer "+vendorKey, "Set-Cookie: a=b")))
	g := start(t, relaying(v))
	a := g.do(t, alice(strings.Replace(asking, "Hello", "c4nary prompt", 1)))
	all := a.body + fmt.Sprint(a.header)
	for i := 0; i+8 <= len(vendorKey); i++ {
		if strings.Contains(all, vendorKey[i:i+8]) {
			t.Fatalf("the caller sees %q of the key: %s", vendorKey[i:i+8], all)
		}
	}
	tr := g.trace(t, a)
	var kept strings.Builder
	kept.WriteString(g.log.String() + tr.Message + fmt.Sprintf("%+v", g.Status().Providers))
	for _, step := range tr.Steps() {
		kept.WriteString(step.Sentence())
	}
	if strings.Contains(kept.String(), "c4nary") {
		t.Errorf("key or prompt are kept: %s", kept.String())
	}
	if a.header.Get("WWW-Authenticate") != "Bearer" || a.status != 401 {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestAProvidersHeadersAreHandedOnButForItsOwn(t *testing.T) {
	v := startVendor(t, always(whole(`{}`, "Openai-Processing-Ms: 12", "X-Ratelimit-Remaining-Tokens: 9", "X-Custom: kept", "Set-Cookie: a=b", "Alt-Svc: h3",
		"Strict-Transport-Security: max-age=1", "Access-Control-Allow-Origin: *", "X-Request-Id: theirs", "Connection: X-Hop", "X-Hop: 1", "Server: them", "Openai-Organization: us")))
	g := start(t, relaying(v))
	h := g.do(t, alice(asking)).header
	for _, name := range []string{"Openai-Processing-Ms", "X-Ratelimit-Remaining-Tokens", "X-Custom"} {
		if h.Get(name) == "" {
			t.Errorf("%s is lost", name)
		}
	}
	for _, name := range []string{"Set-Cookie", "Alt-Svc", "Strict-Transport-Security", "Access-Control-Allow-Origin", "X-Hop", "Server", "Openai-Organization"} {
		if h.Get(name) != "" {
			t.Errorf("%s is handed on", name)
		}
	}
	if h.Get("X-Request-Id") == "theirs" {
		t.Error("the request id is the provider's")
	}
}
