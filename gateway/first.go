package gateway

import (
	"slices"
	"time"
)

const (
	// firstAnswers is how long a reload waits for the first answers of an issuer or a provider that was not asked before: one
	// within that time costs no call between the two configurations, and a change is live soon enough without.
	firstAnswers = 200 * time.Millisecond
	// firstModels is how long a start waits for the first lists of models: until then bare names are unknown.
	firstModels = time.Second
)

// awaitFirst lets what a new generation asks for the first time come in, for a moment. Old is the generation that runs;
// nil: this is the start.
func (s *Snapshot) awaitFirst(old *Snapshot) {
	var first []<-chan struct{}
	limit := firstModels
	if old != nil {
		limit = firstAnswers
		if s.keys != nil && s.keys != old.keys {
			first = append(first, s.keys.Loaded())
		}
	}
	for i := range s.backends {
		if account := s.backends[i].account; old == nil || !old.knows(account) {
			first = append(first, account.tried)
		}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, answered := range first {
		select {
		case <-answered:
		case <-timer.C:
			return
		}
	}
}

// knows is whether the generation has an account: then it is not the one to wait for its first list.
func (s *Snapshot) knows(a *account) bool {
	return slices.ContainsFunc(s.backends, func(b backend) bool { return b.account == a })
}
