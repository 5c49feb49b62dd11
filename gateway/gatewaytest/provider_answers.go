package gatewaytest

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The functions of this file make handlers for [Provider.Answer].

// Raw answers with bytes as they stand, the status line included, each piece in a write (and most likely a packet) of its
// own, and closes the connection.
func Raw(pieces ...string) http.HandlerFunc {
	return Socket(func(c *net.TCPConn) {
		for _, piece := range pieces {
			if _, err := c.Write([]byte(piece)); err != nil {
				return
			}
		}
	})
}

// Socket gives the connection to f, which writes what it likes and need not close it. The body was read before, unless
// the handler was set with [Provider.AnswerUnread].
func Socket(f func(c *net.TCPConn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // the caller sees that there is no answer
		}
		defer func() { _ = conn.Close() }() // f may have closed it
		if tcp, ok := conn.(*net.TCPConn); ok {
			f(tcp)
		}
	}
}

// Reset ends a connection as a crash does: the other side gets a reset, not an end.
func Reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // what fails here ends the connection in another way
	_ = c.Close()
}

// Stalled writes pieces as [Raw] does, and then is silent until the caller leaves.
func (p *Provider) Stalled(pieces ...string) http.HandlerFunc {
	return Socket(func(c *net.TCPConn) {
		for _, piece := range pieces {
			if _, err := c.Write([]byte(piece)); err != nil {
				return
			}
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = c.Read(make([]byte, 1)) // an end or an error: the caller has left
		}()
		select {
		case <-gone:
		case <-p.Stopped():
			_ = c.SetReadDeadline(time.Now())
			<-gone
		}
	})
}

// EventHead is the head of an answer of events, for [Raw]: its end is the end of the connection.
const EventHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"

// Answering answers with a status, a content type and a body.
func Answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // a gateway that hangs up is none of the provider's business
	}
}

// Failing refuses as OpenAI does at that status, with its own words, type and code.
func Failing(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { failureOf(status).write(w) }
}

// APIError is OpenAI's error, to be answered with [APIError.Handler].
type APIError struct {
	Status  int
	Message string
	Type    string
	Param   string // empty: null
	Code    string // empty: null
	Header  http.Header
}

// Handler answers with the error.
func (e *APIError) Handler() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { e.write(w) }
}

// Body is the error as OpenAI writes it.
func (e *APIError) Body() []byte {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	type inner struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}
	body, err := json.MarshalIndent(map[string]inner{
		"error": {e.Message, e.Type, optional(e.Param), optional(e.Code)},
	}, "", "  ")
	if err != nil {
		panic(err) // texts always have a form in JSON
	}
	return append(body, '\n')
}

func (e *APIError) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range e.Header {
		h[name] = values
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Body()) // a gateway that hangs up is none of the provider's business
}

// failureOf is what OpenAI says at a status.
func failureOf(status int) *APIError {
	e := &APIError{Status: status, Type: "invalid_request_error"}
	switch status {
	case 400:
		e.Message, e.Param, e.Code = "This model's maximum context length is 128000 tokens. However, your messages resulted in "+
			"128013 tokens. Please reduce the length of the messages.", "messages", "context_length_exceeded"
	case 401:
		e.Message, e.Code = "Incorrect API key provided.", "invalid_api_key"
	case 403:
		e.Message, e.Type, e.Code = "Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"
	case 404:
		e.Message, e.Code = "The model does not exist or you do not have access to it.", "model_not_found"
	case 409:
		e.Message, e.Code = "The resource was changed by another request.", "conflict"
	case 413:
		e.Message, e.Code = "The request is too large.", "request_too_large"
	case 422:
		e.Message, e.Code = "The request was well-formed but could not be processed.", "unprocessable_entity"
	case 429:
		e.Message, e.Type, e.Code = "Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 3, Used 3, "+
			"Requested 1. Please try again in 20s.", "requests", "rate_limit_exceeded"
		e.Header = http.Header{"Retry-After": {"20"}, "X-Ratelimit-Remaining-Requests": {"0"}, "Set-Cookie": {"__cf_bm=1; path=/"}}
	case 500:
		e.Message, e.Type = "The server had an error while processing your request. Sorry about that!", "server_error"
	default:
		e.Message, e.Type = "The engine is currently overloaded, please try again later", "server_error"
	}
	return e
}

// QuotaExceeded is what OpenAI says, with status 429, to an account without credit.
func QuotaExceeded() *APIError {
	return &APIError{Status: 429, Type: "insufficient_quota", Code: "insufficient_quota",
		Message: "You exceeded your current quota, please check your plan and billing details."}
}
