package main_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// floodMemory is what all floods together may cost, in bytes.
const floodMemory = 96 << 20

// deafFor is how long something is sent to a gateway that nobody reads from. If it does not have enough before, it ends the
// connection when it could not write for half a minute, so only the long run can tell.
const deafFor = 2 * time.Second

// h2Flood is one way to make work for the other side of an HTTP/2 connection.
type h2Flood struct {
	name string
	deaf bool                 // nothing is read of what the gateway sends
	send func(c *h2Conn)      // errors show themselves in the end of the connection
	ends bool                 // the gateway must end the connection
	is   func(c *h2Conn) bool // what must have come besides; nil: nothing
}

// many writes frames and sends them, until the gateway has enough.
func (c *h2Conn) many(n int, write func()) {
	for i := range n {
		write()
		if i%1000 == 999 && c.out.Flush() != nil {
			return
		}
	}
}

// block is a header as it stands in frames, with a field of so many bytes.
func (c *h2Conn) block(size int) []byte {
	c.fields.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: http.MethodPost}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: chatPath}, {Name: ":authority", Value: "localhost"},
		{Name: "x-client-id", Value: "flood"}, {Name: "x-large", Value: strings.Repeat("\\", size), Sensitive: true}, // a sign that the coding makes longer
	} {
		_ = c.encoder.WriteField(f)
	}
	return c.fields.Bytes()
}

// begin writes the first frame of a header that goes on, and c's stream has it.
func (c *h2Conn) begin(fragment []byte) {
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: fragment})
}

// pieces writes a header that is too long for one frame.
func (c *h2Conn) pieces(block []byte) {
	const most = 16 << 10
	c.begin(block[:most])
	for rest := block[most:]; len(rest) > 0; rest = rest[min(most, len(rest)):] {
		_ = c.WriteContinuation(c.stream, len(rest) <= most, rest[:min(most, len(rest))])
	}
}

// answered is whether that status came.
func answered(status string) func(c *h2Conn) bool {
	return func(c *h2Conn) bool { return c.statuses[status] > 0 }
}

// refused is whether the gateway has ended streams for that reason.
func refused(why http2.ErrCode) func(c *h2Conn) bool {
	return func(c *h2Conn) bool { return c.resets[why] > 0 }
}

// crowd is a header block of many small fields.
func (c *h2Conn) crowd(size int) []byte {
	block := append([]byte(nil), c.block(0)...)
	c.fields.Reset()
	for c.fields.Len() < size {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: "x-small", Value: strings.Repeat("\\", 900), Sensitive: true})
	}
	return append(block, c.fields.Bytes()...)
}

// bomb is a small header block that is large once it is unpacked: one field of 3 KiB, and then that field again and again.
func (c *h2Conn) bomb() []byte {
	block := append([]byte(nil), c.block(0)...)
	c.fields.Reset()
	_ = c.encoder.WriteField(hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("b", 3<<10)}) // goes into the table, as its newest entry
	block = append(block, c.fields.Bytes()...)
	return append(block, strings.Repeat("\xbe", 10_000)...) // entry 62, the first that is not of the standard (RFC 7541, section 2.3.3)
}

var h2Floods = []h2Flood{
	{name: "a header without an end", ends: true, send: func(c *h2Conn) {
		c.begin(c.block(10)[:20])
		fragment := []byte(strings.Repeat("\x00\x01a\x01b", 3000))
		c.many(20_000, func() { _ = c.WriteContinuation(c.stream, false, fragment) })
	}},
	{name: "a header of empty frames without an end", send: func(c *h2Conn) {
		c.begin(c.block(10)[:20])
		c.many(200_000, func() { _ = c.WriteContinuation(c.stream, false, nil) })
	}},
	{name: "a field over the limit of the header", ends: true, send: func(c *h2Conn) { c.pieces(c.block(140 << 10)) }},
	{name: "a header over its limit", ends: true, send: func(c *h2Conn) { c.pieces(c.crowd(200 << 10)) }},
	{name: "a header that unpacks to 30 MiB", is: answered("431"), send: func(c *h2Conn) {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.bomb(), EndStream: true, EndHeaders: true})
	}},
	{name: "settings without an end, read by nobody", deaf: true, send: func(c *h2Conn) {
		c.many(500_000, func() { _ = c.WriteSettings() })
	}},
	{name: "pings without an end, read by nobody", deaf: true, send: func(c *h2Conn) {
		c.many(500_000, func() { _ = c.WritePing(false, [8]byte{}) })
	}},
	{name: "pings without an end", send: func(c *h2Conn) {
		c.many(100_000, func() { _ = c.WritePing(false, [8]byte{}) })
	}},
	{name: "priorities without an end", send: func(c *h2Conn) {
		c.many(100_000, func() { _ = c.WritePriority(c.stream, http2.PriorityParam{StreamDep: 7}); c.stream += 2 })
	}},
	{name: "empty pieces of a body without an end", send: func(c *h2Conn) {
		c.head(http.MethodPost, chatPath, false)
		c.many(100_000, func() { _ = c.WriteData(c.stream, false, nil) })
	}},
	{name: "a window that grows by nothing", ends: true, send: func(c *h2Conn) { _ = c.WriteWindowUpdate(0, 0) }},
	{name: "a window over its limit", ends: true, send: func(c *h2Conn) { c.many(3, func() { _ = c.WriteWindowUpdate(0, 1<<31-1) }) }},
	// Whether the window or the size of the body ends it, depends on who is faster.
	{name: "a body over its window", send: func(c *h2Conn) {
		c.head(http.MethodPost, chatPath, false)
		c.many(5000, func() { _ = c.WriteData(c.stream, false, make([]byte, 16<<10)) })
	}, is: func(c *h2Conn) bool { return refused(http2.ErrCodeFlowControl)(c) || answered("413")(c) }},
	{name: "1,000 streams at once", send: func(c *h2Conn) {
		for range 1000 {
			c.head(http.MethodPost, chatPath, false)
			c.stream += 2
		}
	}, is: refused(http2.ErrCodeProtocol)},
	{name: "a stream of the gateway's", ends: true, send: func(c *h2Conn) { c.stream = 2; c.head(http.MethodGet, "/health", true) }},
	{name: "a stream that is there already", is: refused(http2.ErrCodeStreamClosed), send: func(c *h2Conn) {
		c.head(http.MethodGet, "/health", true)
		c.head(http.MethodGet, "/health", true)
	}},
	{name: "a frame of 16 MiB", ends: true, send: func(c *h2Conn) { _ = c.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<24-1)) }},
}

// TestSoakHTTP2Floods makes work for the gateway in every way that HTTP/2 has for it: it gives up whoever overdoes it, its memory
// is bounded, and nobody else notices.
func TestSoakHTTP2Floods(t *testing.T) {
	d := startH2(t)
	if err := d.ask(); err != nil {
		t.Fatal(err)
	}
	before, memory := d.provider.Asked(), d.Memory(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others sync.WaitGroup
	d.work(t, ctx, &others)
	idle := 0
	for range 50 {
		idle = max(idle, d.descriptors(t))
	}
	for _, f := range h2Floods {
		t.Run(f.name, func(t *testing.T) {
			began := time.Now()
			f.try(t, d, idle)
			t.Logf("%v; %d MiB", time.Since(began).Round(time.Millisecond), d.Memory(t)>>20)
		})
	}
	stop()
	others.Wait()
	if grown := d.Memory(t) - memory; grown > floodMemory && !raced() {
		t.Errorf("the process grew by %d MiB, want %d at most", grown>>20, floodMemory>>20)
	}
	if calls := int64(d.provider.Asked()-before) - d.others.Load(); calls != 0 {
		t.Errorf("the provider was asked %d times, and nobody has sent a request whole", calls)
	}
	t.Logf("%d others were answered", d.others.Load())
}

// try makes one flood and waits for what must come of it.
func (f *h2Flood) try(t *testing.T, d *h2Door, idle int) {
	if isSoak() {
		d.awaitDescriptors(t, idle) // those before it are gone
	}
	dial := d.dial
	if f.deaf {
		dial = d.dialDeaf
	}
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if f.deaf {
		tcp := c.Conn.(*tls.Conn).NetConn().(*net.TCPConn)
		defer tcp.Close()           // which does not wait for the other side, as TLS does
		_ = tcp.SetReadBuffer(4096) // else the system takes megabytes for us
		_ = c.SetDeadline(time.Now().Add(deafFor))
	}
	f.send(c)
	if _ = c.out.Flush(); f.deaf { // it may have closed
		if isSoak() {
			d.awaitDescriptors(t, idle)
		}
		return
	}
	switch err := c.settled(); {
	case err != nil:
		t.Error(err)
	case f.ends:
		select {
		case err := <-c.ended:
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Error("the gateway does not end the connection")
			}
			t.Log(err)
		case <-time.After(rawLimit):
			t.Error("the gateway does not end the connection")
		}
	}
	if f.is != nil {
		c.await(t, f.is)
	}
}

// descriptors is how many files and sockets the gateway has open.
func (d *h2Door) descriptors(t *testing.T) int {
	t.Helper()
	answer, err := d.client.Get(d.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nprocess_open_fds ")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// awaitDescriptors waits until the gateway has no more of them open.
func (d *h2Door) awaitDescriptors(t *testing.T, most int) {
	t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(stallEnd + 10*time.Second); d.descriptors(t) > most; <-poll.C {
		if time.Now().After(deadline) {
			t.Errorf("the gateway does not end the connection: %d descriptors, want %d", d.descriptors(t), most)
			return
		}
	}
}

// await waits until the gateway has sent something.
func (c *h2Conn) await(t *testing.T, is func(c *h2Conn) bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(rawLimit); ; <-poll.C {
		c.mu.Lock()
		done := is(c)
		came := fmt.Sprint(c.statuses, c.resets)
		c.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			var end error
			select {
			case end = <-c.ended:
			default:
			}
			t.Errorf("it does not come; there came %s, and the end: %v", came, end)
			return
		}
	}
}
