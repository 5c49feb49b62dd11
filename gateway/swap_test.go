package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/journal"
)

// generation is a configuration in which everything that a request can meet carries one letter.
func generation(letter string) string {
	return strings.ReplaceAll(`
[server]
listen_address = "127.0.0.1:0"
[server.client_identification]
client_id.http_header = "X-%"
group_id.http_header = "X-G%"
[server.client_identification.validation]
group_values = ["group-%"]
[llm.providers.demo]
type = "demo"
[llm.providers.demo.models.m]
rename = "sent-%"
`, "%", letter)
}

// TestSoakEachRequestSeesOneGeneration swaps two configurations under load: whatever a request meets, the headers it is
// identified by, the groups, what the provider is told, is wholly one or the other.
func TestSoakEachRequestSeesOneGeneration(t *testing.T) {
	swaps, requests := 3000, int64(2000)
	if os.Getenv("NEXUS_SOAK") != "" {
		swaps, requests = 100_000, 10_000
	}
	configs := [2]*config.Config{parse(t, generation("A")), parse(t, generation("B"))}
	var next atomic.Int64
	g := startWith(t, func() config.Draft { return drafted(configs[next.Load()%2]) })

	stop, swapped := make(chan struct{}), 0
	var wait sync.WaitGroup
	var served atomic.Int64
	for caller := range 8 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf(`{"model":"m","stream":%t,"messages":[{"role":"user","content":"Hello"}]}`, i%4 == 0)
				if err := g.callBoth(fmt.Sprintf("c%d-%d", caller, i), body); err != nil {
					t.Error(err)
					return
				}
				served.Add(1)
			}
		})
	}
	// The swaps are quicker than the requests, so they go on until enough of both have met.
	end := time.Now().Add(time.Minute)
	for ; swapped < swaps || served.Load() < requests && time.Now().Before(end); swapped++ {
		next.Add(1)
		if r := g.Reload(journal.CauseSIGHUP); r.Result != journal.ResultSuccess {
			t.Fatal(r.Errors)
		}
	}
	close(stop)
	wait.Wait()
	t.Logf("%d requests over %d swaps", served.Load(), swapped)
	if served.Load() < requests {
		t.Errorf("only %d requests met %d swaps", served.Load(), swapped)
	}
	status := g.Status()
	for deadline := time.Now().Add(5 * time.Second); status.LiveGenerations != 1 && time.Now().Before(deadline); status = g.Status() {
		<-time.After(time.Millisecond)
	}
	if status.LiveGenerations != 1 || status.Generation != uint64(swapped+1) {
		t.Errorf("%d generations live, the newest is %d", status.LiveGenerations, status.Generation)
	}
}

// callBoth calls with what either generation needs, and checks that the answer and its record are of one alone.
func (r *running) callBoth(id, body string) error {
	request, err := http.NewRequest(http.MethodPost, r.url+"/llm/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	for _, letter := range []string{"A", "B"} {
		request.Header.Set("X-"+letter, "client-"+letter)
		request.Header.Set("X-G"+letter, "group-"+letter)
	}
	request.Header.Set("X-Request-ID", id)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	tr, ok := r.Journal().Trace(id)
	for deadline := time.Now().Add(5 * time.Second); !ok && time.Now().Before(deadline); tr, ok = r.Journal().Trace(id) {
		<-time.After(time.Millisecond)
	}
	letter := map[bool]string{true: "A", false: "B"}[tr.Generation%2 == 1]
	told := strings.Contains(string(answer), "sent-"+letter)
	if response.StatusCode != 200 || !ok || tr.ClientID != "client-"+letter || tr.Group != "group-"+letter || !told {
		return fmt.Errorf("request %s: %d, generation %d (%s) with client %q, group %q: %s",
			id, response.StatusCode, tr.Generation, letter, tr.ClientID, tr.Group, answer)
	}
	return nil
}
