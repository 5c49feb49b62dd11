//go:build !unix

package gatewaytest

import "syscall"

// There is no redis-server here, nor a way to have it stand still.
const (
	stand = syscall.SIGTERM
	goOn  = syscall.SIGTERM
)
