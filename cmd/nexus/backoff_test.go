package main_test

import (
	"testing"

	"nexus/gateway/gatewaytest"
)

// twice is a limit of two requests in two seconds.
const twice = "\n[server.rate_limits.per_user]\nlimit = 2\ninterval = \"2s\"\n"

// TestTheOpenAIClientForNodeWaitsAsItIsTold runs the npm package, unmodified, into a limit.
func TestTheOpenAIClientForNodeWaitsAsItIsTold(t *testing.T) {
	runNode(t, gatewaytest.Start(t, identified+twice), "openai", "backoff.js")
}

// TestTheOpenAIClientForGoWaitsAsItIsTold runs the Go module, unmodified, into a limit.
func TestTheOpenAIClientForGoWaitsAsItIsTold(t *testing.T) {
	runClient(t, gatewaytest.Start(t, identified+twice), gatewaytest.Build(t, "./testdata/clients/go"), "backoff")
}
