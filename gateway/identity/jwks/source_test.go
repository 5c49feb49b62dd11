package jwks_test

import (
	"context"
	"errors"
	"sync"
	"testing/synctest"
	"time"

	"nexus/gateway/identity/jwks"
)

// source stands for an issuer: it notes when it is asked, and answers as it is told.
type source struct {
	mu     sync.Mutex
	start  time.Time
	asked  []time.Duration
	answer func(context.Context) (*jwks.Set, error)
}

func newSource(answer func(context.Context) (*jwks.Set, error)) *source {
	return &source{start: time.Now(), answer: answer}
}

func (s *source) fetch(ctx context.Context) (*jwks.Set, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Since(s.start))
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx)
}

func (s *source) say(answer func(context.Context) (*jwks.Set, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// times are when it was asked, since it was last looked at.
func (s *source) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.asked = nil }()
	return s.asked
}

// gives answers with a set.
func gives(set *jwks.Set) func(context.Context) (*jwks.Set, error) {
	return func(context.Context) (*jwks.Set, error) { return set, nil }
}

// fails answers with an error.
func fails(context.Context) (*jwks.Set, error) { return nil, errors.New("the answer is 500") }

// pass lets so much time pass, and everything end that is due by then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

const seconds = time.Second
