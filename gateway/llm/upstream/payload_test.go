package upstream_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"nexus/gateway/llm/upstream"
)

func TestAPayloadArrivesWholeInWhateverPiecesItIs(t *testing.T) {
	got := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(body)) || len(r.TransferEncoding) > 0 {
			t.Errorf("%d bytes, announced %d, %v: %v", len(body), r.ContentLength, r.TransferEncoding, err)
		}
		got <- body
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	client := open(t, upstream.Settings{BaseURL: server.URL})
	long := large(3 << 20)
	for name, pieces := range map[string][][]byte{
		"no piece":             nil,
		"an empty piece":       {{}},
		"one byte":             {long[:1]},
		"one small piece":      {long[:300]},
		"small pieces":         {long[:300], nil, long[300:305], long[305:9000]},
		"the largest small":    {long[:10], long[10 : 32<<10]},
		"the smallest large":   {long[:32<<10+1]},
		"large pieces":         {nil, long[:1<<20], {}, long[1<<20 : 1<<20+3], long[1<<20+3:], nil},
		"many pieces of a few": many(long[:100<<10], 7),
	} {
		for _, counted := range []*keeper{nil, {}} {
			call := chat("")
			call.Body = &upstream.Payload{Pieces: pieces}
			if counted != nil {
				call.Body.Keeper = counted
			}
			answer := ask(t, client, call)
			answer.Close()
			if body := <-got; !bytes.Equal(body, bytes.Join(pieces, nil)) {
				t.Errorf("%s: %d bytes arrived, or others", name, len(body))
			}
			if counted != nil {
				counted.balanced(t)
			}
		}
	}
}

// many cuts bytes into pieces of n.
func many(text []byte, n int) (pieces [][]byte) {
	for len(text) > n {
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	return append(pieces, text)
}

func TestALargePayloadIsKeptUntilNobodyReadsIt(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		c.head()
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") // while the body is on its way
		<-c.gone(t)
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	counted := &keeper{}
	answer := ask(t, client, kept(counted, large(20<<20)))
	if counted.now.Load() != 1 {
		t.Errorf("%d readers while the body is sent", counted.now.Load())
	}
	answer.Close()
	counted.balanced(t)
}
