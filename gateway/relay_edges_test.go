package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// refusingUsage answers streams, but where it is asked for their usage and refuses: then with these bytes.
func refusingUsage(refuses func(asked) bool, refusal string) func(asked, net.Conn) {
	return func(r asked, conn net.Conn) {
		if strings.Contains(r.body, "stream_options") && refuses(r) {
			always(refusal)(r, conn)
			return
		}
		streams(delta("a"), finished, marked)(r, conn)
	}
}

const unknownOptions = `{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}`

func TestEachModelIsAskedForItsUsageOrNot(t *testing.T) {
	old := func(r asked) bool {
		return strings.Contains(r.body, "old-model") || strings.HasSuffix(r.URL.Path, "/v1/completions")
	}
	v := startVendor(t, refusingUsage(old, status("400 Bad Request", unknownOptions)))
	g := start(t, relaying(v))
	for _, c := range []call{
		alice(askStream), alice(strings.Replace(askStream, `"gpt-4o"`, `"openai/old-model"`, 1)),
		post8("/llm/v1/completions", `{"model":"gpt-4o","stream":true,"prompt":"x"}`), alice(askStream),
	} {
		if a := g.do(t, c); a.status != 200 {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	if last := v.last(t).body; !strings.Contains(last, "include_usage") {
		t.Errorf("one model's refusal is held against another: %s", last)
	}
	strict := startVendor(t, refusingUsage(func(asked) bool { return true },
		status("422 Unprocessable Entity", `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`)))
	if a := start(t, relaying(strict)).do(t, alice(askStream)); a.status != 200 {
		t.Errorf("refused as FastAPI does: %d %s", a.status, a.body)
	}
}

func TestTwoFirstStreamsAtOnceAreBothAskedWithoutUsage(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{})
	v := startVendor(t, refusingUsage(func(r asked) bool {
		if strings.Contains(r.body, "slow") {
			close(arrived)
			<-release
		}
		return true
	}, status("400 Bad Request", unknownOptions)))
	g := start(t, relaying(v))
	done := make(chan answered, 1)
	go func() { done <- g.do(t, alice(strings.Replace(askStream, "Hello", "slow", 1))) }()
	<-arrived
	if a := g.do(t, alice(askStream)); a.status != 200 {
		t.Errorf("the quick one: %d", a.status)
	}
	close(release)
	if a := <-done; a.status != 200 {
		t.Errorf("the slow one: %d %s", a.status, a.body)
	}
}

func TestStreamsOfOtherEndpointsThatAreCutSaySo(t *testing.T) {
	const image = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA\"}\n\n"
	const sound = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AA\"}\n\n"
	for _, tail := range []string{"", "zz\r\n"} {
		for body, c := range map[string]call{
			image: post8("/llm/v1/images/generations", `{"model":"gpt-4o","prompt":"x","stream":true}`),
			sound: post8("/llm/v1/audio/speech", `{"model":"gpt-4o","input":"x","voice":"a","stream_format":"sse"}`),
		} {
			v := startVendor(t, func(_ asked, conn net.Conn) { _, _ = io.WriteString(conn, chunked+chunk(body)+tail); _ = conn.Close() })
			g := start(t, relaying(v))
			a := g.do(t, c)
			if tr := g.trace(t, a); !strings.Contains(a.body, "event: error") || tr.Outcome != trace.Failure {
				t.Errorf("%s: %q %s", c.path, a.body, tr.Outcome)
			}
			g = start(t, relaying(startVendor(t, streams(body))))
			if a = g.do(t, c); a.body != body {
				t.Errorf("%s whole: %q", c.path, a.body)
			}
		}
	}
}

func TestAStopInTheMiddleOfSoundIsSeen(t *testing.T) {
	v := startVendor(t, func(r asked, conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("sound"))
		<-r.gone
	})
	g := start(t, strings.Replace(relaying(v), "[server]\n", "[server]\nshutdown_timeout = \"300ms\"\n", 1))
	_, reader := g.connect(t, "/llm/v1/audio/speech", `{"model":"gpt-4o","input":"x","voice":"alloy"}`)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	g.stop()
	if rest, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("what was cut looks whole, and ends with %q", rest)
	}
}

func TestWhatARuleInsertsIsToldToNobody(t *testing.T) {
	const secret = "azure-c4nary-0123456789"
	v := startVendor(t, always(status("401 Unauthorized", `{"error":{"message":"Access denied: key `+secret+` is wrong"}}`)))
	g := start(t, relaying(v, `headers = [ { rule = "insert", name = "api-key", value = "`+secret+`" } ]`))
	if a := g.do(t, alice(asking)); strings.Contains(a.body, "c4nary") {
		t.Errorf("told: %s", a.body)
	}
	v = startVendor(t, always(whole(`{}`, "X-Debug-Auth: "+secret, "X-Other: kept")))
	text := strings.Replace(relaying(v), "rename = ", `headers = [ { rule = "insert", name = "Authorization", value = "Basic `+secret+`" } ]`+"\nrename = ", 1)
	if h := start(t, text).do(t, alice(asking)).header; strings.Contains(fmt.Sprint(h), "c4nary") || h.Get("X-Other") != "kept" {
		t.Errorf("told: %v", h)
	}
}

func TestOurKeyIsToldToNobodyInAnAnswerOfSuccess(t *testing.T) {
	failure := `"error":{"message":"Incorrect API key provided: ` + vendorKey + `","code":"x"}`
	for _, tt := range []struct {
		answer string
		call   call
	}{
		{whole("{" + failure + "}"), post8("/llm/v1/embeddings", `{"model":"gpt-4o","input":"x"}`)},
		{whole(`{"choices":null,` + failure + "}"), alice(asking)},
		{chunked + chunk("data: Incorrect API key provided: "+vendorKey+"\n\n"+finished+marked) + endOfStream, alice(askStream)},
	} {
		a := start(t, relaying(startVendor(t, always(tt.answer)))).do(t, tt.call)
		if strings.Contains(a.body, "c4nary") || !strings.Contains(a.body, "***") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestANameThatDiffersInCaseAloneIsRefused(t *testing.T) {
	v := startVendor(t, always(whole(`{}`)))
	g := start(t, relaying(v, `model_filter = "^gpt-4o"`))
	for _, c := range []call{
		alice(`{"model":"gpt-4o","Model":"o1-pro","messages":[{"role":"user","content":"Hello"}]}`),
		alice(`{"model":"gpt-4o","\u004dodel":"o1-pro","messages":[{"role":"user","content":"Hello"}]}`),
		alice(`{"model":"gpt-4o","ſtream":true,"messages":[{"role":"user","content":"Hello"}]}`),
		post8("/llm/v1/responses", `{"model":"gpt-4o","input":"x","Previous_Response_Id":"resp_1"}`),
		post8("/llm/v1/responses", `{"model":"gpt-4o","input":"x","BACKGROUND":true}`),
	} {
		if a := g.do(t, c); a.status != 400 || a.err.Code != "invalid_request" {
			t.Errorf("%s: %d %+v", c.body, a.status, a.err)
		}
	}
	if v.count() != 0 {
		t.Errorf("the provider was asked %d times", v.count())
	}
	if a := g.do(t, alice(`{"model":"gpt-4o","X-Custom":1,"Temperature":2,"messages":[{"role":"user","content":"Hello","Role":"x"}]}`)); a.status != 200 {
		t.Errorf("other names are refused: %d %+v", a.status, a.err)
	}
}

func TestAProviderTakesOverNoOtherProvidersModels(t *testing.T) {
	l := startLister(t, "gpt-4o")
	g, d := startAt(t, listing(l.table("first")))
	keyless := strings.Replace(l.table("second", "forward_token = true"), fmt.Sprintf("api_key = %q\n", vendorKey), "", 1)
	d.save(listing(keyless, l.table("first")))
	if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
		t.Fatal(r.Errors)
	}
	a := g.do(t, alice(question("gpt-4o")))
	if tr := g.trace(t, a); a.status != 200 || tr.Provider != "first" {
		t.Errorf("%d by %s", a.status, tr.Provider)
	}
}

func TestACallersForgottenKeyIsNotTheProvidersTrouble(t *testing.T) {
	v := startVendor(t, always(whole(`{}`)))
	g := start(t, strings.Replace(relaying(v, "forward_token = true"), "api_key = \""+vendorKey+"\"\n", "", 1))
	g.do(t, alice(asking))
	if a := g.do(t, alice(asking, "X-Provider-Api-Key", strings.Repeat("k", 17<<10))); a.status != 400 {
		t.Errorf("an endless key is answered %d", a.status)
	}
	if got := g.Status().Providers[0].LastError; got != "" {
		t.Errorf("blamed: %s", got)
	}
}

func TestAnAnnouncedAnswerTakesNoMemoryYet(t *testing.T) {
	v := startVendor(t, func(r asked, conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n{")
		<-r.gone
	})
	g := start(t, relaying(v))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		g.connect(t, "/llm/v1/chat/completions", asking)
	}
	for deadline := time.Now().Add(5 * time.Second); v.count() < 20 && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	<-time.After(200 * time.Millisecond) // for the gateway to have read the heads
	runtime.ReadMemStats(&after)
	if grew := (int64(after.HeapInuse) - int64(before.HeapInuse)) >> 20; grew > 100 {
		t.Errorf("20 answers of one byte take %d MiB", grew)
	}
}

func TestOneOfTwoAnswersIsNotBoth(t *testing.T) {
	two := strings.Replace(delta("b"), `"index":0`, `"index":1`, 1)
	v := startVendor(t, func(_ asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("a")+two+finished+two))
		_ = conn.Close()
	})
	g := start(t, relaying(v))
	a := g.do(t, alice(strings.Replace(askStream, `"stream":true`, `"stream":true,"n":2`, 1)))
	if strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, "event: error") {
		t.Errorf("the caller got %q", a.body)
	}
}

func TestTheCodeOfAServersErrorIsOurs(t *testing.T) {
	for _, line := range []string{"500 x", "503 x"} {
		a := start(t, relaying(startVendor(t, always(status(line, `{"error":{"message":"m","code":"server_error"}}`))))).do(t, alice(asking))
		if a.err.Code != "provider_error" {
			t.Errorf("%s: %d %+v", line, a.status, a.err)
		}
	}
}

func TestAShortKeyCostsNoHeader(t *testing.T) {
	v := startVendor(t, always("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nX-Custom: a\r\nContent-Length: 2\r\n\r\nab"))
	g := start(t, strings.Replace(relaying(v), vendorKey, "a", 1))
	for body, want := range map[string]string{`"voice":"alloy"`: "ab", `"voice":"alloy","stream_format":"sse"`: "ab"} {
		a := g.do(t, post8("/llm/v1/audio/speech", `{"model":"gpt-4o","input":"x",`+body+`}`))
		if a.header.Get("Content-Type") != "audio/mpeg" || a.header.Get("X-Custom") != "a" || a.body != want {
			t.Errorf("%v %q", a.header, a.body)
		}
	}
}

func TestASilenceWithinAnAnswerLeavesTheProviderReachable(t *testing.T) {
	v := startVendor(t, func(r asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("a")))
		<-r.gone
	})
	g := start(t, relaying(v, `idle_timeout = "200ms"`))
	g.do(t, alice(askStream))
	if s := g.Status().Providers[0]; s.Reachable == nil || !*s.Reachable || s.LastError == "" {
		t.Errorf("status %+v", s)
	}
}

func TestARefusedFirstEventCarriesNoneOfTheProvidersHeaders(t *testing.T) {
	v := startVendor(t, always("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRetry-After: 9\r\nX-Custom: a\r\nTransfer-Encoding: chunked\r\n\r\n"+
		chunk("data: {\"error\":{\"message\":\"m\"}}\n\n")+endOfStream))
	a := start(t, relaying(v)).do(t, alice(askStream))
	if a.status != 500 || a.header.Get("Retry-After") != "" || a.header.Get("X-Custom") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestTheEndOfAFailedResponseIsHandedOnAndCalledAFailure(t *testing.T) {
	const failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"model\":\"gpt-4o-2024\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}}\n\n"
	v := startVendor(t, streams(failed))
	g := start(t, relaying(v))
	a := g.do(t, post8("/llm/v1/responses", `{"model":"gpt-4o","stream":true,"input":"x"}`))
	tr := g.trace(t, a)
	if a.body != strings.Replace(failed, "gpt-4o-2024", "gpt-4o", 1) || tr.Outcome != trace.Failure || tr.Reason != trace.ProviderError {
		t.Errorf("%q: %s %s", a.body, tr.Outcome, tr.Reason)
	}
}

func TestAReloadWaitsForNoProviderThatItHasNotOpened(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l := startLister(t, "gpt-4o")
	text := listing(l.table("first")) + "[llm.providers.hole]\ntype = \"openai\"\napi_key = \"k\"\nbase_url = \"http://" + silent.Addr().String() + "/v1\"\n"
	g, d := startAt(t, text)
	quickest := time.Minute
	for i := range 3 { // a busy machine may hold one of them up
		d.save(strings.Replace(text, `"free", "pro"`, fmt.Sprintf(`"free", "pro", "team%d"`, i), 1))
		at := time.Now()
		if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
			t.Fatal(r.Errors)
		}
		quickest = min(quickest, time.Since(at))
	}
	if quickest > 150*time.Millisecond {
		t.Errorf("an edit elsewhere takes %s", quickest)
	}
}

func TestAStatusOfAProviderIsNotTakenForACallerWhoLeft(t *testing.T) {
	g := start(t, relaying(startVendor(t, always(status("499 X", `{"error":{"message":"m"}}`)))))
	for _, body := range []string{asking, askStream} {
		if a := g.do(t, alice(body)); a.status != 499 || a.err.Message != "Invalid request: m" {
			t.Errorf("%d %+v", a.status, a.err)
		}
	}
}

func TestWhenToComeBackIsToldAsTheProviderSaysIt(t *testing.T) {
	for _, value := range []string{"0", "7", "Wed, 21 Oct 2015 07:28:00 GMT"} {
		a := start(t, relaying(startVendor(t, always(status("429 X", `{}`, "Retry-After: "+value))))).do(t, alice(asking))
		if got := a.header.Get("Retry-After"); got != value {
			t.Errorf("%q is told as %q", value, got)
		}
	}
}

func TestOurKeyIsTakenOutOfWhatIsHandedOn(t *testing.T) {
	failed := `{"id":"r","object":"response","status":"failed","model":"gpt-4o-2024","error":{"code":"c","message":"key ` + vendorKey + `"}}`
	g := start(t, relaying(startVendor(t, always(whole(failed)))))
	a := g.do(t, post8("/llm/v1/responses", `{"model":"gpt-4o","input":"x"}`))
	if want := strings.NewReplacer(vendorKey, "***", "gpt-4o-2024", "gpt-4o").Replace(failed); a.status != 200 || a.body != want || a.header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("%d %s", a.status, a.body)
	}
	g = start(t, relaying(startVendor(t, streams(": key "+vendorKey+"\n\n"+delta("a "+vendorKey), finished, marked))))
	if a = g.do(t, alice(askStream)); strings.Contains(a.body, "c4nary") || !strings.HasSuffix(a.body, marked) {
		t.Errorf("%s", a.body)
	}
}

func TestTheRightCallIsShownForEachEndpoint(t *testing.T) {
	g := start(t, relaying(startVendor(t, always(whole(`{}`)))))
	for path, want := range map[string]string{"/embeddings": `"input":"Hello"`, "/completions": `"prompt":"Hello"`, "/audio/speech": `"voice":"alloy"`, "/chat/completions": `"messages":[`} {
		a := g.do(t, call{method: http.MethodGet, path: "/llm/v1" + path, header: []string{"X-Client-Id", "alice"}})
		if a.status != 405 || !strings.Contains(a.err.Message, want) {
			t.Errorf("%s: %d %s", path, a.status, a.err.Message)
		}
	}
}

func TestALargeBodyIsLetGoOnceItsAnswerBegins(t *testing.T) {
	v := startVendor(t, func(r asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("a")))
		<-r.gone
	})
	g := start(t, relaying(v))
	conn, reader := g.connect(t, "/llm/v1/chat/completions", strings.Replace(askStream, "Hello", strings.Repeat("x", 1<<20), 1))
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	for deadline := time.Now().Add(5 * time.Second); g.InFlight() > 64<<10; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are held while the answer streams", g.InFlight())
		}
		<-time.After(10 * time.Millisecond)
	}
	conn.Close()
}

func TestACallThatIsAnsweredMakesAProviderReachable(t *testing.T) {
	l := startLister(t)
	g := start(t, listing(fmt.Sprintf("[llm.providers.first]\ntype = \"openai\"\napi_key = \"k\"\nbase_url = \"%s/v1\"\n", l.URL)))
	l.CloseClientConnections()
	l.Listener.Close()
	g.do(t, alice(question("first/x")))
	if s := g.Status().Providers[0]; s.Reachable == nil || *s.Reachable {
		t.Fatalf("status %+v", s)
	}
	v := startVendor(t, always(whole(`{}`)))
	g = start(t, strings.Replace(relaying(v), v.url, strings.TrimSuffix(v.url, "/v1")+"/v2", 1)) // lists nothing: not found
	before := g.Status().Providers[0].Latency
	for range 20 {
		g.do(t, alice(asking))
	}
	if s := g.Status().Providers[0]; s.Reachable == nil || !*s.Reachable || s.Latency == before {
		t.Errorf("status %+v, latency %s before", s, before)
	}
}

func TestAKeyIsTakenOutHoweverItIsWritten(t *testing.T) {
	const key = "sk-ab/cd+c4nary"
	v := startVendor(t, always(whole(`{"choices":[],"echo":"sk-ab\/cd+c4nary","again":"sk-ab/cd+c4nary"}`)))
	g := start(t, strings.Replace(relaying(v), vendorKey, key, 1))
	if a := g.do(t, alice(asking)); a.body != `{"choices":[],"echo":"***","again":"***"}` {
		t.Errorf("%s", a.body)
	}
}

func TestTextIsNoSound(t *testing.T) {
	v := startVendor(t, always("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"))
	if a := start(t, relaying(v)).do(t, post8("/llm/v1/audio/speech", `{"model":"gpt-4o","input":"x","voice":"alloy"}`)); a.status != 502 || a.err.Code != "provider_error" {
		t.Errorf("%d %+v", a.status, a.err)
	}
}

func TestAStreamHasItsProvidersHeaders(t *testing.T) {
	v := startVendor(t, always(strings.Replace(chunked, "Transfer", "X-Custom: kept\r\nSet-Cookie: a=b\r\nTransfer", 1)+chunk(delta("a")+finished+marked)+endOfStream))
	if h := start(t, relaying(v)).do(t, alice(askStream)).header; h.Get("X-Custom") != "kept" || h.Get("Set-Cookie") != "" {
		t.Errorf("%v", h)
	}
}
