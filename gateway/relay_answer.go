package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/llm/upstream"
)

// maxAnswer bounds an answer that is not a stream, in bytes.
const maxAnswer = 32 << 20

// leastScrubbed is the length from which a key is looked for in what is otherwise handed on as it is, in bytes: a shorter
// one may be any word.
const leastScrubbed = 8

// clean takes our key, or the caller's, out of bytes that are handed on: some servers repeat what they were sent. Hardly any do,
// so this is a search that finds nothing.
func (r *relayed) clean(text []byte) []byte {
	for _, key := range r.keys {
		if len(key) >= leastScrubbed {
			text = without(text, key)
		}
	}
	for _, secret := range r.backend.secretsFor(&r.target) {
		text = without(text, secret)
	}
	return text
}

// without takes a secret out of bytes, also as some write it in JSON, with its slashes escaped.
func without(text []byte, secret string) []byte {
	if bytes.Contains(text, []byte(secret)) {
		text = bytes.ReplaceAll(text, []byte(secret), []byte("***"))
	}
	if escaped := strings.ReplaceAll(secret, "/", `\/`); escaped != secret && bytes.Contains(text, []byte(escaped)) {
		text = bytes.ReplaceAll(text, []byte(escaped), []byte("***"))
	}
	return text
}

// handOn gives an answer to the caller, in the form that it has.
func (r *relayed) handOn(answer *upstream.Answer) error {
	kind := mediaType(answer.Header)
	other := kind != "application/json" && kind != "text/html"
	switch {
	case kind == "text/event-stream":
		return r.handOnStream(answer)
	case r.endpoint == openai.Speech && strings.HasPrefix(kind, "text/"):
		return &llm.BrokenError{Why: "it is text where there should be sound"}
	case r.endpoint == openai.Speech && other:
		return r.handOnBytes(answer)
	case r.look.Stream && other:
		return r.handOnStream(answer)
	}
	return r.handOnWhole(answer)
}

// mediaType is the kind of an answer, without parameters.
func mediaType(h http.Header) string {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// handOnWhole gives the caller an answer that comes in one piece. Nothing is sent before it is there whole.
func (r *relayed) handOnWhole(answer *upstream.Answer) error {
	x := r.exchange
	size := 512
	if answer.Length >= 0 {
		size = int(min(answer.Length, maxAnnounced)) + 1 // one byte more lets the last read see the end
	}
	if cap(x.out) < size {
		x.out = make([]byte, 0, size)
	}
	begun := time.Now()
	body, err := answer.ReadAll(x.out[:0], maxAnswer)
	if err != nil {
		return err
	}
	x.out = body
	pieces, usage, err := openai.Rewrite(r.endpoint, body, r.named)
	if told := (*llm.Error)(nil); errors.As(err, &told) {
		return r.hidden(told)
	}
	if err != nil {
		return err
	}
	x.used(usage)
	if usage.Output < 0 && x.streamed.on {
		openai.Said(r.endpoint, body, x.streamed.add)
	}
	x.whole = true
	r.limits.settle(x, r.question)
	x.trace.Upstream += time.Since(begun)
	length := 0
	for i, piece := range pieces {
		pieces[i] = r.clean(piece)
		length += len(pieces[i])
	}
	h := r.answerHeader(answer)
	if h["Content-Type"] == nil {
		h["Content-Type"] = jsonContent
	}
	h["Content-Length"] = []string{strconv.Itoa(length)}
	x.Response().WriteHeader(answer.Status)
	for _, piece := range pieces {
		if _, err := x.Response().Write(piece); err != nil {
			return gone(r.ctx)
		}
	}
	return nil
}

// maxAnnounced bounds the memory that is taken for what an answer merely announces, in bytes.
const maxAnnounced = 1 << 20

// handOnBytes gives the caller an answer that is no text, such as sound, as it comes. The status waits for the first byte.
func (r *relayed) handOnBytes(answer *upstream.Answer) error {
	x := r.exchange
	flusher, begun := x.flusher(), false
	buffer := make([]byte, firstRead)
	for {
		n, err := answer.Read(buffer)
		if !begun && (n > 0 || err == io.EOF) {
			begun = true
			h := r.answerHeader(answer)
			if answer.Length >= 0 {
				h["Content-Length"] = []string{strconv.FormatInt(answer.Length, 10)}
			}
			x.firstToken()
			x.Response().WriteHeader(answer.Status)
		}
		if n > 0 {
			if _, failed := x.Response().Write(buffer[:n]); failed != nil {
				return gone(r.ctx)
			}
			if flusher.FlushError() != nil {
				return gone(r.ctx)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && begun:
			return &cutError{err}
		case err != nil:
			return err
		}
	}
}

// firstRead is the size of the pieces in which bytes are handed on.
const firstRead = 32 << 10

// cutError is an answer that broke off where there is no way to say so but to break off as well.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }
