package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"nexus/gateway/trace"
)

// linesPerSecond is how many refusals of one reason are written within any second.
const linesPerSecond = 10

// background is the context of log lines: they belong to no request that could be cancelled.
var background = context.Background()

// Refusals writes one line for each refusal at warn: at most 10 a second for each reason, and a second
// after the first that was left out, one line with how many there were. It is safe for
// concurrent use; make it with [NewRefusals] and end it with Close.
type Refusals struct {
	log *slog.Logger

	mu      sync.Mutex
	closed  bool
	windows map[trace.Reason]*window // all reasons from the start, never written
	unknown *window                  // shared by what is no reason of ours
	pending sync.WaitGroup           // summaries that have a timer
}

// window is what was written lately of one reason.
type window struct {
	reason     trace.Reason
	lines      [linesPerSecond]time.Time // when the last lines were written
	oldest     int                       // the oldest of lines
	suppressed int
	timer      *time.Timer // set while suppressed is above 0
}

// NewRefusals makes a writer of refusals to log.
func NewRefusals(log *slog.Logger) *Refusals {
	r := &Refusals{
		log:     log,
		windows: make(map[trace.Reason]*window, len(trace.Reasons)),
		unknown: &window{reason: other},
	}
	for _, reason := range trace.Reasons {
		r.windows[reason] = &window{reason: reason}
	}
	return r
}

// Log writes the line of a refusal, or counts it where there were too many. After Close it does nothing.
func (r *Refusals) Log(t *trace.Trace) {
	if !r.log.Enabled(background, slog.LevelWarn) || !r.admit(t.Reason) {
		return
	}
	r.log.LogAttrs(background, slog.LevelWarn, "request refused",
		slog.String("request_id", t.ID),
		slog.String("reason", string(t.Reason)),
		slog.String("client", t.ClientID),
		slog.String("group", t.Group),
		slog.String("model", t.Model),
		slog.Int("status", t.Status),
		slog.String("method", t.Method),
		slog.String("path", t.Path),
		slog.String("remote_address", address(t)),
		slog.Uint64("generation", t.Generation),
		slog.String("message", t.Message),
	)
}

// Request writes the line of any request, refused or not, at debug and without a limit. Where debug
// is off it costs nothing.
func (r *Refusals) Request(t *trace.Trace) {
	if !r.log.Enabled(background, slog.LevelDebug) {
		return
	}
	line := []slog.Attr{
		slog.String("request_id", t.ID),
		slog.String("outcome", t.Outcome.String()),
		slog.String("reason", string(t.Reason)),
		slog.String("client", t.ClientID),
		slog.String("group", t.Group),
		slog.String("model", t.Model),
		slog.String("provider", t.Provider),
		slog.Int("status", t.Status),
		slog.String("method", t.Method),
		slog.String("path", t.Path),
		slog.String("remote_address", address(t)),
		slog.Uint64("generation", t.Generation),
		slog.Float64("duration_ms", milliseconds(t.Duration)),
		slog.Float64("upstream_ms", milliseconds(t.Upstream)),
	}
	if t.Input >= 0 {
		line = append(line, slog.Int64("input_tokens", t.Input))
	}
	if t.Output >= 0 {
		line = append(line, slog.Int64("output_tokens", t.Output))
	}
	r.log.LogAttrs(background, slog.LevelDebug, "request", line...)
}

// Close writes what was counted and not yet told, and waits until nothing of it runs any more.
func (r *Refusals) Close() {
	r.mu.Lock()
	r.closed = true
	for _, w := range r.windows {
		r.hurry(w)
	}
	r.hurry(r.unknown)
	r.mu.Unlock()
	r.pending.Wait()
}

// hurry lets the summary of w be written now. The lock is held. A timer that cannot be stopped
// is writing it already.
func (r *Refusals) hurry(w *window) {
	if w.timer != nil && w.timer.Stop() {
		w.timer.Reset(0)
	}
}

// admit reports whether a refusal of that reason may be written now, and counts it if not.
func (r *Refusals) admit(reason trace.Reason) bool {
	w := r.windows[reason]
	if w == nil {
		w = r.unknown
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	now := time.Now()
	if last := w.lines[w.oldest]; last.IsZero() || now.Sub(last) >= time.Second {
		w.lines[w.oldest] = now
		w.oldest = (w.oldest + 1) % len(w.lines)
		return true
	}
	w.suppressed++
	if w.timer == nil {
		r.pending.Add(1)
		w.timer = time.AfterFunc(time.Second, func() {
			defer r.pending.Done()
			r.tell(w)
		})
	}
	return false
}

// tell writes how many refusals were left out since the first one.
func (r *Refusals) tell(w *window) {
	r.mu.Lock()
	n := w.suppressed
	w.suppressed, w.timer = 0, nil
	r.mu.Unlock()
	r.log.LogAttrs(background, slog.LevelWarn, "requests refused",
		slog.String("reason", string(w.reason)),
		slog.Int("suppressed", n),
	)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// address is the caller's address, or nothing where it is not known.
func address(t *trace.Trace) string {
	if !t.Remote.IsValid() {
		return ""
	}
	return t.Remote.String()
}
