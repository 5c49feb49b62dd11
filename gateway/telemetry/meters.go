// Package telemetry is what operators graph and grep: the metrics that a scraper reads and the log.
//
// Meters holds OpenTelemetry instruments with a Prometheus registry of their own; nothing is
// registered globally. Label sets are prepared once and found again by a comparable key, so that
// a measurement on the path of a request allocates nothing, and their number is bounded. Refusals
// writes one line for each refusal and, under a flood, a few lines and a count instead.
//
// The package must not know a request in flight. No client id becomes a label, and no token, key or
// prompt comes this far.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"

	"nexus/gateway/trace"
)

// maxSeries is how many label sets one instrument has before the rest goes to "__other__".
const maxSeries = 2000

// durationBounds are the bucket limits in seconds that OpenTelemetry advises for HTTP servers.
var durationBounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// Meters is the instruments of one process. It is safe for concurrent use; make it with [NewMeters].
type Meters struct {
	provider *sdk.MeterProvider
	registry *prometheus.Registry

	duration   metric.Float64Histogram
	rejections metric.Int64Counter
	generation metric.Int64Gauge
	successful metric.Int64Gauge
	succeeded  metric.Float64Gauge
	reloads    metric.Int64Counter
	build      metric.Int64Gauge
	watchMode  metric.Int64Gauge
	would      metric.Int64Counter

	limiterHealthy, limiterCounters metric.Int64ObservableGauge
	limiterFailures, limiterLocal   metric.Int64ObservableCounter
	limiter                         atomic.Pointer[func() Limiter]

	requestLabels   *table[requestKey, []metric.RecordOption]
	rejectionLabels *table[rejectionKey, []metric.AddOption]
	reloadLabels    map[string][]metric.AddOption
	generations     atomic.Pointer[func() int]
}

// NewMeters makes the instruments, with those of the Go runtime and the process beside them. It fails
// only where an instrument's name is taken twice.
func NewMeters() (*Meters, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(
		exporter.WithRegisterer(registry),
		exporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		exporter.WithoutScopeInfo(),
		exporter.WithoutTargetInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("make metrics exporter: %w", err)
	}
	err = errors.Join(
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	)
	if err != nil {
		return nil, fmt.Errorf("register runtime metrics: %w", err)
	}
	m := &Meters{
		registry: registry,
		provider: sdk.NewMeterProvider(
			sdk.WithReader(reader),
			sdk.WithResource(resource.Empty()),
			sdk.WithExemplarFilter(exemplar.AlwaysOffFilter),
			// Our own tables are the bound; the library's would show as a label of another name.
			sdk.WithCardinalityLimit(0),
		),
		requestLabels:   newTable(maxSeries, requestKey.options, requestKey.other),
		rejectionLabels: newTable(maxSeries, rejectionKey.options, rejectionKey.other),
		reloadLabels:    reloadLabels(),
	}
	if err := m.open(m.provider.Meter("nexus")); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	// A rate over the first failed reload needs the 0 before it.
	for _, labels := range m.reloadLabels {
		m.reloads.Add(context.Background(), 0, labels...)
	}
	return m, nil
}

// open makes the instruments.
func (m *Meters) open(meter metric.Meter) error {
	var errs [10]error
	m.duration, errs[0] = meter.Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP server requests."),
		metric.WithExplicitBucketBoundaries(durationBounds[:]...))
	m.rejections, errs[1] = meter.Int64Counter("nexus.rejections",
		metric.WithDescription("Requests refused, by reason code and group."))
	m.generation, errs[2] = meter.Int64Gauge("nexus.config.generation",
		metric.WithDescription("Number of the configuration that runs."))
	m.successful, errs[3] = meter.Int64Gauge("nexus.config.last_reload_successful",
		metric.WithDescription("1 if what was read last is what runs, 0 if it had a mistake."))
	m.succeeded, errs[4] = meter.Float64Gauge("nexus.config.last_reload_success.timestamp",
		metric.WithUnit("s"), metric.WithDescription("Time of the last successful reload, in seconds since 1970."))
	m.reloads, errs[5] = meter.Int64Counter("nexus.config.reloads",
		metric.WithDescription("Reloads, by result."))
	m.build, errs[6] = meter.Int64Gauge("nexus.build.info",
		metric.WithDescription("Always 1; the label says which version runs."))
	_, errs[7] = meter.Int64ObservableGauge("nexus.config.live_generations",
		metric.WithDescription("The running configuration, and older ones whose last requests have not ended."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if count := m.generations.Load(); count != nil {
				o.Observe(int64((*count)()))
			}
			return nil
		}))
	errs[9] = m.openLimiter(meter)
	m.watchMode, errs[8] = meter.Int64Gauge("nexus.config.watch_mode",
		metric.WithDescription("1 for the way in which changes of the file are noticed, 0 for the other."))
	return errors.Join(errs[:]...)
}

// Handler serves the metrics in Prometheus' text format, or in OpenMetrics to whom asks for it. It
// asks nobody who they are.
func (m *Meters) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// One collector that fails must not take the others' figures away.
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// Request is what is measured of one answered HTTP request.
type Request struct {
	Method   string        // as sent; one that HTTP does not define is counted as "_OTHER"
	Route    string        // the template that answered, never the path itself
	Status   int           // of the answer
	Group    string        // a group that was validated; empty: none
	Duration time.Duration // from when its header was read until its answer was handed to the server
}

// Request measures one answered request.
func (m *Meters) Request(r Request) {
	labels := m.requestLabels.find(requestKey{
		method: method(r.Method), route: r.Route, status: status(r.Status), group: r.Group,
	})
	m.duration.Record(context.Background(), r.Duration.Seconds(), labels...)
}

// Rejected counts one refusal. The group is one that was validated; empty: none.
func (m *Meters) Rejected(reason trace.Reason, group string) {
	labels := m.rejectionLabels.find(rejectionKey{reason: reason, group: group})
	m.rejections.Add(context.Background(), 1, labels...)
}

// WouldReject counts one request that a limit would have refused which only observes. The group is one that was validated;
// empty: none.
func (m *Meters) WouldReject(reason trace.Reason, group string) {
	labels := m.rejectionLabels.find(rejectionKey{reason: reason, group: group})
	m.would.Add(context.Background(), 1, labels...)
}

// Limiter says where to ask, at each scrape, how the limits are counted. The function must be safe for concurrent use; until
// one is given the figures are not shown.
func (m *Meters) Limiter(ask func() Limiter) { m.limiter.Store(&ask) }

// Limiter is how the limits are counted.
type Limiter struct {
	Storage string // "memory" or "redis"
	Healthy bool
	// Failures is how many calls of the storage have failed, Local how many requests were counted by the instance alone in
	// its place.
	Failures, Local uint64
	// Counters is how many counters the instance keeps.
	Counters int
}

// observeLimiter shows it.
func (m *Meters) observeLimiter(_ context.Context, o metric.Observer) error {
	ask := m.limiter.Load()
	if ask == nil {
		return nil
	}
	l, healthy := (*ask)(), int64(0)
	if l.Healthy {
		healthy = 1
	}
	storage := metric.WithAttributes(attribute.String("storage", l.Storage))
	o.ObserveInt64(m.limiterHealthy, healthy, storage)
	o.ObserveInt64(m.limiterFailures, int64(l.Failures), storage)
	o.ObserveInt64(m.limiterLocal, int64(l.Local), storage)
	o.ObserveInt64(m.limiterCounters, int64(l.Counters))
	return nil
}

// openLimiter makes the instruments of the limits.
func (m *Meters) openLimiter(meter metric.Meter) error {
	var errs [6]error
	m.would, errs[0] = meter.Int64Counter("nexus.would_reject",
		metric.WithDescription("Requests that limits would have refused which only observe, by reason code and group."))
	m.limiterHealthy, errs[1] = meter.Int64ObservableGauge("nexus.limiter.healthy",
		metric.WithDescription("1 while the storage of the limits can be asked, 0 while it is out."))
	m.limiterFailures, errs[2] = meter.Int64ObservableCounter("nexus.limiter.failures",
		metric.WithDescription("Calls of the storage of the limits that have failed."))
	m.limiterLocal, errs[3] = meter.Int64ObservableCounter("nexus.limiter.local",
		metric.WithDescription("Requests that this instance has counted by itself while the storage was out."))
	m.limiterCounters, errs[4] = meter.Int64ObservableGauge("nexus.limiter.counters",
		metric.WithDescription("Counters that this instance keeps."))
	_, errs[5] = meter.RegisterCallback(m.observeLimiter, m.limiterHealthy, m.limiterFailures, m.limiterLocal, m.limiterCounters)
	return errors.Join(errs[:]...)
}

// Reloaded counts a reload by its result ("success", "unchanged" or "failed"; there is no
// other) and says what stands after it. A success sets the generation and its time; the content
// that runs already only clears a failure; a failure leaves both as they were.
func (m *Meters) Reloaded(result string, generation uint64, at time.Time) {
	ctx := context.Background()
	if labels, ok := m.reloadLabels[result]; ok {
		m.reloads.Add(ctx, 1, labels...)
	}
	switch result {
	case "success":
		m.generation.Record(ctx, int64(generation))
		m.succeeded.Record(ctx, float64(at.UnixMilli())/1000)
		m.successful.Record(ctx, 1)
	case "unchanged":
		m.successful.Record(ctx, 1)
	case "failed":
		m.successful.Record(ctx, 0)
	}
}

// WatchMode says how changes of the configuration are noticed: "inotify" or "poll".
func (m *Meters) WatchMode(mode string) {
	for _, other := range [...]string{"inotify", "poll"} {
		var on int64
		if other == mode {
			on = 1
		}
		m.watchMode.Record(context.Background(), on, metric.WithAttributes(attribute.String("mode", other)))
	}
}

// LiveGenerations says where to ask, at each scrape, how many generations are alive. The function must
// be safe for concurrent use; until one is given the gauge is not shown.
func (m *Meters) LiveGenerations(count func() int) { m.generations.Store(&count) }

// Build says which version runs. It is for the start of the process; a second version would stand
// beside the first.
func (m *Meters) Build(version string) {
	m.build.Record(context.Background(), 1, metric.WithAttributes(attribute.String("version", text(version))))
}

// Shutdown ends measuring. Later measurements are lost, and the handler shows the runtime's metrics alone.
func (m *Meters) Shutdown(ctx context.Context) error {
	if err := m.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down metrics: %w", err)
	}
	return nil
}
