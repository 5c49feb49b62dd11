package upstream_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"nexus/gateway/llm/upstream"
)

// benchBody is an answer of 200 B.
var benchBody = `{"answer":"` + strings.Repeat("x", 187) + `"}`

// benchPeer answers every request on a kept connection, with as little work as can be.
func benchPeer(b *testing.B, answer string) *peer {
	return servePeer(b, func(_ *peer, c *peerConn) {
		buffer := make([]byte, 256<<10)
		have := 0
		for {
			n, err := c.Read(buffer[have:])
			if err != nil {
				return
			}
			have += n
			head := bytes.Index(buffer[:have], []byte("\r\n\r\n"))
			if head < 0 {
				continue
			}
			length, after := 0, buffer[bytes.Index(buffer, []byte("Content-Length: "))+16:]
			for ; after[0] >= '0'; after = after[1:] {
				length = length*10 + int(after[0]-'0')
			}
			for ; have < head+4+length; have += n {
				if n, err = c.Read(buffer[have:]); err != nil {
					return
				}
			}
			have = 0
			c.say(answer)
		}
	})
}

// BenchmarkDo tells what a call costs beside one of the bare transport, for requests of some sizes.
func BenchmarkDo(b *testing.B) {
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n" + benchBody
	for _, c := range []struct {
		name string
		size int
	}{{"200B", 200}, {"10KB", 10 << 10}, {"200KB", 200 << 10}} {
		p := benchPeer(b, answer)
		body := large(c.size)
		b.Run("client/"+c.name, func(b *testing.B) {
			client := open(b, upstream.Settings{BaseURL: p.URL})
			counted := &keeper{}
			buffer := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				call := upstream.Call{Method: "POST", Path: "/chat/completions", Header: benchHeader()}
				if c.size > 32<<10 {
					call.Body = &upstream.Payload{Pieces: [][]byte{body}, Keeper: counted}
				} else {
					call.Body = &upstream.Payload{Pieces: [][]byte{body}}
				}
				ctx, cancel := context.WithCancel(context.Background())
				answer, err := client.Do(ctx, call)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := answer.ReadAll(buffer, 1<<20); err != nil {
					b.Fatal(err)
				}
				answer.Close()
				cancel()
			}
		})
		b.Run("bare/"+c.name, func(b *testing.B) {
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			buffer := make([]byte, 512)
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancel(context.Background())
				r, err := http.NewRequestWithContext(ctx, "POST", p.URL+"/chat/completions", bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header = benchHeader()
				answer, err := transport.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(answer.Body, buffer[:200]); err != nil {
					b.Fatal(err)
				}
				answer.Body.Close()
				cancel()
			}
		})
	}
}

func benchHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + canary}}
}

// BenchmarkStream tells what a streamed event costs, in bursts: 100 events of 250 B.
func BenchmarkStream(b *testing.B) {
	var events strings.Builder
	for range 100 {
		events.WriteString(chunk("data: " + strings.Repeat("x", 242) + "\n\n"))
	}
	p := benchPeer(b, chunked+events.String()+"0\r\n\r\n")
	client := open(b, upstream.Settings{BaseURL: p.URL})
	b.ReportAllocs()
	for b.Loop() {
		answer, err := client.Do(context.Background(), chat("{}"))
		if err != nil {
			b.Fatal(err)
		}
		frames, n := upstream.NewFrames(answer, 1<<20), 0
		for frames.Fill() == nil {
			for _, ok := frames.Next(); ok; _, ok = frames.Next() {
				n++
			}
		}
		frames.Close()
		answer.Close()
		if n != 100 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

// BenchmarkFrames tells what finding an event costs: 100 of 250 B in one buffer.
func BenchmarkFrames(b *testing.B) {
	text := bytes.Repeat([]byte("data: "+strings.Repeat("x", 242)+"\n\n"), 100)
	r := bytes.NewReader(text)
	frames := upstream.NewFrames(r, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(text)
		for r.Len() > 0 {
			if err := frames.Fill(); err != nil {
				b.Fatal(err)
			}
			for _, ok := frames.Next(); ok; _, ok = frames.Next() {
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

// BenchmarkOpenStreams tells what memory an open stream holds, with its peer's.
func BenchmarkOpenStreams(b *testing.B) {
	p := servePeer(b, stalls(chunked+chunk("data: 1\n\n")))
	client := open(b, upstream.Settings{BaseURL: p.URL})
	const streams = 1000
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		answers := make([]*upstream.Answer, streams)
		all := make([]*upstream.Frames, streams)
		for i := range answers {
			answer, err := client.Do(context.Background(), chat("{}"))
			if err != nil {
				b.Fatal(err)
			}
			answers[i], all[i] = answer, upstream.NewFrames(answer, 1<<20)
			if err := all[i].Fill(); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		for i, answer := range answers {
			all[i].Close()
			answer.Close()
		}
		await(b, "the streams to end", func() bool { return p.open.Load() == 0 })
	}
	b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/streams, "heap-B/stream")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/streams, "stack-B/stream")
}
