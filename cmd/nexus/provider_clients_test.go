package main_test

import (
	"fmt"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// callers is the part of a nexus.toml that knows callers by headers.
var callers = identified[:strings.Index(identified, "[llm.")]

// behindNexus starts a provider and a gateway before it. Two more providers are in its file: "hasty" is the same, given
// little time, and at the address of "gone" nobody listens.
func behindNexus(t *testing.T) (*gatewaytest.Nexus, *gatewaytest.Provider) {
	t.Helper()
	p := gatewaytest.StartProvider(t)
	gone := fmt.Sprintf("\n[llm.providers.gone]\ntype = \"openai\"\napi_key = \"sk-unused\"\nbase_url = \"http://%s/v1\"\n",
		gatewaytest.FreeAddress(t))
	hasty := p.ConfigAs("hasty", `response_timeout = "500ms"`, `idle_timeout = "500ms"`)
	return gatewaytest.Start(t, callers+p.Config()+gone+hasty), p
}

// TestClientsOfAProvider runs real clients, unmodified, against the built program before a provider of type openai, which
// is as strict as the real one.
func TestClientsOfAProvider(t *testing.T) {
	for _, c := range []struct{ name, needs, script string }{
		{"OpenAI for node", "openai", "openai.js"},
		{"the AI SDK", "@ai-sdk/openai-compatible", "ai.js"},
		{"LangChain", "@langchain/openai", "langchain.js"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nexus, _ := behindNexus(t)
			runNode(t, nexus, c.needs, c.script)
		})
	}
	t.Run("OpenAI for Go", func(t *testing.T) {
		nexus, _ := behindNexus(t)
		runClient(t, nexus, gatewaytest.Build(t, "./testdata/clients/go"), "provider")
	})
}
