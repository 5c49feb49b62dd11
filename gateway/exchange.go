package gateway

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nexus/gateway/llm"
	"nexus/gateway/trace"
)

// Exchange is one request's working memory, from its first byte to the journal. It is the echo.Context that
// handlers get, so that nobody has to look it up. Exchanges are used again: nothing keeps one after its request.
type Exchange struct {
	echo.Context

	conn  deadliner
	trace trace.Trace
	body  body
	asked question
	pays  paying
	// streamed counts the answer, where a limit needs to know and the provider may not say.
	streamed streamed
	// whole is set when the provider's answer has come to its end.
	whole bool

	// route is the template of the path, for the metrics: "/llm/chat/completions", never what the caller wrote.
	route string
	// dialect writes the errors; on the LLM paths it is the protocol's own.
	dialect llm.Dialect
	// traced is set on the LLM paths: their requests go to the journal.
	traced bool
	// noted is when the last timed step ended.
	noted time.Time
	// out is the buffer that answers are written from.
	out []byte
}

const (
	maxRequestID = 128
	maxPath      = 256 // of a path that is kept in a trace
	keptAnswer   = 64 << 10
)

// begin makes the Exchange ready for a request.
func (x *Exchange) begin(c echo.Context, generation uint64) {
	r := c.Request()
	x.Context = c
	x.conn = noDeadlines{}
	if conn, ok := c.Response().Writer.(deadliner); ok {
		x.conn = conn
	}
	x.noted = time.Now()
	x.trace = trace.Trace{
		ID:         requestID(r.Header),
		Time:       x.noted,
		Generation: generation,
		Method:     keepMethod(r.Method),
		Input:      -1,
		Output:     -1,
	}
	c.Response().Header()[echo.HeaderXRequestID] = []string{x.trace.ID}
}

// flusher flushes the answer past Echo's own response, which would keep the error to itself.
func (x *Exchange) flusher() flusher {
	if f, ok := x.Response().Writer.(flusher); ok {
		return f
	}
	return unflushed{}
}

// end forgets the request.
func (x *Exchange) end() {
	out := x.out[:0]
	if cap(out) > keptAnswer {
		out = nil
	}
	*x = Exchange{out: out, pays: x.pays.forget(), streamed: streamed{text: x.streamed.text[:0]}}
}

// lap is the time since the last lap, for the steps that take long enough to be worth a look at the clock.
func (x *Exchange) lap() time.Duration {
	now := time.Now()
	took := now.Sub(x.noted)
	x.noted = now
	return took
}

// exchange gives each request its Exchange, answers with the error that comes back, and keeps the record. It is
// the outermost of all handlers, and wraps them once for each generation.
func (s *Snapshot) exchange(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		x, ok := s.gateway.exchanges.Get().(*Exchange)
		if !ok {
			x = new(Exchange)
		}
		x.begin(c, s.Generation)
		x.dialect = s.dialect
		defer s.finish(x)
		if err := s.recovered(x, next); err != nil {
			s.refuse(x, err)
		}
		return nil
	}
}

// maxFields is how many header fields a request may have; net/http has no bound of its own.
const maxFields = 100

func tooManyFields(h http.Header) bool {
	fields := 0
	for _, values := range h {
		fields += len(values)
	}
	return fields > maxFields
}

// recovered calls the handler and makes an error of a panic. Once the answer has begun there is no way to say
// so but to abort the connection: a clean end would pass for a whole answer.
func (s *Snapshot) recovered(x *Exchange, next echo.HandlerFunc) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler:
			panic(p)
		default:
			s.gateway.logPanic("a request panicked", p, "request_id", x.trace.ID)
			if x.Response().Committed {
				x.fail(trace.InternalError, http.StatusInternalServerError)
				panic(http.ErrAbortHandler)
			}
			err = errPanicked
		}
	}()
	return next(x)
}

// finish keeps what happened: once for each request, whether it was answered, refused or broke.
func (s *Snapshot) finish(x *Exchange) {
	t := &x.trace
	t.Duration = time.Since(t.Time)
	if t.Status == 0 {
		t.Status = x.Response().Status
	}
	s.gateway.record(x)
	s.gateway.bodies.release(&x.body)
	x.end()
	s.gateway.exchanges.Put(x)
}

// fail sets the outcome of a request that was let through and then broke.
func (x *Exchange) fail(reason trace.Reason, status int) {
	x.trace.Outcome, x.trace.Reason, x.trace.Status = trace.Failure, reason, status
}

// requestID keeps the caller's own id, if there is exactly one and it can be shown anywhere, or makes a new one.
func requestID(h http.Header) string {
	if ids := h[echo.HeaderXRequestID]; len(ids) == 1 && validRequestID(ids[0]) {
		return ids[0]
	}
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	var id [24]byte
	a, b := rand.Uint64(), rand.Uint64()
	for i := range id {
		if i == len(id)/2 {
			a = b
		}
		id[i] = digits[a&31]
		a >>= 5
	}
	return string(id[:])
}

func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// keepMethod gives the usual methods as constants: a request's own is a piece of its first line, however long that is.
func keepMethod(method string) string {
	for _, known := range [...]string{
		http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		if method == known {
			return known
		}
	}
	return keep(method, 16)
}

// keep copies a string that came in a request, so that a small record does not hold a large buffer, and cuts it.
func keep(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(strings.Clone(text), "�")
}
