package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/llm"
	"nexus/gateway/llm/demo"
	"nexus/gateway/llm/openai"
	"nexus/gateway/llm/upstream"
)

// discoveryInterval is how often a provider is asked for its models.
const discoveryInterval = 5 * time.Minute

// discoveryRetries are the pauses after the first failure to list the models, the second, and so on; the last one stays.
var discoveryRetries = [...]time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}

const (
	discoveryTimeout = 30 * time.Second
	maxListing       = 8 << 20 // bytes of a list of models
)

// accountSettings are what shapes an account: generations with equal ones share it.
type accountSettings struct {
	connection upstream.Settings
	key        config.Secret
	inserts    string // headers that each call has, a line each
}

// account is what is known of a provider as one key sees it: the models that it has, and how it has answered lately. It
// outlives the configurations that have it with equal settings.
type account struct {
	// models is the last list; nil: there was none yet. Equal lists keep the pointer.
	models  atomic.Pointer[[]llm.Model]
	listing atomic.Int64 // when the list was fetched, in Unix nanoseconds; 0: never
	// tried is closed when the models were asked for once, however that ended.
	tried chan struct{}

	reach   atomic.Int32 // see the constants
	latency atomic.Int64 // smoothed, in nanoseconds; 0: nothing was answered yet
	trouble atomic.Pointer[trouble]
	silent  silentModels
}

// What is known of whether a provider can be reached.
const (
	unknownReach int32 = iota
	reached
	unreached
)

// trouble is what went wrong last.
type trouble struct {
	what string
	at   time.Time
}

// builtInAccount is that of the demo, which is always there.
func builtInAccount() *account {
	a := &account{tried: make(chan struct{})}
	models, _ := demo.New().Models(context.Background())
	a.models.Store(&models)
	a.listing.Store(time.Now().UnixNano())
	a.reach.Store(reached)
	close(a.tried)
	return a
}

// openAccount begins to ask for the models, and gives the function that ends it, which returns when nothing runs any more.
// The first list is what was known before, if anything was.
func openAccount(client *upstream.Client, settings accountSettings, before *[]llm.Model, log *slog.Logger) (*account, func()) {
	a := &account{tried: make(chan struct{})}
	a.models.Store(before)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.run(ctx, client, settings, log)
	}()
	return a, func() {
		stop()
		<-done
	}
}

// run asks for the models until ctx ends.
func (a *account) run(ctx context.Context, client *upstream.Client, settings accountSettings, log *slog.Logger) {
	failures := 0
	for first := true; ; first = false {
		err := a.discover(ctx, client, settings, log)
		if ctx.Err() != nil {
			return
		}
		// Gateways that were started together should not ask together: 95 to 105 % of the interval.
		pause := time.Duration(float64(discoveryInterval) * (0.95 + 0.1*rand.Float64()))
		if err != nil {
			if failures == 0 {
				log.Warn("models not listed", "err", err.Error())
			}
			pause = discoveryRetries[min(failures, len(discoveryRetries)-1)]
			failures++
		} else {
			failures = 0
		}
		if first {
			close(a.tried)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// discover asks for the models once. What fails leaves the last list. Its errors hold nothing that the provider said.
func (a *account) discover(ctx context.Context, client *upstream.Client, settings accountSettings, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	models, err := a.listSafely(ctx, client, settings, log)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = &llm.TimeoutError{Key: "", Waited: discoveryTimeout}
		}
		a.failed(err)
		return err
	}
	a.listing.Store(time.Now().UnixNano())
	if last := a.models.Load(); last == nil || !slices.Equal(*last, models) {
		a.models.Store(&models)
		log.Info("models listed", "models", len(models))
	}
	return nil
}

// listSafely is list: what a provider answers costs no more than its list, also where a bug meets it.
func (a *account) listSafely(ctx context.Context, client *upstream.Client, settings accountSettings, log *slog.Logger) (models []llm.Model, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			logPanic(log, "listing models panicked", thrown)
			err = errPanicked
		}
	}()
	return a.list(ctx, client, settings)
}

// list asks the provider.
func (a *account) list(ctx context.Context, client *upstream.Client, settings accountSettings) ([]llm.Model, error) {
	header := make(http.Header, 4)
	header["Accept"] = jsonContent
	if settings.key.IsSet() {
		header["Authorization"] = []string{"Bearer " + settings.key.Reveal()}
	}
	for line := range strings.Lines(settings.inserts) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		header[name] = []string{value}
	}
	begun := time.Now()
	answer, err := client.Do(ctx, upstream.Call{Method: http.MethodGet, Path: "/models", Header: header})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	a.answered(time.Since(begun))
	if answer.Status != http.StatusOK {
		return nil, &llm.Error{Status: answer.Status}
	}
	body, err := answer.ReadAll(nil, maxListing)
	if err != nil {
		return nil, err
	}
	return openai.Listing(body)
}

// answered notes that the provider has answered, after so long.
func (a *account) answered(took time.Duration) {
	if a.reach.Load() != reached {
		a.reach.Store(reached)
	}
	took = max(took, 1)
	if last := time.Duration(a.latency.Load()); last > 0 {
		took = last + (took-last)/8 // two at once lose one figure of many
	}
	a.latency.Store(int64(took))
}

// failed notes what went wrong with a call. The text is ours, never the provider's.
func (a *account) failed(err error) {
	var (
		unreachable *llm.UnreachableError
		timeout     *llm.TimeoutError
	)
	if errors.As(err, &unreachable) || errors.As(err, &timeout) && timeout.Key != "idle_timeout" { // it had answered
		a.reach.Store(unreached)
	}
	a.trouble.Store(&trouble{what: err.Error(), at: time.Now()})
}

// listed are the models of the last list.
func (a *account) listed() []llm.Model {
	if models := a.models.Load(); models != nil {
		return *models
	}
	return nil
}

// status is what the admin shows, but for the provider's name and type, and for the models.
func (a *account) status() ProviderStatus {
	s := ProviderStatus{Latency: time.Duration(a.latency.Load())}
	if reach := a.reach.Load(); reach != unknownReach {
		can := reach == reached
		s.Reachable = &can
	}
	if t := a.trouble.Load(); t != nil {
		s.LastError, s.LastErrorAt = t.what, t.at
	}
	if at := a.listing.Load(); at != 0 {
		s.DiscoveredAt = time.Unix(0, at)
	}
	return s
}
