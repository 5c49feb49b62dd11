package gatewaytest

import "sync"

// tailSize is how much of a program's output is kept for sure.
const tailSize = 1 << 20

// tail keeps the end of what is written to it. Safe for use by many goroutines.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func newTail() *tail { return &tail{} }

// Write never fails: what is too old is forgotten.
func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	// Forgetting in steps of the whole size keeps the copying cheap.
	if len(w.text) > 2*tailSize {
		w.text = append(w.text[:0], w.text[len(w.text)-tailSize:]...)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
