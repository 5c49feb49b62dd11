package gateway_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"nexus/gateway/trace"
)

func TestHeaderRulesDecideWhatTheProviderSees(t *testing.T) {
	rules := `
headers = [
  { rule = "forward", name = "x-client-id" },
  { rule = "forward", pattern = "^x-debug-" },
  { rule = "forward", name = "X-Trace", rename = "X-Their-Trace", default = "none" },
  { rule = "insert", name = "X-Static", value = "c4nary" },
  { rule = "remove", name = "X-Debug-Secret" },
  { rule = "rename_duplicate", name = "X-Both", rename = "X-Copy" },
]`
	v := startVendor(t, always(whole(`{}`)))
	text := strings.Replace(relaying(v, rules), `rename = "gpt-4o-2024"`, "rename = \"gpt-4o-2024\"\nheaders = [ { rule = \"insert\", name = \"X-Static\", value = \"of the model\" } ]", 1)
	g := start(t, text)
	g.do(t, alice(asking, "X-Debug-A", "1", "X-Debug-Secret", "2", "X-Both", "b", "X-Provider-Api-Key", "own", "X-Unruled", "no"))
	got := v.last(t).Header
	for name, want := range map[string]string{
		"X-Client-Id": "alice", "X-Debug-A": "1", "X-Their-Trace": "none", "X-Static": "of the model", "X-Both": "b", "X-Copy": "b",
		"X-Debug-Secret": "", "X-Trace": "", "X-Provider-Api-Key": "", "X-Unruled": "", "Authorization": "Bearer " + vendorKey,
	} {
		if got.Get(name) != want || len(got[name]) > 1 {
			t.Errorf("%s arrives as %q, want %q", name, got[name], want)
		}
	}
	g.do(t, alice(strings.Replace(asking, "gpt-4o", "openai/not-listed", 1), "X-Trace", "t"))
	if got := v.last(t).Header; got.Get("X-Static") != "c4nary" || got.Get("X-Their-Trace") != "t" {
		t.Errorf("a model that is not listed has %v", got)
	}
}

func TestAnInsertedAuthorizationTakesThePlaceOfTheKey(t *testing.T) {
	v := startVendor(t, always(whole(`{}`)))
	g := start(t, relaying(v, `headers = [ { rule = "insert", name = "Authorization", value = "Basic abc" } ]`))
	g.do(t, alice(asking, "Authorization", "Bearer caller"))
	if got := v.last(t).Header["Authorization"]; len(got) != 1 || got[0] != "Basic abc" {
		t.Errorf("sent %q", got)
	}
}

func TestACallersOwnKeyIsForwardedWhereTheFileSaysSo(t *testing.T) {
	v := startVendor(t, always(whole(`{}`)))
	own := []string{"X-Provider-Api-Key", "sk-own-c4nary-key"}
	g := start(t, relaying(v, "forward_token = true"))
	for _, tt := range []struct {
		header []string
		sent   string
	}{{own, "Bearer sk-own-c4nary-key"}, {nil, "Bearer " + vendorKey}} {
		g.do(t, alice(asking, tt.header...))
		if got := v.last(t).Header.Get("Authorization"); got != tt.sent {
			t.Errorf("sent %q, want %q", got, tt.sent)
		}
		if v.last(t).Header.Get("X-Provider-Api-Key") != "" {
			t.Error("the header itself is sent")
		}
	}
	a := g.do(t, alice(asking, append(own, own...)...))
	if a.status != 400 {
		t.Errorf("two keys are answered %d", a.status)
	}
	keyless := start(t, strings.Replace(relaying(v, "forward_token = true"), "api_key = \""+vendorKey+"\"\n", "", 1))
	asked := v.count()
	a = keyless.do(t, alice(asking))
	if a.status != 401 || a.err.Type != "authentication_error" || a.header.Get("WWW-Authenticate") == "" || v.count() != asked {
		t.Errorf("no key: %d %+v, asked %d times more", a.status, a.err, v.count()-asked)
	}
	if tr := keyless.trace(t, a); tr.Outcome != trace.Rejected || tr.Reason != trace.RequestInvalid {
		t.Errorf("trace %s %s", tr.Outcome, tr.Reason)
	}
	if a = keyless.do(t, alice(asking, own...)); a.status != 200 {
		t.Errorf("with a key: %d", a.status)
	}
}

func TestTheOwnKeyOfACallerIsHiddenToo(t *testing.T) {
	const key = "sk-own-c4nary-key"
	v := startVendor(t, always(status("401 Unauthorized", `{"error":{"message":"bad key `+key+`"}}`)))
	g := start(t, relaying(v, "forward_token = true"))
	a := g.do(t, alice(asking, "X-Provider-Api-Key", key))
	if strings.Contains(a.body, "c4nary") || strings.Contains(g.log.String(), "own-c4nary") {
		t.Errorf("the key is told: %s", a.body)
	}
	if got := g.Status().Providers[0].LastError; got != "" {
		t.Errorf("the caller's key is called our trouble: %s", got)
	}
}

func TestEveryEndpointIsHandedOnAndNothingElse(t *testing.T) {
	v := startVendor(t, always(whole(`{"model":"gpt-4o-2024","usage":{"input_tokens":4,"output_tokens":2}}`)))
	g := start(t, relaying(v))
	for _, path := range []string{"/embeddings", "/responses", "/completions", "/moderations", "/images/generations"} {
		for _, prefix := range []string{"/llm", "/llm/v1"} {
			a := g.do(t, post8(prefix+path, `{"model":"gpt-4o","input":"x"}`))
			if a.status != 200 || v.last(t).URL.Path != "/v1"+path || !strings.Contains(a.body, `"model":"gpt-4o"`) || !strings.Contains(v.last(t).body, "gpt-4o-2024") {
				t.Errorf("%s%s: %d %s", prefix, path, a.status, a.body)
			}
		}
		if a := g.do(t, post8("/llm"+path, `{"input":"x"}`)); a.status != 400 || a.err.Code != "invalid_request" {
			t.Errorf("%s without a model: %d %+v", path, a.status, a.err)
		}
		if a := g.do(t, post8("/llm"+path, `{"model":"demo-1","input":"x"}`)); a.status != 404 || a.err.Code != "endpoint_unknown" {
			t.Errorf("%s of the demo: %d %+v", path, a.status, a.err)
		}
	}
	asked := v.count()
	for _, path := range []string{"/files", "/fine_tuning/jobs", "/assistants", "/responses/resp_1", "/batches", "/audio/transcriptions", "/images/edits", "/organization/usage", "/chat/completions/x"} {
		if a := g.do(t, post8("/llm/v1"+path, `{"model":"gpt-4o"}`)); a.status != 404 || a.err.Code != "endpoint_unknown" {
			t.Errorf("%s: %d %+v", path, a.status, a.err)
		}
	}
	for param, value := range map[string]string{"previous_response_id": `"r"`, "conversation": `{"id":"c"}`, "background": "true"} {
		a := g.do(t, post8("/llm/v1/responses", `{"model":"gpt-4o","input":"x","`+param+`":`+value+`}`))
		if a.status != 400 || a.err.Param == nil || *a.err.Param != param || a.err.Code != "unsupported_parameter" {
			t.Errorf("%s: %d %+v", param, a.status, a.err)
		}
	}
	if v.count() != asked {
		t.Errorf("the provider was asked %d times for what is not handed on", v.count()-asked)
	}
	if a := g.do(t, post8("/llm/v1/responses", `{"model":"gpt-4o","input":"x","previous_response_id":null,"background":false}`)); a.status != 200 {
		t.Errorf("neutral values: %d", a.status)
	}
}

func TestSoundIsHandedOnAndACutIsSeen(t *testing.T) {
	sound := strings.Repeat("\x00\xffsound", 20_000)
	v := startVendor(t, func(r asked, conn net.Conn) {
		length := "140000"
		if strings.Contains(r.body, "cut") {
			length = "150000"
		}
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: " + length + "\r\n\r\n" + sound))
		_ = conn.Close()
	})
	g := start(t, relaying(v))
	a := g.do(t, post8("/llm/v1/audio/speech", `{"model":"gpt-4o","input":"x","voice":"alloy"}`))
	if a.status != 200 || a.body != sound || a.header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("%d, %d bytes of %s", a.status, len(a.body), a.header.Get("Content-Type"))
	}
	_, reader := g.connect(t, "/llm/v1/audio/speech", `{"model":"gpt-4o","input":"cut","voice":"alloy"}`)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := readToEnd(response); err == nil {
		t.Error("what was cut off looks whole")
	}
}

func readToEnd(r *http.Response) error {
	buffer := make([]byte, 32<<10)
	for {
		if _, err := r.Body.Read(buffer); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
	}
}
