package gatewaytest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay stands between a client and a server and lets a test spoil what is between them. It ends with its test.
type Relay struct {
	// Address is where clients connect to.
	Address string

	t        testing.TB
	to       string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	mute    bool
	closed  bool
	delay   time.Duration
	conns   map[net.Conn]bool
}

// StartRelay starts a relay to a server's address.
func StartRelay(t testing.TB, to string) *Relay {
	t.Helper()
	r := &Relay{Address: "127.0.0.1:0", t: t, to: to, changed: make(chan struct{}), conns: make(map[net.Conn]bool)}
	r.listen()
	t.Cleanup(func() {
		r.Refuse()
		r.running.Wait()
	})
	return r
}

// Delay has each piece that is on its way wait for so long, in both directions.
func (r *Relay) Delay(d time.Duration) { r.set(func() { r.delay = d }) }

// Mute has the relay accept whatever comes and hand nothing on, as if the network had swallowed it.
func (r *Relay) Mute() { r.set(func() { r.mute = true }) }

// Cut ends all connections. New ones are accepted.
func (r *Relay) Cut() {
	r.set(func() {
		for conn := range r.conns {
			_ = conn.Close() // that is all there is to it
		}
	})
}

// Refuse ends all connections and accepts none.
func (r *Relay) Refuse() {
	r.set(func() { r.closed = true })
	_ = r.listener.Close() // it may be closed already
	r.Cut()
}

// Mend has the relay work again, after whatever was done to it.
func (r *Relay) Mend() {
	r.t.Helper()
	closed := false
	r.set(func() { closed, r.closed, r.mute, r.delay = r.closed, false, false, 0 })
	if closed {
		r.listen()
	}
}

func (r *Relay) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Relay) listen() {
	r.t.Helper()
	listener, err := net.Listen("tcp", r.Address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.listener, r.Address = listener, listener.Addr().String()
	r.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.join(client) })
		}
	})
}

// join connects a client with the server, until one of them ends.
func (r *Relay) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.conns[client], r.conns[server] = true, true
	closed := r.closed
	r.mu.Unlock()
	if !closed {
		var back sync.WaitGroup
		back.Go(func() { r.pass(client, server) })
		r.pass(server, client)
		back.Wait()
	}
	r.mu.Lock()
	delete(r.conns, client)
	delete(r.conns, server)
	r.mu.Unlock()
}

// pass hands on what comes, and ends both when one ends.
func (r *Relay) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && r.may() {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// may waits as long as the piece at hand must, and reports whether it is handed on.
func (r *Relay) may() bool {
	r.mu.Lock()
	mute, delay, changed := r.mute, r.delay, r.changed
	r.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-changed:
		}
	}
	return !mute
}
