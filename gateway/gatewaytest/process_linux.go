package gatewaytest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// terminate is the polite request to end.
const terminate = syscall.SIGTERM

// tick is the unit of the kernel's accounts: USER_HZ is 100 on every architecture Go runs on.
const tick = time.Second / 100

// CPU is the time that the process has spent on a processor so far, for itself and in the kernel.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatalf("read the accounts of the process: %v", err)
	}
	// The second field is the program's name in parentheses, which may hold anything; the
	// accounts are the 12th and 13th field after it (proc(5): utime and stime).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		t.Fatalf("the accounts of the process are cut short: %q", stat)
	}
	user, errUser := strconv.ParseInt(string(fields[11]), 10, 64)
	system, errSystem := strconv.ParseInt(string(fields[12]), 10, 64)
	if errUser != nil || errSystem != nil {
		t.Fatalf("the accounts of the process are no numbers: %q", stat)
	}
	return time.Duration(user+system) * tick
}

// Memory is how much of the process lies in memory at the moment, in bytes.
func (p *Process) Memory(t testing.TB) int64 {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		t.Fatalf("read the memory of the process: %v", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		t.Fatalf("the memory of the process is no number: %q", statm)
	}
	return resident * int64(os.Getpagesize())
}
