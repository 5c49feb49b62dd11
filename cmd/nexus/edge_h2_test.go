package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"nexus/gateway/gatewaytest"
)

// h2Door is a gateway that speaks HTTP/2, with a provider behind it.
type h2Door struct {
	*gatewaytest.Nexus
	provider *gatewaytest.Provider
	client   *http.Client
	trust    *tls.Config
	others   atomic.Int64 // requests of others that the provider was asked for
}

func startH2(t *testing.T) *h2Door {
	t.Helper()
	p, ca := gatewaytest.StartProvider(t), gatewaytest.NewAuthority(t)
	cert, trust := ca.Server(t), &tls.Config{RootCAs: ca.Pool}
	nexus, client := startTLS(t, overTLS(cert.Certificate, cert.Key)+p.Config(), trust)
	return &h2Door{Nexus: nexus, provider: p, client: client, trust: trust}
}

// h2Conn is a connection whose every frame the test writes.
type h2Conn struct {
	net.Conn
	*http2.Framer
	out     *bufio.Writer
	fields  bytes.Buffer
	encoder *hpack.Encoder
	stream  uint32 // the next one
	ended   chan error
	ponged  chan struct{}

	mu       sync.Mutex
	statuses map[string]int        // of answers
	resets   map[http2.ErrCode]int // of streams, by the gateway
}

// dial opens a connection and says what both sides have to say first. What the gateway sends is read; ended tells why there is no
// more of it.
func (d *h2Door) dial() (*h2Conn, error) {
	c, err := d.dialDeaf()
	if err == nil {
		go c.listen()
	}
	return c, err
}

// dialDeaf opens a connection of which nothing is read.
func (d *h2Door) dialDeaf() (*h2Conn, error) {
	trust := d.trust.Clone()
	trust.NextProtos = []string{http2.NextProtoTLS}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(d.URL, "https://"), trust)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(rawLimit))
	c := &h2Conn{
		Conn: conn, out: bufio.NewWriterSize(conn, 64<<10), stream: 1, ended: make(chan error, 1), ponged: make(chan struct{}, 1),
		statuses: make(map[string]int), resets: make(map[http2.ErrCode]int),
	}
	c.encoder = hpack.NewEncoder(&c.fields)
	c.Framer = http2.NewFramer(c.out, conn)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.AllowIllegalWrites = true
	_, _ = c.out.WriteString(http2.ClientPreface)
	_ = c.WriteSettings()
	_ = c.WriteSettingsAck()
	if err := c.out.Flush(); err != nil {
		return nil, fmt.Errorf("send the preface: %w", err)
	}
	return c, nil
}

// listen reads until the connection ends.
func (c *h2Conn) listen() {
	for {
		frame, err := c.ReadFrame()
		c.mu.Lock()
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			err = fmt.Errorf("told to go away: %v", frame.ErrCode)
		case *http2.MetaHeadersFrame:
			c.statuses[frame.PseudoValue("status")]++
		case *http2.RSTStreamFrame:
			c.resets[frame.ErrCode]++
		case *http2.PingFrame:
			select {
			case c.ponged <- struct{}{}:
			default:
			}
		}
		c.mu.Unlock()
		if err != nil {
			c.ended <- err
			return
		}
	}
}

// head writes the header of a request.
func (c *h2Conn) head(method, path string, end bool, more ...string) {
	c.fields.Reset()
	fields := append([]string{":method", method, ":scheme", "https", ":path", path, ":authority", "localhost", "x-client-id", "rapid"}, more...)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.fields.Bytes(), EndStream: end, EndHeaders: true})
}

// work has others ask until ctx ends. The test fails if one is not answered.
func (d *h2Door) work(t *testing.T, ctx context.Context, wait *sync.WaitGroup) {
	for range 2 {
		wait.Go(func() {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				d.others.Add(1)
				if err := d.ask(); err != nil {
					t.Errorf("somebody else was harmed: %v", err)
					return
				}
				<-pace.C
			}
		})
	}
}

// ask asks as anybody does.
func (d *h2Door) ask() error {
	call, err := http.NewRequest(http.MethodPost, d.URL+chatPath, strings.NewReader(rawBody("Hello")))
	if err != nil {
		return err
	}
	call.Header.Set("X-Client-ID", "alice")
	answer, err := d.client.Do(call)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		return fmt.Errorf("%s %s: %w", answer.Proto, answer.Status, err)
	}
	return nil
}

// resetMemory is what requests that were taken back may cost, in bytes, however many they are.
const resetMemory = 128 << 20

// reset is one way to take a request back.
type reset struct {
	name    string
	whole   bool // the request is sent whole before it is taken back
	apart   bool // and what takes it back leaves by itself
	refused bool // it leads nowhere
	pause   int  // after so many the caller waits until the gateway has read them; 0: never
}

// TestSoakRapidResetsCallNobody has callers ask and take it back at once, thousands of times.
func TestSoakRapidResetsCallNobody(t *testing.T) {
	resets := 5_000
	if isSoak() {
		resets = 200_000
	}
	for _, kind := range []reset{
		{name: "headers alone"},
		{name: "whole requests", whole: true},
		{name: "whole requests, in two writes", whole: true, apart: true},
		{name: "headers alone, with pauses", pause: 50},
		{name: "headers that are refused, with pauses", refused: true, pause: 50},
		{name: "whole requests, with pauses", whole: true, pause: 50},
		{name: "whole requests, in two writes, with pauses", whole: true, apart: true, pause: 50},
	} {
		t.Run(kind.name, func(t *testing.T) {
			d := startH2(t)
			if err := d.ask(); err != nil {
				t.Fatal(err)
			}
			d.checkReset(t, kind)
			before, memory := d.provider.Asked(), d.Memory(t)
			ctx, stop := context.WithCancel(t.Context())
			var others, wait sync.WaitGroup
			d.work(t, ctx, &others)
			var sent, connections atomic.Int64
			for range 4 {
				wait.Go(func() {
					for sent.Load() < int64(resets) {
						n, err := d.resets(kind, 1000)
						sent.Add(int64(n))
						connections.Add(1)
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wait.Wait()
			stop()
			others.Wait()
			if err := d.ask(); err != nil {
				t.Error(err)
			}
			calls := int64(d.provider.Asked()-before) - d.others.Load() - 1
			t.Logf("%d requests on %d connections were taken back, and the provider was asked %d times for them; %d others; %d MiB",
				sent.Load(), connections.Load(), calls, d.others.Load(), d.Memory(t)>>20)
			// Whoever is faster than what takes the request back has asked like anybody else; who never sent it whole, has not.
			if most := sent.Load() / 50; calls > most || calls > 0 && !kind.whole {
				t.Errorf("the provider was asked %d times, want %d at most", calls, most)
			}
			if grown := d.Memory(t) - memory; grown > resetMemory && !raced() {
				t.Errorf("the process grew by %d MiB, want %d at most", grown>>20, resetMemory>>20)
			}
		})
	}
}

// checkReset asks in the same way without taking it back: then the provider is asked, if all of the request was sent.
func (d *h2Door) checkReset(t *testing.T, how reset) {
	t.Helper()
	if !how.whole {
		return
	}
	before := d.provider.Asked()
	c, err := d.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.head(http.MethodPost, chatPath, false, "content-type", "application/json")
	_ = c.WriteData(c.stream, true, []byte(rawBody("taken back")))
	_ = c.out.Flush() // an error shows itself in what does not come
	d.provider.Await(t, before+1)
}

// resets asks and takes it back, n times or until the gateway has enough of it.
func (d *h2Door) resets(how reset, n int) (sent int, err error) {
	c, err := d.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	body := []byte(rawBody("taken back"))
	for sent = range n {
		path := chatPath
		if how.refused {
			path = "/nowhere"
		}
		c.head(http.MethodPost, path, false, "content-type", "application/json")
		if how.whole {
			_ = c.WriteData(c.stream, true, body)
		}
		if how.apart {
			_ = c.out.Flush() // an error shows itself below
		}
		_ = c.WriteRSTStream(c.stream, http2.ErrCodeCancel)
		c.stream += 2
		if (how.apart || sent%10 == 9) && c.out.Flush() != nil {
			break // it has enough
		}
		if how.pause > 0 && sent%how.pause == how.pause-1 {
			if err := c.settled(); err != nil {
				return sent, err
			}
		}
	}
	return sent + 1, c.settled()
}

// settled waits until the gateway has read all that was sent, or has closed.
func (c *h2Conn) settled() error {
	_ = c.WritePing(false, [8]byte{})
	_ = c.out.Flush() // it may have closed
	select {
	case <-c.ponged:
	case err := <-c.ended:
		c.ended <- err
	case <-time.After(relayLimit):
		return errors.New("the gateway neither answers nor closes")
	}
	return nil
}
