package gateway

import (
	"sync"
	"time"

	"nexus/gateway/llm/openai"
)

// silentModels are the models that do not take the question for the usage of a stream, which some servers refuse. The zero
// value knows of none.
type silentModels struct {
	mu    sync.Mutex
	since map[silentModel]time.Time
}

// silentModel is a model as the provider knows it, at one endpoint.
type silentModel struct {
	endpoint openai.Endpoint
	name     string
}

const (
	maxSilent    = 1000      // models that are remembered
	silentMemory = time.Hour // after which a model is asked again: servers get better
)

// has is whether a model is known not to take the question.
func (s *silentModels) has(m silentModel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.since[m]
	return ok && time.Since(since) < silentMemory
}

// add notes that a model has not taken the question.
func (s *silentModels) add(m silentModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil || len(s.since) >= maxSilent {
		s.since = make(map[silentModel]time.Time)
	}
	s.since[m] = time.Now()
}
