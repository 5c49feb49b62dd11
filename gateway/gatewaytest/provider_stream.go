package gatewaytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// events sends the events of one stream.
type events struct {
	p     *Provider
	w     http.ResponseWriter
	r     *http.Request
	wish  wish
	pace  time.Duration
	burst bool
	gate  *Gate
	sent  int
	held  bytes.Buffer // of a burst
}

// begin starts a stream.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, want wish) *events {
	p.mu.Lock()
	e := &events{p: p, w: w, r: r, wish: want, pace: p.pace, burst: p.burst, gate: p.gate}
	p.mu.Unlock()
	if want.pace > 0 {
		e.pace = want.pace
	}
	h := w.Header()
	decorate(h)
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // a gateway that hangs up is seen at the next write
	return e
}

// event sends one event; name is empty where the endpoint's events have none. It does not come back where the stream is to
// end here.
func (e *events) event(name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // what the provider says has a form in JSON
	}
	e.line(name, string(text))
}

func (e *events) line(name, data string) {
	switch e.sent {
	case e.wish.cut:
		e.flush()
		panic(http.ErrAbortHandler) // the connection ends without the end of the answer
	case e.wish.stall:
		e.flush()
		e.p.wait(e.r)
	}
	if e.sent > 0 && e.pace > 0 {
		e.pause()
	}
	if e.gate != nil {
		select {
		case <-e.gate.passes:
		case <-e.r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if name != "" {
		e.held.WriteString("event: " + name + "\n")
	}
	e.held.WriteString("data: " + data + "\n\n")
	e.sent++
	if !e.burst {
		e.flush()
	}
}

func (e *events) flush() {
	_, err := e.w.Write(e.held.Bytes())
	e.held.Reset()
	if err == nil {
		err = http.NewResponseController(e.w).Flush()
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// end sends what a burst still holds.
func (e *events) end() {
	if e.held.Len() > 0 {
		e.flush()
	}
}

func (e *events) pause() {
	timer := time.NewTimer(e.pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// wait is silent until the gateway leaves, and then ends the connection.
func (p *Provider) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-p.stop:
	}
	panic(http.ErrAbortHandler)
}

// whole answers in one piece, as the prompt wants it.
func (p *Provider) whole(w http.ResponseWriter, r *http.Request, want wish, v any) {
	switch {
	case want.stall >= 0:
		p.wait(r)
	case want.cut >= 0:
		body, err := json.Marshal(v)
		if err != nil {
			panic(err) // what the provider says has a form in JSON
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2]) // the other half never comes
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	writeJSON(w, v)
}
