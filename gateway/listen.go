package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 128 << 10
	maxConnections = 10_000
	maxStreams     = 100      // of one HTTP/2 connection at once
	maxFrame       = 16 << 10 // of HTTP/2, the least there is: a connection holds one in memory
	pingTimeout    = 15 * time.Second
	// farewell is how long requests that were cut off have to say so.
	farewell = 500 * time.Millisecond
	// silence is how long a new connection may say nothing before a drain takes it for one that has nothing to say. Load
	// balancers and browsers keep such connections; net/http would wait 5 s for each.
	silence = 500 * time.Millisecond
)

// What a drain can end with, besides nil.
var (
	// ErrOverrun is a drain that took longer than server.shutdown_timeout: what was still open was cut off.
	ErrOverrun = errors.New("the drain took longer than server.shutdown_timeout; open requests were cut off")
	// ErrKilled is a drain that was given up because somebody asked again.
	ErrKilled = errors.New("stopped at once; open requests were cut off")
)

// door is a listener with the server behind it.
type door struct {
	listener *entrance
	server   *http.Server
	cut      context.CancelCauseFunc // ends every request behind the door
	served   chan error

	mu     sync.Mutex
	silent map[net.Conn]time.Time // connections that have not sent a request yet, and since when
}

// listen opens a door that serves whatever snapshot is live.
func listen(address string, live *live, logger *slog.Logger) (*door, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	base, cut := context.WithCancelCause(context.Background())
	strangers := slog.New(&boundedHandler{Handler: logger.Handler()})
	d := &door{
		listener: newEntrance(capListener(l.(*net.TCPListener), maxConnections), live, strangers),
		cut:      cut,
		served:   make(chan error, 1),
		silent:   make(map[net.Conn]time.Time),
	}
	d.server = &http.Server{
		Handler:                      &doorHandler{live: live},
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  withCaller,
		ConnState:                    d.watch,
		ErrorLog:                     slog.NewLogLogger(strangers.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      pingTimeout,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeStall,
			MaxReadFrameSize:     maxFrame,
		},
	}
	return d, nil
}

// withCaller lets a request find what is known of its connection.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, callerAt(c))
}

// callerAt is what is known of a connection that the entrance has handed out.
func callerAt(c net.Conn) *caller {
	switch c := c.(type) {
	case *spoken:
		return c.caller
	case *secured:
		return c.caller
	case *tls.Conn:
		return c.NetConn().(*cappedConn).caller
	}
	return nil
}

// watch keeps the silent connections. There are no more of them than the listener lets in.
func (d *door) watch(c net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		if known := callerAt(c); known != nil {
			known.answering.Store(false)
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if state == http.StateNew {
		d.silent[c] = time.Now()
	} else {
		delete(d.silent, c)
	}
}

// hush closes the connections that have been silent for too long.
func (d *door) hush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, since := range d.silent {
		if time.Since(since) > silence {
			_ = c.Close()
		}
	}
}

// shutdown closes the door, waits for what is in flight, and closes what says nothing.
func (d *door) shutdown(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- d.server.Shutdown(ctx) }()
	tick := time.NewTicker(silence / 10)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			d.hush()
		}
	}
}

// serve answers until the door is closed.
func (d *door) serve() {
	go d.listener.run()
	d.served <- d.server.Serve(d.listener)
}

// Address is where the gateway listens, with the port that it really got. Empty before the start.
func (g *Gateway) Address() string {
	if g.door == nil {
		return ""
	}
	return g.door.listener.Addr().String()
}

// Run answers requests until ctx ends, and then drains: not ready, the grace, the door closed, what is in flight
// served up to server.shutdown_timeout, the rest cut off. When kill ends, it stops at once. The error is
// nil after a clean drain, or [ErrOverrun], [ErrKilled], or the listener's.
func (g *Gateway) Run(ctx, kill context.Context) error {
	go g.door.serve()
	g.state.Store(ready)
	select {
	case err := <-g.door.served:
		g.close()
		return fmt.Errorf("serve on %s: %w", g.Address(), err)
	case <-ctx.Done():
	}
	err := g.drain(kill)
	g.close()
	return err
}

func (g *Gateway) drain(kill context.Context) error {
	g.state.Store(draining)
	g.logger.Info("draining")
	if g.options.Grace > 0 {
		select {
		case <-time.After(g.options.Grace):
		case <-kill.Done():
		}
	}
	s := g.live.acquire()
	timeout := time.Duration(s.config.Server.ShutdownTimeout)
	s.release()

	limit, cancel := context.WithTimeout(kill, timeout)
	defer cancel()
	err := g.door.shutdown(limit)
	if err == nil && kill.Err() == nil {
		return nil
	}
	g.door.cut(errShuttingDown)
	if kill.Err() == nil {
		last, cancel := context.WithTimeout(kill, farewell)
		defer cancel()
		_ = g.door.server.Shutdown(last)
	}
	_ = g.door.server.Close()
	if kill.Err() != nil {
		return ErrKilled
	}
	return ErrOverrun
}

// close ends what belongs to the process. Snapshots close with their last request.
func (g *Gateway) close() {
	g.state.Store(draining) // also where the listener failed; from here on no reload begins, and none that has begun ends well
	g.door.cut(errShuttingDown)
	if s := g.live.current.Swap(nil); s != nil {
		s.release()
	}
	g.refusals.Close()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := g.meters.Shutdown(ctx); err != nil {
		g.logger.Warn("shut down metrics", "err", err)
	}
}

// boundedHandler keeps net/http's own complaints, which any stranger can provoke, to a few short lines a second.
type boundedHandler struct {
	slog.Handler
	mu     sync.Mutex
	second int64
	lines  int
}

const (
	serverLines = 10      // a second
	serverLine  = 1 << 10 // bytes
)

// Handle passes a record on, cut to its bound, or drops it.
func (h *boundedHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	if second := r.Time.Unix(); second != h.second {
		h.second, h.lines = second, 0
	}
	h.lines++
	over := h.lines > serverLines
	h.mu.Unlock()
	if over {
		return nil
	}
	if len(r.Message) > serverLine {
		r.Message = r.Message[:serverLine]
	}
	r.Message = string(bytes.ToValidUTF8([]byte(r.Message), []byte("?")))
	return h.Handler.Handle(ctx, r)
}
