package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// answeredChat is a whole answer, as OpenAI sends it.
const answeredChat = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I help you today?","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18},"service_tier":"default"}`

// BenchmarkRelay is one request over a kept-alive connection, through the gateway to a provider that answers at once: all
// three in this process, so that the figures are of them together.
func BenchmarkRelay(b *testing.B) {
	for _, tt := range []struct {
		name   string
		answer func(asked, net.Conn)
		size   int
		stream bool
	}{
		{"200B", always(whole(answeredChat)), 200, false},
		{"10KB", always(whole(answeredChat)), 10 << 10, false},
		{"200KB", always(whole(answeredChat)), 200 << 10, false},
		{"stream of 100", streams(strings.Repeat(delta("word "), 98)+finished, counted, marked), 200, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			v := startVendor(b, tt.answer)
			g := start(b, strings.Replace(relaying(v), "[server]", "[server]\nmax_body_size = \"1MiB\"", 1))
			body := asking
			if tt.stream {
				body = askStream
			}
			body = strings.Replace(body, "Hello", strings.Repeat("x", tt.size-len(body)), 1)
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			message := fmt.Appendf(nil, "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: nexus\r\nX-Client-ID: alice\r\nX-User-Tier: pro\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			reader := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(message); err != nil {
					b.Fatal(err)
				}
				response, err := http.ReadResponse(reader, nil)
				if err != nil || response.StatusCode != 200 {
					b.Fatal(err, response)
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
