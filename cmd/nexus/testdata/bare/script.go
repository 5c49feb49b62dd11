package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// script is a provider that does what each request's header X-Script says, written like a query:
//
//	id=7       stands in the answer, and under it the request is remembered
//	wait=1s    before the answer begins
//	events=100 a stream of that many; without it, a whole answer
//	pace=1ms   between two events
//	pad=1000   more bytes in each event
//	hold=1     after the last event nothing more comes, and no end either
//
// GET /requests tells what became of those with an id, in JSON, and DELETE /requests forgets them; GET /open tells how
// many are being answered at the moment.
type script struct {
	model string
	open  atomic.Int64

	mu       sync.Mutex
	requests map[string]*request
}

// request is one request that is remembered.
type request struct {
	Began time.Time // when its head was there
	Gone  time.Time // when its sender turned out to have left; zero: it has not
	Ended time.Time // when it was answered to its end; zero: it was not
	Bytes int64     // of its body, as far as that came
	Calls int       // with this id
}

const mostRequests = 100_000 // that are remembered

func newScript(model string) *script {
	return &script{model: model, requests: make(map[string]*request)}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/open":
		fmt.Fprint(w, s.open.Load())
	case r.URL.Path == "/requests":
		s.tell(w, r.Method == http.MethodDelete)
	case strings.HasSuffix(r.URL.Path, "/models"):
		listModels(w, s.model)
	default:
		s.open.Add(1)
		defer s.open.Add(-1)
		s.act(w, r)
	}
}

func (s *script) tell(w http.ResponseWriter, forget bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.requests)
	if forget {
		clear(s.requests)
	}
}

// remember gives what is known of a request, for change to write down more.
func (s *script) remember(id string, change func(*request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.requests[id]
	if known == nil {
		if id == "" || len(s.requests) == mostRequests {
			return
		}
		known = &request{}
		s.requests[id] = known
	}
	change(known)
}

// act answers one request, and notes when its sender leaves before the end.
func (s *script) act(w http.ResponseWriter, r *http.Request) {
	wish, err := url.ParseQuery(r.Header.Get("X-Script"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := wish.Get("id")
	s.remember(id, func(known *request) { known.Began, known.Calls = time.Now(), known.Calls+1 })
	gone := func() {
		s.remember(id, func(known *request) {
			if known.Gone.IsZero() {
				known.Gone = time.Now()
			}
		})
	}
	stop := context.AfterFunc(r.Context(), gone)
	defer stop()
	begin := new(bytes.Buffer)
	n, err := io.Copy(begin, io.LimitReader(r.Body, 64<<10))
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, r.Body)
		n += more
	}
	s.remember(id, func(known *request) { known.Bytes = n })
	if err != nil || !s.answer(w, r, wish, bytes.Contains(begin.Bytes(), []byte(`"include_usage":true`))) {
		gone()
		return
	}
	s.remember(id, func(known *request) { known.Ended = time.Now() })
}

// answer sends what is wished for, and reports whether it came to the end.
func (s *script) answer(w http.ResponseWriter, r *http.Request, wish url.Values, usage bool) bool {
	if !pause(r.Context(), wish.Get("wait")) {
		return false
	}
	if wish.Get("events") == "" {
		w.Header().Set("Content-Type", "application/json")
		_, err := fmt.Fprintf(w, `{"id":"chatcmpl-%s","object":"chat.completion","created":1741569952,"model":%q,"choices":[{"index":0,`+
			`"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}`,
			wish.Get("id"), s.model)
		return err == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	send := func(event []byte) bool {
		_, err := w.Write(event)
		return err == nil && flush.Flush() == nil
	}
	events, _ := strconv.Atoi(wish.Get("events"))
	padding, _ := strconv.Atoi(wish.Get("pad"))
	chunk := chunkOf(wish.Get("id"), s.model, strings.Repeat("x", padding))
	for i := range events {
		if !send(chunk(i)) || !pause(r.Context(), wish.Get("pace")) {
			return false
		}
	}
	if wish.Get("hold") != "" {
		<-r.Context().Done()
		return false
	}
	if usage && !send(fmt.Appendf(nil, `data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1741569952,"model":%q,"choices":[],`+
		`"usage":{"prompt_tokens":19,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n", wish.Get("id"), s.model, events, events+19)) {
		return false
	}
	return send([]byte("data: [DONE]\n\n"))
}

// chunkOf makes the events of one stream; each says its number.
func chunkOf(id, model, padding string) func(i int) []byte {
	head := fmt.Sprintf(`data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1741569952,"model":%q,"choices":[{"index":0,"delta":{"content":"`, id, model)
	var out []byte
	return func(i int) []byte {
		out = append(append(out[:0], head...), padding...)
		out = strconv.AppendInt(out, int64(i), 10)
		return append(out, ` "},"finish_reason":null}]}`+"\n\n"...)
	}
}

// pause waits so long; false: the sender left meanwhile. No length is no pause.
func pause(ctx context.Context, length string) bool {
	if length == "" {
		return true
	}
	d, err := time.ParseDuration(length)
	if err != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
