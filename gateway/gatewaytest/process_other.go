//go:build !linux

package gatewaytest

import (
	"syscall"
	"testing"
	"time"
)

// terminate is the polite request to end.
const terminate = syscall.SIGTERM

// CPU is the time that the process has spent on a processor so far. Only Linux tells it of a process
// that still runs; elsewhere the test skips.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	t.Skip("the CPU time of a running process is only to be had on Linux")
	return 0
}

// Memory is how much of the process lies in memory at the moment, in bytes. Elsewhere than on Linux
// the test skips.
func (p *Process) Memory(t testing.TB) int64 {
	t.Helper()
	t.Skip("the memory of a running process is only to be had on Linux")
	return 0
}
