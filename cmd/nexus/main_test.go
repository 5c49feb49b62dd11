// The tests in this folder look at Nexus from outside: the built program, real clients, a real browser.
package main_test

import (
	"os"
	"testing"

	"nexus/gateway/gatewaytest"
)

// identified is a nexus.toml that knows callers by headers and answers with the built-in demo.
const identified = `
[server.client_identification]
client_id.http_header = "x-client-id"
group_id.http_header = "x-user-tier"

[server.client_identification.validation]
group_values = ["free", "pro", "enterprise"]

[llm.providers.demo]
type = "demo"
`

func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m)) }
