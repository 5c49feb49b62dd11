package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// budgeted is a file with a vendor whose answers are limited.
func budgeted(v *vendor, limits string) string {
	return relaying(v, "[llm.providers.openai.rate_limits.per_user]", limits)
}

// used is how much a client has used of a kind of limit at the vendor.
func (r *running) used(t *testing.T, client, kind string) int64 {
	t.Helper()
	rows, err := r.Limits(t.Context(), client, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Provider == "openai" && row.Model == "" && row.Kind == kind {
			return row.Used
		}
	}
	t.Fatalf("no %s limit in %+v", kind, rows)
	return 0
}

// eventually waits until a limit is used so much.
func (r *running) eventually(t *testing.T, client, kind string, want int64) {
	t.Helper()
	got := int64(-1)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-time.After(2 * time.Millisecond) {
		if got = r.used(t, client, kind); got == want {
			return
		}
	}
	t.Errorf("%d %s tokens are used, not %d", got, kind, want)
}

const spoke = `{"id":"c-1","object":"chat.completion","model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":30,"total_tokens":35}}`

func TestAnAnswerPaysWhatItNeeded(t *testing.T) {
	const all = "input_token_limit = 100000\noutput_token_limit = 100000\ntotal_token_limit = 200000\ninterval = \"1d\""
	silent := strings.Replace(spoke, `,"usage":{"prompt_tokens":5,"completion_tokens":30,"total_tokens":35}`, "", 1)
	tests := []struct {
		name                 string
		answer               func(asked, net.Conn)
		body                 string
		status               int
		input, output, total int64
	}{
		{"as the provider reports it", always(whole(spoke)), asking, 200, 8, 30, 38},
		{"as it is counted, where the provider reports nothing", always(whole(silent)), asking, 200, 8, 2, 10},
		{"as a stream reports it", streams(delta("Hel"), delta("lo"), finished, counted, marked), askStream, 200, 8, 3, 11},
		{"as a stream is counted", streams(delta("Hello"), delta(" there"), delta(" you"), finished, marked), askStream, 200, 8, 3, 11},
		{"nothing where the provider failed", always(status("500 Oops", `{"error":{"message":"no"}}`)), asking, 500, 0, 0, 0},
		{"nothing where the provider refuses", always(status("400 Bad", `{"error":{"message":"no"}}`)), asking, 400, 0, 0, 0},
		{"what was streamed before it broke off", streams(delta("Hello"), delta(" there")), askStream, 200, 8, 2, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, budgeted(startVendor(t, tt.answer), all))
			if a := r.do(t, alice(tt.body)); a.status != tt.status {
				t.Fatalf("%d %s", a.status, a.body)
			}
			r.eventually(t, "alice", "input", tt.input)
			r.eventually(t, "alice", "output", tt.output)
			r.eventually(t, "alice", "total", tt.total)
		})
	}
}

func TestWhoLeavesPaysWhatWasStreamedOnce(t *testing.T) {
	v := startVendor(t, func(a asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("Hello"))+chunk(delta(" there"))+chunk(delta(" you")))
		<-a.gone
	})
	r := start(t, budgeted(v, "output_token_limit = 100000\ninterval = \"1d\""))
	ctx, leave := context.WithCancel(t.Context())
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/llm/v1/chat/completions", strings.NewReader(askStream))
	request.Header.Set("X-Client-ID", "alice")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	seen := ""
	for buffer := make([]byte, 4096); !strings.Contains(seen, " you"); {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen += string(buffer[:n])
	}
	if held := r.used(t, "alice", "output"); held < 3 {
		t.Errorf("%d tokens are reserved while it streams", held)
	}
	leave()
	response.Body.Close()
	r.eventually(t, "alice", "output", 3)
}

func TestAnHonestCallerIsNotRefusedForWhatItDoesNotUse(t *testing.T) {
	answer := strings.Replace(spoke, `"completion_tokens":30`, `"completion_tokens":600`, 1)
	v := startVendor(t, func(_ asked, conn net.Conn) { _, _ = io.WriteString(conn, whole(answer)) })
	r := start(t, budgeted(v, "output_token_limit = 20000\ninterval = \"1d\""))
	body := strings.Replace(asking, "{", `{"max_tokens":32000,`, 1)
	for i := range 4 {
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				if a := r.do(t, alice(body)); a.status != 200 {
					t.Errorf("round %d: %d %s", i, a.status, a.body)
				}
			})
		}
		callers.Wait()
	}
	r.eventually(t, "alice", "output", 16*600)
}

// What parallel answers take beyond their limit is what those in flight need more than was reserved for them, and no more.
func TestParallelStreamsOvershootByWhatTheyExceedTheirReservations(t *testing.T) {
	const each, limit, reserved = 700, 3000, 512 // nothing is known of the model yet
	answer := strings.Replace(counted, `"completion_tokens":3`, fmt.Sprintf(`"completion_tokens":%d`, each), 1)
	gate := make(chan struct{})
	v := startVendor(t, func(_ asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("Hello")))
		<-gate
		_, _ = io.WriteString(conn, chunk(finished)+chunk(answer)+chunk(marked)+endOfStream)
	})
	r := start(t, budgeted(v, fmt.Sprintf("output_token_limit = %d\ninterval = \"1d\"", limit)))
	var (
		callers         sync.WaitGroup
		mu              sync.Mutex
		passed, refused int
	)
	for range 40 {
		callers.Go(func() {
			a := r.do(t, alice(askStream))
			mu.Lock()
			defer mu.Unlock()
			if a.status == 200 {
				passed++
			} else if refused++; refused == 34 {
				close(gate)
			}
		})
	}
	callers.Wait()
	if most := (limit + reserved - 1) / reserved; passed != most {
		t.Errorf("%d streams of 40 passed at once, not %d", passed, most)
	}
	total := r.used(t, "alice", "output")
	if total != int64(passed*each) {
		t.Errorf("%d tokens are used by %d answers of %d", total, passed, each)
	}
	t.Logf("%d answers of %d tokens in flight, %d reserved for each: the limit of %d was overshot by %d", passed, each, reserved, limit, total-limit)
}

func TestAFallbackAnswersForAProviderThatFails(t *testing.T) {
	good := startVendor(t, always(whole(spoke)))
	tests := []struct {
		name, body string
		answer     func(asked, net.Conn)
		falls      bool
		status     int
	}{
		{"a failure of its own", asking, always(status("503 Busy", `{"error":{"message":"no"}}`)), true, 200},
		{"its own limit", asking, always(status("429 Slow", `{"error":{"message":"no"}}`)), true, 200},
		{"a connection that ends", asking, func(_ asked, conn net.Conn) { conn.Close() }, true, 200},
		{"an answer that is none", asking, always(whole(`<html>`)), true, 200},
		{"a failure in the place of the first event", asking, streams("data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n"), true, 200},
		{"what is wrong with the request is told", asking, always(status("400 Bad", `{"error":{"message":"no"}}`)), false, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := startVendor(t, tt.answer)
			const limits = "[llm.providers.%s.rate_limits.per_user]\ninput_token_limit = 1000\noutput_token_limit = 10000\ninterval = \"1d\"\n"
			text := relaying(bad, fmt.Sprintf(limits, "openai"))
			text = strings.Replace(text, "rename = \"gpt-4o-2024\"\n", "rename = \"gpt-4o-2024\"\nfallback = [\"other/gpt-x\"]\n", 1)
			text += fmt.Sprintf("\n[llm.providers.other]\ntype = \"openai\"\napi_key = \"any\"\nbase_url = %q\n", good.url) + fmt.Sprintf(limits, "other")
			r := start(t, text)
			a := r.do(t, alice(tt.body))
			if a.status != tt.status {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if r.used(t, "alice", "input") != 0 || r.used(t, "alice", "output") != 0 {
				t.Error("the one that failed is paid")
			}
			if !tt.falls {
				return
			}
			if h := a.header.Get("X-Nexus-Fallback"); h != "other/gpt-x" || !strings.Contains(a.body, `"model":"other/gpt-x"`) {
				t.Errorf("fallback %q: %s", h, a.body)
			}
			if sent := good.last(t).body; !strings.Contains(sent, `"model":"gpt-x"`) || !strings.Contains(sent, `"content":"Hello"`) {
				t.Errorf("the fallback was sent %s", sent)
			}
			if tr := r.trace(t, a); tr.Fallback != "other/gpt-x" || tr.Provider != "other" {
				t.Errorf("the trace says %q by %q", tr.Fallback, tr.Provider)
			}
			if rows := rowsOf(t, r, "other"); rows["input"] != 8 || rows["output"] != 30 {
				t.Errorf("the one that answered is paid %v", rows)
			}
		})
	}
}

func rowsOf(t *testing.T, r *running, provider string) map[string]int64 {
	t.Helper()
	rows, err := r.Limits(t.Context(), "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]int64{}
	for _, row := range rows {
		if row.Provider == provider && row.Model == "" {
			used[row.Kind] = row.Used
		}
	}
	return used
}

func TestOnlySoManyRequestsAreInFlight(t *testing.T) {
	gate, asks := make(chan struct{}), make(chan struct{}, 8)
	v := startVendor(t, func(_ asked, conn net.Conn) {
		asks <- struct{}{}
		<-gate
		_, _ = io.WriteString(conn, whole(spoke))
	})
	r := start(t, relaying(v)+"\n[server.rate_limits]\nper_user.concurrent = 2\n")
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			if a := r.do(t, alice(asking)); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
		<-asks
	}
	a := r.do(t, alice(asking))
	if tr := r.trace(t, a); a.status != 429 || tr.Reason != "concurrency_limit" || a.header.Get("Retry-After") != "1" {
		t.Errorf("%d %s, Retry-After %q", a.status, tr.Reason, a.header.Get("Retry-After"))
	}
	close(gate)
	callers.Wait()
	for range 3 {
		if a := r.do(t, alice(asking)); a.status != 200 {
			t.Errorf("a slot was not given back: %d %s", a.status, a.body)
		}
	}
}

func TestAForgottenClientHasItsBudgetBack(t *testing.T) {
	r := start(t, limiting("[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = 20\ninterval = \"1h\""))
	r.passes(t, as("a", "", asks("plain", "Hello")), 5)
	if known, err := r.Forget(t.Context(), "a"); !known || err != nil {
		t.Fatal(known, err)
	}
	if passed, _ := r.passes(t, as("a", "", asks("plain", "Hello")), 5); passed != 2 {
		t.Errorf("%d calls passed, not 2", passed)
	}
	if known, err := r.Forget(t.Context(), "nobody"); known || err != nil {
		t.Error(known, err)
	}
}

func TestAProvidersOwnLimitsAreNotTakenForTheCallers(t *testing.T) {
	v := startVendor(t, always(whole(spoke, "x-ratelimit-limit-tokens: 30000000", "x-ratelimit-reset-requests: 6m0s", "x-nexus-fallback: no/such")))
	a := start(t, budgeted(v, "input_token_limit = 1000\ninterval = \"1d\"")).do(t, alice(asking))
	if limit, reset := a.header.Get("X-Ratelimit-Limit-Tokens"), a.header.Get("X-Ratelimit-Reset-Requests"); limit != "1000" || reset != "" {
		t.Errorf("limit %q, reset of requests %q", limit, reset)
	}
	if h := a.header.Get("X-Nexus-Fallback"); h != "" {
		t.Errorf("fallback %q", h)
	}
}

func TestWhatIsGivenBackIsGivenBackOnce(t *testing.T) {
	fails := false
	v := startVendor(t, func(_ asked, conn net.Conn) {
		if fails {
			_, _ = io.WriteString(conn, status("500 Oops", `{"error":{"message":"no"}}`))
			return
		}
		_, _ = io.WriteString(conn, whole(spoke))
	})
	r := start(t, budgeted(v, "input_token_limit = 1000\noutput_token_limit = 1000\ntotal_token_limit = 5000\ninterval = \"1d\""))
	r.do(t, alice(asking))
	fails = true
	a := r.do(t, alice(asking))
	if input, output := r.used(t, "alice", "input"), r.used(t, "alice", "output"); input != 8 || output != 30 {
		t.Errorf("after an answer of 30 tokens and a failure %d and %d are used", input, output)
	}
	if total := r.used(t, "alice", "total"); total != 38 {
		t.Errorf("%d are used in all, not 38", total)
	}
	if left := a.header.Get("X-Ratelimit-Remaining-Tokens"); a.status != 500 || left != "970" {
		t.Errorf("%d says that %s are left, not 970", a.status, left)
	}
}

func TestAStreamIsSettledBeforeItsEndIsSent(t *testing.T) {
	r := start(t, budgeted(startVendor(t, streams(delta("Hello"), finished, counted, marked)), "output_token_limit = 1000\ninterval = \"1d\""))
	for i := range 20 {
		conn, in := r.connect(t, "/llm/v1/chat/completions", askStream)
		for line := ""; line != marked[:len(marked)-1]; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if used := r.used(t, "alice", "output"); used != int64(3*(i+1)) {
			t.Fatalf("at the end of stream %d, %d are used", i+1, used)
		}
		conn.Close()
	}
}

// reserves is what is reserved for one answer while it is under way.
func (r *running) reserves(t *testing.T, v *vendor, body string) int64 {
	t.Helper()
	before := r.used(t, "alice", "output")
	came, gate := make(chan struct{}), make(chan struct{})
	v.mu.Lock()
	answer := v.answer
	v.answer = func(a asked, conn net.Conn) {
		close(came)
		<-gate
		answer(a, conn)
	}
	v.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.do(t, alice(body))
	}()
	within(t, 5*time.Second, "the call", came)
	held := r.used(t, "alice", "output") - before
	close(gate)
	within(t, 5*time.Second, "the answer", done)
	v.mu.Lock()
	v.answer = answer
	v.mu.Unlock()
	return held
}

func TestWhatIsReservedIsWhatIsExpected(t *testing.T) {
	v := startVendor(t, always(whole(strings.Replace(spoke, `"completion_tokens":30`, `"completion_tokens":700`, 1))))
	r := start(t, budgeted(v, "output_token_limit = 1000000\ninterval = \"1d\""))
	bounded := strings.Replace(asking, "{", `{"max_tokens":40,`, 1)
	if held := r.reserves(t, v, bounded); held != 40 {
		t.Errorf("%d are reserved for an answer of 40 at most", held)
	}
	if held := r.reserves(t, v, asking); held != 700 {
		t.Errorf("%d are reserved after an answer of 700", held)
	}
	if held := r.reserves(t, v, strings.Replace(asking, "{", `{"max_output_tokens":1,`, 1)); held != 700 {
		t.Errorf("%d are reserved for a bound that chats do not have", held)
	}
}

func TestAnAnswerThatOutlivesItsWindowIsCharged(t *testing.T) {
	v := startVendor(t, func(_ asked, conn net.Conn) {
		<-time.After(250 * time.Millisecond)
		_, _ = io.WriteString(conn, whole(strings.Replace(spoke, `"completion_tokens":30`, `"completion_tokens":5000`, 1)))
	})
	r := start(t, budgeted(v, "output_token_limit = 1000\ninterval = \"100ms\""))
	r.do(t, alice(asking))
	if a := r.do(t, alice(asking)); a.status != 429 {
		t.Errorf("%d, after an answer of five times the limit", a.status)
	}
}

func TestWhoLeavesPaysMoreThanAProviderSaidEarly(t *testing.T) {
	early := strings.Replace(delta("Hello"), `"finish_reason":null}]`, `"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":0,"total_tokens":5}`, 1)
	r := start(t, budgeted(startVendor(t, streams(early, delta(" there"), delta(" you"))), "output_token_limit = 1000\ninterval = \"1d\""))
	r.do(t, alice(askStream))
	r.eventually(t, "alice", "output", 3)
}

// chained is a file with three providers: the first has the second, and then the third, for its fallbacks.
func chained(first, second, third *vendor, limits string) string {
	text := relaying(first)
	text = strings.Replace(text, "rename = \"gpt-4o-2024\"\n", "rename = \"gpt-4o-2024\"\nfallback = [\"two/x\", \"three/y\"]\n", 1)
	for i, v := range []*vendor{second, third} {
		key := "api_key = \"any\""
		if i == 0 {
			key = "forward_token = true"
		}
		text += fmt.Sprintf("\n[llm.providers.%s]\ntype = \"openai\"\n%s\nbase_url = %q\n", []string{"two", "three"}[i], key, v.url)
	}
	return text + limits
}

func TestAChainGoesOnPastWhoCannotTakeTheRequest(t *testing.T) {
	bad, good := always(status("503 Busy", `{"error":{"message":"no"}}`)), always(whole(spoke))
	two := startVendor(t, good)
	r := start(t, chained(startVendor(t, bad), two, startVendor(t, good), ""))
	a := r.do(t, alice(asking, "X-Provider-Api-Key", "sk-of-the-caller"))
	if h := a.header.Get("X-Nexus-Fallback"); a.status != 200 || h != "three/y" {
		t.Errorf("%d by %q: %s", a.status, h, a.body)
	}
	if two.count() != 0 {
		t.Error("a provider was sent a key that the caller has brought for another")
	}
	r = start(t, chained(startVendor(t, bad), two, startVendor(t, bad), ""))
	a = r.do(t, alice(asking))
	if h := a.header["X-Nexus-Fallback"]; a.status != 502 || h != nil {
		t.Errorf("%d, fallback %q", a.status, h)
	}
	tr := r.trace(t, a)
	last := tr.Steps()[len(tr.Steps())-1]
	contains(t, "the last step", last.Sentence(), "gpt-4o failed", "two/x failed")
}

func TestAFallbackSaysWhatIsLeftOfItsOwnLimit(t *testing.T) {
	bad, good := always(status("503 Busy", `{"error":{"message":"no"}}`)), always(whole(spoke, "x-ratelimit-limit-tokens: 777"))
	const limits = "\n[llm.providers.three.rate_limits.per_user]\ninput_token_limit = 50\ninterval = \"1d\"\n"
	r := start(t, chained(startVendor(t, bad), startVendor(t, good), startVendor(t, good), limits))
	a := r.do(t, alice(asking))
	if limit, left := a.header.Get("X-Ratelimit-Limit-Tokens"), a.header.Get("X-Ratelimit-Remaining-Tokens"); limit != "50" || left != "42" {
		t.Errorf("%s of %s left", left, limit)
	}
}

func TestAFallbackIsSentALargeBodyWhole(t *testing.T) {
	good := startVendor(t, streams(delta("Hello"), finished, counted, marked))
	for _, size := range []int{100, 50_000, 3_000_000} {
		bad := startVendor(t, always(status("503 Busy", `{"error":{"message":"no"}}`)))
		r := start(t, chained(bad, good, good, ""))
		body := strings.Replace(askStream, "Hello", strings.Repeat("Hello ", size/6), 1)
		if a := r.do(t, alice(body)); a.status != 200 {
			t.Fatalf("%d: %s", a.status, a.body)
		}
		if sent := good.last(t).body; strings.Count(sent, "Hello ") != size/6 || !strings.Contains(sent, `"model":"y"`) {
			t.Errorf("of %d bytes the fallback was sent %d", size, len(sent))
		}
		for deadline := time.Now().Add(5 * time.Second); r.InFlight() != 0; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes are still held", r.InFlight())
			}
		}
	}
}

func TestABodyIsHeldNoLongerThanSomebodyElseMayNeedIt(t *testing.T) {
	body := strings.Replace(askStream, "Hello", strings.Repeat("Hello ", 500_000), 1)
	idle := func(r *running, when string) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); r.InFlight() != 0; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s %d bytes are held", when, r.InFlight())
			}
		}
	}
	fails := streams("data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n")
	gate := make(chan struct{})
	good := startVendor(t, func(_ asked, conn net.Conn) {
		_, _ = io.WriteString(conn, chunked+chunk(delta("Hello")))
		<-gate
		_, _ = io.WriteString(conn, chunk(finished)+chunk(marked)+endOfStream)
	})
	// The last of the chain gets the body, too, though the first has begun to answer.
	r := start(t, chained(startVendor(t, fails), good, good, ""))
	conn, in := r.connect(t, "/llm/v1/chat/completions", body)
	for line := ""; !strings.Contains(line, `"content":"Hello"`); {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if sent := good.last(t).body; strings.Count(sent, "Hello ") != 500_000 {
		t.Errorf("the fallback was sent %d bytes", len(sent))
	}
	idle(r, "while the answer is streamed")
	close(gate)
	conn.Close()

	r = start(t, chained(startVendor(t, fails), good, startVendor(t, fails), ""))
	if a := r.do(t, alice(body)); a.status != 500 {
		t.Errorf("%d %s", a.status, a.body)
	}
	idle(r, "after all have failed")
}
