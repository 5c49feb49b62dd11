//go:build unix

package gatewaytest

import "syscall"

// stand has a process stand still, and goOn go on.
const (
	stand = syscall.SIGSTOP
	goOn  = syscall.SIGCONT
)
