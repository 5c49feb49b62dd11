package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// tokened is a configuration whose callers are known by the tokens of an issuer. More lines go into [server.oauth].
func tokened(i *gatewaytest.Issuer, oauth ...string) string {
	return i.Config(oauth...) + `
[server.client_identification.validation]
group_values = ["free", "pro", "enterprise"]

[llm.providers.demo]
type = "demo"
`
}

const (
	tokenCallers  = 20
	tokenPace     = 40 * time.Millisecond // of one caller: 500 calls a second in all
	tokenPatience = 3 * time.Second       // how long a caller asks again after a 401
)

// tokenTraffic is callers who keep asking with the token of the moment. As OAuth clients do, one that is refused asks again.
type tokenTraffic struct {
	url    string
	token  atomic.Pointer[string]
	calls  atomic.Int64
	again  atomic.Int64 // calls that were answered at a later try
	worst  atomic.Int64 // ns until the slowest of them was
	wait   sync.WaitGroup
	stop   context.CancelFunc
	mu     sync.Mutex
	failed []error
}

func startTokenTraffic(t *testing.T, url, token string) *tokenTraffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &tokenTraffic{url: url, stop: stop}
	w.token.Store(&token)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: tokenCallers}}
	for range tokenCallers {
		w.wait.Go(func() {
			pace := time.NewTicker(tokenPace)
			defer pace.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
				}
				if err := w.call(client); err != nil {
					w.mu.Lock()
					w.failed = append(w.failed, err)
					w.mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(func() { w.stop(); w.wait.Wait(); client.CloseIdleConnections() })
	return w
}

// call is one call, with whatever tries it takes.
func (w *tokenTraffic) call(client *http.Client) error {
	began := time.Now()
	for try := 1; ; try++ {
		status, body, err := askWith(client, w.url, *w.token.Load())
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			w.calls.Add(1)
			if try > 1 {
				w.again.Add(1)
				w.worst.Store(max(w.worst.Load(), int64(time.Since(began))))
			}
			return nil
		case status != http.StatusUnauthorized || time.Since(began) > tokenPatience:
			return fmt.Errorf("answered %d after %v: %s", status, time.Since(began), body)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// askWith asks the demo with a token.
func askWith(client *http.Client, url, token string) (int, string, error) {
	call, err := http.NewRequest(http.MethodPost, url+chatPath, strings.NewReader(hello))
	if err != nil {
		return 0, "", err
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(call)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// use has all callers use another token from now on.
func (w *tokenTraffic) use(token string) { w.token.Store(&token) }

// during lets the traffic go on for a while and gives how many calls were answered at once, and at a later try.
func (w *tokenTraffic) during(length time.Duration) (calls, again int64) {
	calls, again = w.calls.Load(), w.again.Load()
	<-time.After(length)
	return w.calls.Load() - calls, w.again.Load() - again
}

// check fails for calls that were not answered in the end.
func (w *tokenTraffic) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.failed[:min(len(w.failed), 5)]...); err != nil {
		t.Fatalf("%d calls failed: %v", len(w.failed), err)
	}
}

// awaitFetches waits until the issuer was asked so many more times.
func awaitFetches(t *testing.T, i *gatewaytest.Issuer, more int) {
	t.Helper()
	want := i.Fetches() + more
	for deadline := time.Now().Add(30 * time.Second); i.Fetches() < want; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the issuer was asked %d times, want %d", i.Fetches(), want)
		}
	}
}

func rotationRounds() int {
	if isSoak() {
		return 10
	}
	return 2
}

// TestSoakRotationsLoseNoCall changes the issuer's key under 500 calls a second. With overlap (the new key is published
// before tokens are signed with it) no call is refused. Without, the first calls with the new key are refused while the set is fetched,
// which no call waits for, and are answered when they ask again.
func TestSoakRotationsLoseNoCall(t *testing.T) {
	key := gatewaytest.NewKey(t, "key-0", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	nexus := gatewaytest.Start(t, tokened(i, `poll_interval = "500ms"`))
	w := startTokenTraffic(t, nexus.URL, i.Token(t, key, nil))
	for round := range rotationRounds() {
		next := gatewaytest.NewKey(t, fmt.Sprintf("key-%d", round+1), []string{"RS256", "PS256", "ES256", "EdDSA"}[round%4])
		i.Publish(t, key, next)
		awaitFetches(t, i, 2) // the first may have begun before
		w.use(i.Token(t, next, nil))
		i.Publish(t, next)
		calls, again := w.during(1500 * time.Millisecond)
		if again != 0 || calls < 100 {
			t.Errorf("with overlap: %d of %d calls were refused at first", again, calls)
		}
		key = next
	}
	w.check(t)
	t.Logf("with overlap: %d calls, none refused", w.calls.Load())
}

// TestARotationWithoutOverlapIsPickedUpAtOnce takes the old key away in the moment in which the new one signs, with a
// poll that is far away.
func TestARotationWithoutOverlapIsPickedUpAtOnce(t *testing.T) {
	old, next := gatewaytest.NewKey(t, "old", "RS256"), gatewaytest.NewKey(t, "new", "RS256")
	i := gatewaytest.StartIssuer(t, old)
	nexus := gatewaytest.Start(t, tokened(i))
	w := startTokenTraffic(t, nexus.URL, i.Token(t, old, nil))
	w.during(500 * time.Millisecond)
	i.Publish(t, next)
	if _, again := w.during(500 * time.Millisecond); again != 0 {
		t.Errorf("%d calls with the old key were refused before anything was known of the new one", again)
	}
	w.use(i.Token(t, next, nil))
	calls, again := w.during(2 * time.Second)
	w.check(t)
	worst := time.Duration(w.worst.Load())
	t.Logf("without overlap: %d calls, %d of them refused at first, answered within %v", calls, again, worst.Round(time.Millisecond))
	if worst > time.Second {
		t.Errorf("a call with the new key was answered only after %v", worst)
	}
	if status, body, err := askWith(http.DefaultClient, nexus.URL, i.Token(t, old, nil)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the old key is gone, but its token is answered %d %s (%v)", status, body, err)
	}
}

// TestAnIssuerInTroubleCostsNoCall has the issuer misbehave in every way there is, one after the other, under traffic.
func TestAnIssuerInTroubleCostsNoCall(t *testing.T) {
	key := gatewaytest.NewKey(t, "good", "RS256")
	i := gatewaytest.StartIssuer(t, key)
	nexus := gatewaytest.Start(t, tokened(i, `poll_interval = "200ms"`))
	w := startTokenTraffic(t, nexus.URL, i.Token(t, key, nil))
	good := gatewaytest.KeySet(t, key)
	says := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	elsewhere := gatewaytest.StartIssuer(t, gatewaytest.NewKey(t, "evil", "RS256"))
	for name, trouble := range map[string]http.HandlerFunc{
		"is down":             func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"never answers":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"has no keys":         says(200, `{"keys":[]}`),
		"says {}":             says(200, `{}`),
		"says null":           says(200, `null`),
		"says nothing":        says(200, ``),
		"answers with a page": says(200, `<!doctype html><title>Sign in</title>`),
		"fails":               says(500, `{"error":"boom"}`),
		"is overloaded":       says(429, string(good)),
		"sends 2 MiB":         says(200, string(good)+strings.Repeat(" ", 2<<20)),
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.SetURL(), http.StatusFound)
		},
		"has a bad key as well": says(200, strings.Replace(string(good), `{"keys":[`, `{"keys":[{"kty":"RSA","kid":7,"n":"!","e":""},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"},`, 1)),
	} {
		i.Answer(trouble)
		awaitFetches(t, i, 1)
		calls, again := w.during(300 * time.Millisecond)
		w.check(t)
		if again != 0 || calls == 0 {
			t.Errorf("an issuer that %s: %d of %d calls were refused at first", name, again, calls)
		}
	}
	if n := elsewhere.Fetches(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	t.Logf("%d calls, none refused", w.calls.Load())
}

// percentile is that of times, which are sorted by it.
func percentile(times []time.Duration, percent int) time.Duration {
	slices.Sort(times)
	return times[(len(times)-1)*percent/100]
}
