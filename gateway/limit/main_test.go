package limit_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails where a goroutine is left, of a store that was closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
