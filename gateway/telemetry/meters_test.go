package telemetry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"nexus/gateway/telemetry"
	"nexus/gateway/trace"
)

func newMeters(t testing.TB) *telemetry.Meters {
	t.Helper()
	m, err := telemetry.NewMeters()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func scrapeText(t testing.TB, m *telemetry.Meters, accept string) (body, contentType string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String(), answer.Header().Get("Content-Type")
}

func scrape(t testing.TB, m *telemetry.Meters) map[string]*dto.MetricFamily {
	t.Helper()
	body, _ := scrapeText(t, m, "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("a scraper cannot read it: %v", err)
	}
	return families
}

// series says each series of a family as a scraper would: name{label="value",…} value. Histograms
// say their count.
func series(family *dto.MetricFamily) map[string]float64 {
	all := make(map[string]float64)
	for _, m := range family.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		name := family.GetName() + "{" + strings.Join(labels, ",") + "}"
		switch {
		case m.Histogram != nil:
			all[name] = float64(m.Histogram.GetSampleCount())
		case m.Counter != nil:
			all[name] = m.Counter.GetValue()
		default:
			all[name] = m.Gauge.GetValue()
		}
	}
	return all
}

func expect(t *testing.T, families map[string]*dto.MetricFamily, name string, kind dto.MetricType, want map[string]float64) {
	t.Helper()
	family := families[name]
	if family == nil {
		t.Errorf("%s is not there", name)
		return
	}
	if family.GetType() != kind {
		t.Errorf("%s is a %s, want a %s", name, family.GetType(), kind)
	}
	if family.GetHelp() == "" {
		t.Errorf("%s has no help text", name)
	}
	if got := series(family); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", name, got, want)
	}
}

func TestMetricsHaveTheirNamesAndLabels(t *testing.T) {
	m := newMeters(t)
	m.Request(telemetry.Request{Method: "POST", Route: "/llm/v1/chat/completions", Status: 200, Group: "pro", Duration: 60 * time.Millisecond})
	m.Request(telemetry.Request{Method: "POST", Route: "/llm/v1/chat/completions", Status: 200, Group: "pro", Duration: 2 * time.Second})
	m.Request(telemetry.Request{Method: "BREW", Route: "/llm/v1/models", Status: 400})
	m.Rejected(trace.GroupInvalid, "")
	m.Rejected(trace.ModelUnknown, "pro")
	m.Rejected(trace.ModelUnknown, "pro")
	m.Reloaded("success", 7, time.Unix(1_800_000_000, 500_000_000))
	m.Reloaded("failed", 7, time.Unix(1_900_000_000, 0))
	m.LiveGenerations(func() int { return 3 })
	m.Build("v1.2.3")

	families := scrape(t, m)
	expect(t, families, "http_server_request_duration_seconds", dto.MetricType_HISTOGRAM, map[string]float64{
		`http_server_request_duration_seconds{client_group="pro",http_request_method="POST",http_response_status_code="200",http_route="/llm/v1/chat/completions"}`: 2,
		`http_server_request_duration_seconds{client_group="",http_request_method="_OTHER",http_response_status_code="400",http_route="/llm/v1/models"}`:            1,
	})
	expect(t, families, "nexus_rejections_total", dto.MetricType_COUNTER, map[string]float64{
		`nexus_rejections_total{group="",reason="group_invalid"}`:    1,
		`nexus_rejections_total{group="pro",reason="model_unknown"}`: 2,
	})
	expect(t, families, "nexus_config_generation", dto.MetricType_GAUGE, map[string]float64{`nexus_config_generation{}`: 7})
	expect(t, families, "nexus_config_last_reload_successful", dto.MetricType_GAUGE, map[string]float64{`nexus_config_last_reload_successful{}`: 0})
	expect(t, families, "nexus_config_last_reload_success_timestamp_seconds", dto.MetricType_GAUGE, map[string]float64{
		`nexus_config_last_reload_success_timestamp_seconds{}`: 1_800_000_000.5,
	})
	expect(t, families, "nexus_config_reloads_total", dto.MetricType_COUNTER, map[string]float64{
		`nexus_config_reloads_total{result="success"}`: 1, `nexus_config_reloads_total{result="failed"}`: 1,
		`nexus_config_reloads_total{result="unchanged"}`: 0,
	})
	expect(t, families, "nexus_config_live_generations", dto.MetricType_GAUGE, map[string]float64{`nexus_config_live_generations{}`: 3})
	expect(t, families, "nexus_build_info", dto.MetricType_GAUGE, map[string]float64{`nexus_build_info{version="v1.2.3"}`: 1})

	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if families[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
	body, _ := scrapeText(t, m, "")
	for _, noise := range []string{"otel_", "target_info"} {
		if strings.Contains(body, noise) {
			t.Errorf("the metrics say %q", noise)
		}
	}
}

func TestDurationBuckets(t *testing.T) {
	m := newMeters(t)
	m.Request(telemetry.Request{Method: "GET", Route: "/x", Status: 200, Duration: 60 * time.Millisecond})
	h := scrape(t, m)["http_server_request_duration_seconds"].GetMetric()[0].GetHistogram()
	var bounds []float64
	for _, b := range h.GetBucket() {
		bounds = append(bounds, b.GetUpperBound())
		want := uint64(0)
		if b.GetUpperBound() >= 0.06 {
			want = 1
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("up to %v s: %d requests, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
	if got := fmt.Sprint(bounds); got != "[0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf]" {
		t.Errorf("bounds in seconds: %s", got)
	}
	if got := h.GetSampleSum(); got != 0.06 {
		t.Errorf("sum in seconds: %v", got)
	}
}

func TestReloadsChangeTheGauges(t *testing.T) {
	type state struct{ generation, successful, at float64 }
	steps := []struct {
		name       string
		result     string
		generation uint64
		want       state
	}{
		{"a success sets all", "success", 1, state{1, 1, 1000}},
		{"a failure only says so", "failed", 2, state{1, 0, 1000}},
		{"the old content again clears the failure", "unchanged", 1, state{1, 1, 1000}},
		{"an unknown result changes nothing", "exploded", 9, state{1, 1, 1000}},
		{"the next success sets all", "success", 2, state{2, 1, 1004}},
	}
	m := newMeters(t)
	for i, step := range steps {
		m.Reloaded(step.result, step.generation, time.Unix(int64(1000+i), 0))
		families := scrape(t, m)
		gauge := func(name string) float64 { return families[name].GetMetric()[0].GetGauge().GetValue() }
		got := state{
			gauge("nexus_config_generation"), gauge("nexus_config_last_reload_successful"),
			gauge("nexus_config_last_reload_success_timestamp_seconds"),
		}
		if got != step.want {
			t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
		}
	}
	if got := len(series(scrape(t, m)["nexus_config_reloads_total"])); got != 3 {
		t.Errorf("%d results are counted, want 3", got)
	}
}

func TestOpenMetricsIsNegotiated(t *testing.T) {
	m := newMeters(t)
	m.Rejected(trace.ModelUnknown, "pro")
	body, kind := scrapeText(t, m, "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("content type %q, end %q", kind, body[len(body)-20:])
	}
	if !strings.Contains(body, `nexus_rejections_total{group="pro",reason="model_unknown"} 1`) {
		t.Error("the refusal is not there")
	}
	if _, kind := scrapeText(t, m, ""); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("without a wish the content type is %q", kind)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := newMeters(t)
	const many = 5000
	for i := range many {
		m.Request(telemetry.Request{Method: "GET", Route: fmt.Sprint("/", i), Status: 100 + i%900, Group: fmt.Sprint("g", i)})
		m.Rejected(trace.ModelUnknown, fmt.Sprint("g", i))
		m.Rejected(trace.Reason(fmt.Sprint("r", i)), "")
	}
	families := scrape(t, m)
	for name, limits := range map[string]struct{ series, total int }{
		"http_server_request_duration_seconds": {2501, many},
		"nexus_rejections_total":               {2000 + len(trace.Reasons) + 1, 2 * many},
	} {
		all := series(families[name])
		total := 0.0
		for _, n := range all {
			total += n
		}
		if len(all) > limits.series {
			t.Errorf("%s has %d series, want %d at most", name, len(all), limits.series)
		}
		if int(total) != limits.total {
			t.Errorf("%s counts %v, want %d: nothing may be lost", name, total, limits.total)
		}
	}
	rejections := series(families["nexus_rejections_total"])
	if rejections[`nexus_rejections_total{group="__other__",reason="model_unknown"}`] == 0 ||
		rejections[`nexus_rejections_total{group="__other__",reason="__other__"}`] == 0 {
		t.Error("what has no place of its own is not under __other__")
	}
}

func TestALabelThatIsNoUTF8DoesNotFailTheScrape(t *testing.T) {
	m := newMeters(t)
	m.Request(telemetry.Request{Method: "G\xffT", Route: "/\xff", Status: 200, Group: "\xff"})
	m.Rejected("\xff", "\xff")
	families := scrape(t, m)
	if families["http_server_request_duration_seconds"] == nil || families["nexus_rejections_total"] == nil {
		t.Error("the metrics are not there")
	}
}

func TestMetersAreIndependent(t *testing.T) {
	one, two := newMeters(t), newMeters(t)
	one.Rejected(trace.ModelUnknown, "")
	if scrape(t, two)["nexus_rejections_total"] != nil {
		t.Error("a refusal of one gateway is counted by another")
	}
}

func TestMetersAreSafeForConcurrentUse(t *testing.T) {
	m := newMeters(t)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 500 {
				m.Request(telemetry.Request{Method: "GET", Route: "/x", Status: 200 + i%50, Group: fmt.Sprint("g", w)})
				m.Rejected(trace.ModelUnknown, fmt.Sprint("g", i%5))
				m.Reloaded("success", uint64(i), time.Now())
				m.LiveGenerations(func() int { return i })
			}
		})
	}
	group.Go(func() {
		for range 10 {
			scrape(t, m)
		}
	})
	group.Wait()
	total := 0.0
	for _, n := range series(scrape(t, m)["http_server_request_duration_seconds"]) {
		total += n
	}
	if total != 2000 {
		t.Errorf("counted %v requests, want 2000", total)
	}
}

func TestAfterShutdownNothingFails(t *testing.T) {
	m, err := telemetry.NewMeters()
	if err != nil {
		t.Fatal(err)
	}
	m.Rejected(trace.ModelUnknown, "")
	if err := m.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.Rejected(trace.ModelUnknown, "")
	if families := scrape(t, m); families["go_goroutines"] == nil {
		t.Error("the runtime's metrics are gone")
	}
}

var chat = telemetry.Request{Method: "POST", Route: "/llm/v1/chat/completions", Status: 200, Group: "pro", Duration: 40 * time.Millisecond}

func TestMeasuringAllocatesNothing(t *testing.T) {
	m := newMeters(t)
	m.Request(chat)
	m.Rejected(trace.ModelUnknown, "pro")
	if n := testing.AllocsPerRun(1000, func() { m.Request(chat) }); n != 0 {
		t.Errorf("a request allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { m.Rejected(trace.ModelUnknown, "pro") }); n != 0 {
		t.Errorf("a refusal allocates %v times", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := newMeters(b)
	b.ReportAllocs()
	for b.Loop() {
		m.Request(chat)
	}
}

func BenchmarkRejected(b *testing.B) {
	m := newMeters(b)
	b.ReportAllocs()
	for b.Loop() {
		m.Rejected(trace.ModelUnknown, "pro")
	}
}

func BenchmarkScrape(b *testing.B) {
	m := newMeters(b)
	for i := range 100 {
		r := chat
		r.Status = 200 + i
		m.Request(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		scrapeText(b, m, "")
	}
}
