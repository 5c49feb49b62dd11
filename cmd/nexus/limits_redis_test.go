package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// inRedis has the limits of a nexus.toml counted by a server.
func inRedis(r *gatewaytest.Redis, onFailure string, more ...string) string {
	return fmt.Sprintf("\n[server.rate_limits.storage]\ntype = \"redis\"\nurl = %q\non_failure = %q\n%s\n", r.URL(), onFailure, strings.Join(more, "\n"))
}

// manyConnections is a client with room for many connections, which are kept.
func manyConnections() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 300, MaxConnsPerHost: 300}}
}

// askDemo asks the demo once and gives the status.
func askDemo(client *http.Client, base, who, model string) (int, error) {
	r, err := http.NewRequest(http.MethodPost, base+chatPath, strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-Client-ID", who)
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// TestInstancesShareALimitExactly has a thousand callers ask four gateways at once, whose limits are in one Redis.
func TestInstancesShareALimitExactly(t *testing.T) {
	redis := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	const limits = "\n[server.rate_limits.per_user]\nlimit = 100\ninterval = \"1d\"\n" +
		"[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = 640\ninterval = \"1d\"\n"
	var gateways [4]*gatewaytest.Nexus
	for i := range gateways {
		gateways[i] = gatewaytest.Start(t, identified+limits+inRedis(redis, "deny", `response_timeout = "10s"`)) // on a busy machine, too
	}
	runs := 3
	if soaking() {
		runs = 50
	}
	client := manyConnections()
	for run := range runs {
		// By requests, where 100 pass; and by tokens, where 80 pass of 8 each.
		for who, want := range map[string]int64{"requests": 100, "tokens": 80} {
			var passed, other atomic.Int64
			var callers sync.WaitGroup
			for i := range 1000 {
				callers.Go(func() {
					status := 0
					var err error
					if who == "requests" {
						status, err = models(client, gateways[i%4].URL, fmt.Sprintf("%s-%d", who, run))
					} else {
						status, err = askDemo(client, gateways[i%4].URL, fmt.Sprintf("%s-%d", who, run), "demo-1")
					}
					switch {
					case err == nil && status == http.StatusOK:
						passed.Add(1)
					case err != nil || status != http.StatusTooManyRequests:
						other.Add(1)
					}
				})
			}
			callers.Wait()
			if passed.Load() != want || other.Load() != 0 {
				t.Errorf("run %d: %d of 1000 passed by %s, not %d; %d failed otherwise", run, passed.Load(), who, want, other.Load())
			}
		}
	}
}

// models asks for the models, which is a request without tokens.
func models(client *http.Client, base, who string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, base+"/llm/v1/models", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-Client-ID", who)
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// pressure is callers who keep asking, and what becomes of it.
type pressure struct {
	mu      sync.Mutex
	times   []time.Duration
	status  map[int]int
	stopped chan struct{}
	wait    sync.WaitGroup
}

// press has some callers ask without a pause, until stop.
func press(base string) *pressure {
	p := &pressure{status: map[int]int{}, stopped: make(chan struct{})}
	client := manyConnections()
	for i := range 8 {
		p.wait.Go(func() {
			for {
				select {
				case <-p.stopped:
					return
				default:
				}
				begun := time.Now()
				status, err := askDemo(client, base, fmt.Sprintf("caller-%d", i), "demo-1")
				if err != nil {
					status = -1
				}
				p.mu.Lock()
				p.times = append(p.times, time.Since(begun))
				p.status[status]++
				p.mu.Unlock()
			}
		})
	}
	return p
}

// take gives what was seen since the last time: the times in order, and how many answers there were of each status.
func (p *pressure) take() ([]time.Duration, map[int]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	times, status := p.times, p.status
	p.times, p.status = nil, map[int]int{}
	slices.Sort(times)
	return times, status
}

// seen is how many answers take would tell of.
func (p *pressure) seen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.times)
}

func (p *pressure) stop() {
	close(p.stopped)
	p.wait.Wait()
}

// readiness is what /ready says.
func readiness(t *testing.T, base string) string {
	t.Helper()
	answer, err := http.Get(base + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var told struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return told.Status
}

// TestARedisThatFailsHoldsNobodyUp spoils the Redis of a gateway under load in each way, and watches what callers notice.
func TestARedisThatFailsHoldsNobodyUp(t *testing.T) {
	faults := []struct {
		name         string
		spoil, mend  func(*gatewaytest.Redis)
		alwaysServes bool // the fault keeps Redis in service
	}{
		{"stopped", (*gatewaytest.Redis).Stop, (*gatewaytest.Redis).Start, false},
		{"paused", (*gatewaytest.Redis).Pause, (*gatewaytest.Redis).Resume, false},
		{"refusing writes", func(r *gatewaytest.Redis) { r.Do("CONFIG", "SET", "min-replicas-to-write", "3") },
			func(r *gatewaytest.Redis) { r.Do("CONFIG", "SET", "min-replicas-to-write", "0") }, false},
		{"flushed", func(r *gatewaytest.Redis) { r.Do("FLUSHALL"); r.Do("SCRIPT", "FLUSH") }, func(*gatewaytest.Redis) {}, true},
	}
	const limits = "\n[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = 1000000000\ninterval = \"1d\"\n"
	for _, onFailure := range []string{"local", "allow", "deny"} {
		for _, fault := range faults {
			t.Run(onFailure+"/"+fault.name, func(t *testing.T) {
				redis := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
				n := gatewaytest.Start(t, identified+limits+inRedis(redis, onFailure))
				p := press(n.URL)
				defer p.stop()
				await(t, "redis is in use", func() bool { times, _ := p.take(); return len(times) > 20 })

				p.take()
				fault.spoil(redis)
				if fault.alwaysServes {
					await(t, "requests go on", func() bool { return p.seen() > 20 })
				} else {
					await(t, "the gateway notices", func() bool { return readiness(t, n.URL) == "degraded" })
				}
				await(t, "requests go on", func() bool { return p.seen() > 0 })
				first, status := p.take()
				if worst := first[len(first)-1]; worst > 250*time.Millisecond+slack() {
					t.Errorf("a request took %s", worst)
				}
				delete(status, http.StatusOK)
				if onFailure == "deny" {
					delete(status, http.StatusServiceUnavailable)
				}
				if len(status) > 0 {
					t.Errorf("answered %v", status)
				}
				await(t, "the breaker is open", func() bool {
					times, status := p.take()
					quick := len(times) > 20 && times[len(times)*9/10] < 10*time.Millisecond+slack()
					return quick && (onFailure != "deny" || fault.alwaysServes || status[http.StatusOK] == 0)
				})

				fault.mend(redis)
				back := time.Now()
				await(t, "the gateway is back", func() bool { return readiness(t, n.URL) == "ready" })
				if took := time.Since(back); took > 5*time.Second {
					t.Errorf("back after %s", took)
				}
				await(t, "all are answered", func() bool {
					_, status := p.take()
					return status[http.StatusOK] > 20 && len(status) == 1
				})
			})
		}
	}
}

// slack is what a busy machine adds.
func slack() time.Duration {
	if raced() {
		return 500 * time.Millisecond
	}
	return 100 * time.Millisecond
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	awaitWithin(t, 10*time.Second, what, so)
}

func awaitWithin(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// TestWhatIsPaidIsWhatWasUsed has callers stream and leave while Redis comes and goes, and holds what is charged in the end
// against what the provider has answered.
func TestWhatIsPaidIsWhatWasUsed(t *testing.T) {
	redis, provider := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{}), gatewaytest.StartProvider(t)
	n := gatewaytest.Start(t, identified+provider.Config()+
		"\n[llm.providers.openai.rate_limits.per_user]\noutput_token_limit = 1000000000\ninterval = \"1d\"\n"+inRedis(redis, "local"))
	client := manyConnections()
	var used atomic.Int64
	ask := func(round int) {
		var callers sync.WaitGroup
		for i := range 20 {
			callers.Go(func() {
				body := fmt.Sprintf(`{"model":"gpt-4o","messages":[{"role":"user","content":"round %d, caller %d"}]}`, round, i)
				r, _ := http.NewRequest(http.MethodPost, n.URL+chatPath, strings.NewReader(body))
				r.Header.Set("X-Client-ID", "alice")
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				var told struct {
					Usage struct {
						Output int64 `json:"completion_tokens"`
					}
				}
				if err := json.NewDecoder(answer.Body).Decode(&told); err != nil || answer.StatusCode != http.StatusOK {
					t.Errorf("%s %v", answer.Status, err)
				}
				used.Add(told.Usage.Output)
			})
		}
		callers.Wait()
	}
	charged := func() int64 {
		r, _ := http.NewRequest(http.MethodGet, n.URL+"/llm/v1/limits", nil)
		r.Header.Set("X-Client-ID", "alice")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var told struct {
			Limits []struct {
				Provider, Model *string
				Kind            string
				Used            int64
			}
		}
		if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
			t.Fatal(err)
		}
		for _, l := range told.Limits {
			if l.Kind == "output" && l.Provider != nil && *l.Provider == "openai" && l.Model == nil {
				return l.Used
			}
		}
		t.Fatal("no such limit")
		return 0
	}
	same := func(when string) {
		await(t, when+", what is charged is what was used", func() bool { return charged() == used.Load() })
	}
	ask(0)
	same("at first")
	redis.Pause()
	ask(1)
	same("while it stands still")
	redis.Resume()
	await(t, "it is back", func() bool { return readiness(t, n.URL) == "ready" })
	same("when it is back")
	ask(2)
	same("in the end")
}

// TestSoakAMillionClientsTakeBoundedMemory has a million client ids ask once each.
func TestSoakAMillionClientsTakeBoundedMemory(t *testing.T) {
	clients := 30_000
	if soaking() {
		clients = 1_000_000
	}
	const limits = "\n[admin]\ntraces = 0\nrejections = 0\n[server.rate_limits.per_user]\nlimit = 100\ninterval = \"10s\"\n"
	n := gatewaytest.Start(t, identified+limits)
	client := manyConnections()
	ask := func(from, to int) {
		var callers sync.WaitGroup
		for worker := range 16 {
			callers.Go(func() {
				for i := from + worker; i < to; i += 16 {
					if status, err := models(client, n.URL, fmt.Sprintf("stranger-%d", i)); err != nil || status != http.StatusOK {
						t.Errorf("client %d: %d %v", i, status, err)
						return
					}
				}
			})
		}
		callers.Wait()
	}
	ask(0, 5000)
	before := n.Memory(t)
	ask(5000, clients)
	grown := (n.Memory(t) - before) >> 20
	t.Logf("%d clients take %d MiB", clients, grown)
	if grown > 64 && !raced() {
		t.Errorf("%d clients take %d MiB", clients, grown)
	}
	if !soaking() {
		return
	}
	begun, late := time.Now(), 0
	awaitWithin(t, 4*time.Minute, "the memory has gone back", func() bool {
		late++
		if status, err := models(client, n.URL, fmt.Sprintf("late-%d", late%100)); err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		return (n.Memory(t)-before)>>20 <= max(4, grown/4)
	})
	t.Logf("%d MiB after %s", (n.Memory(t)-before)>>20, time.Since(begun).Round(time.Second))
}

// soaking is whether the proofs that take minutes are wanted.
func soaking() bool { return os.Getenv(soakVariable) != "" }
