package gatewaytest

import (
	"sync"
	"testing"
)

// Gate holds the events of a [Provider]'s streams back until the test lets them go, one by one.
type Gate struct {
	t      testing.TB
	passes chan struct{}
	once   sync.Once
}

// Gate puts a gate before the events of all streams that begin from now on. It is lifted when the test ends.
func (p *Provider) Gate() *Gate {
	g := &Gate{t: p.t, passes: make(chan struct{}, 1<<16)}
	p.set(func() { p.gate = g })
	p.t.Cleanup(g.Lift)
	return g
}

// Pass lets the next n events through, of whichever stream comes first.
func (g *Gate) Pass(n int) {
	for range n {
		select {
		case g.passes <- struct{}{}:
		default:
			g.t.Errorf("a gate lets %d events through at most", cap(g.passes))
			return
		}
	}
}

// Lift lets all events through, from now on. Nothing may Pass after it.
func (g *Gate) Lift() { g.once.Do(func() { close(g.passes) }) }
