package gateway

import (
	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/limit"
)

// Plan is a configuration made ready: matchers and tables, and nothing that is connected, started or
// listening. A Plan is only read.
type Plan struct {
	config     *config.Config
	identifier *identity.Identifier
	address    addressRule
	providers  []provider
	tiers      *limit.Table
	tokens     *tokenSettings // nil: no token is asked for
	challenges [challenges][]string
	cors       *cors                 // nil: no page of another origin may call
	csrf       *csrf                 // nil: the header is not asked for
	terms      *terms                // nil: connections are plain
	clients    *identity.Authorities // nil: no client certificates are asked for
}

// Compile makes the plan that a checked configuration asks for. It is pure: no network, no goroutine, no socket.
func Compile(cfg *config.Config) *Plan {
	return &Plan{
		config:     cfg,
		identifier: identity.Compile(&cfg.Server.ClientIdentification),
		address:    compileAddressRule(&cfg.Server.ClientIP),
		providers:  compileProviders(cfg),
		tiers:      limit.Compile(cfg),
		tokens:     compileTokens(cfg),
		challenges: compileChallenges(&cfg.Server.OAuth.ProtectedResource),
		cors:       compileCORS(&cfg.Server.CORS),
		csrf:       compileCSRF(&cfg.Server.CSRF),
		terms:      compileTerms(cfg),
		clients:    compileAuthorities(cfg),
	}
}
