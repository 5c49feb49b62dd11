package gatewaytest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Received is a request that reached a [Provider].
type Received struct {
	Method           string
	Path             string // below the base URL: "/chat/completions"
	Query            string
	Host             string
	Header           http.Header
	TransferEncoding []string
	Length           int64  // as the head says it; -1: it does not
	Body             []byte // as it came; nil once too many others came after it
	At               time.Time

	gone chan struct{}
	done chan struct{}
}

// Gone is closed once the gateway has left before its answer was complete. It tells nothing of an answer whose handler has
// taken the socket.
func (r *Received) Gone() <-chan struct{} { return r.gone }

// Done is closed once the provider has nothing more to say.
func (r *Received) Done() <-chan struct{} { return r.done }

// AwaitGone waits until the gateway has left. The test fails if it is still there after limit, or stayed to the end.
func (r *Received) AwaitGone(t testing.TB, limit time.Duration) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.gone:
	case <-timer.C:
		t.Fatalf("the call of %s was not cancelled within %v", r.Path, limit)
	}
}

// watch notes that the gateway leaves, until the function that it gives is called.
func (r *Received) watch(ctx context.Context) (stop func()) {
	left := func() { close(r.gone) }
	unwatch := context.AfterFunc(ctx, left)
	return func() {
		// A handler may see the end of the context before the function is called that waits for it.
		if unwatch() && ctx.Err() != nil {
			left()
		}
	}
}

const (
	maxRecords = 4096     // requests that are kept
	maxBodies  = 64 << 20 // bytes of bodies that are kept; over it, the older half goes
)

// record keeps a request, and forgets the oldest ones where there are too many.
func (p *Provider) record(r *Received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		close(p.changed)
		p.changed = make(chan struct{})
	}()
	if r.Method == http.MethodGet {
		p.listings = append(lastOf(p.listings), r)
		return
	}
	p.asked++
	p.calls = append(lastOf(p.calls), r)
	p.held += len(r.Body)
	if p.held <= maxBodies {
		return
	}
	p.held = 0
	for i, c := range p.calls {
		if i < len(p.calls)/2 {
			// A copy: a test may be reading the old one.
			forgotten := *c
			forgotten.Body, c = nil, &forgotten
			p.calls[i] = c
		}
		p.held += len(c.Body)
	}
}

func lastOf(list []*Received) []*Received {
	if len(list) < maxRecords {
		return list
	}
	return slices.Clone(list[maxRecords/2:])
}

// Requests are the calls that came, the oldest first, without the questions for models.
func (p *Provider) Requests() []*Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Listings are the questions for models that came, the oldest first.
func (p *Provider) Listings() []*Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.listings)
}

// Asked is how many calls ever came, without the questions for models.
func (p *Provider) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Last is the newest call. The test fails if none came.
func (p *Provider) Last(t testing.TB) *Received {
	t.Helper()
	calls := p.Requests()
	if len(calls) == 0 {
		t.Fatal("nothing reached the provider")
	}
	return calls[len(calls)-1]
}

// awaitLimit is how long a test waits for a request.
const awaitLimit = 20 * time.Second

// Await waits until n calls have come since the start, and gives the newest. The test fails if they do not come.
func (p *Provider) Await(t testing.TB, n int) *Received {
	t.Helper()
	timer := time.NewTimer(awaitLimit)
	defer timer.Stop()
	for {
		p.mu.Lock()
		asked, changed := p.asked, p.changed
		p.mu.Unlock()
		if asked >= n {
			return p.Last(t)
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("%d of %d calls reached the provider within %v", asked, n, awaitLimit)
		}
	}
}
