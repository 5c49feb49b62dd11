package main

import (
	"fmt"
	"log/slog"
	"net"
	"strings"

	"nexus/config"
	"nexus/gateway"
)

// announce tells what runs, where, and who may open what: people by a banner, machines by a line of the log.
func (s *settings) announce(g *gateway.Gateway, logger *slog.Logger) {
	switch {
	case s.logLevel() == "off":
	case s.logStyle() == "json":
		cfg := g.Status().Config
		logger.Info("serving", "address", g.Address(), "file", cfg.File(), "clients", identifiedBy(&cfg.Server.ClientIdentification),
			"admin", whoMayOpen(cfg.Admin.Token, "whoever signs in with admin.token"))
	default:
		s.banner(g)
	}
}

// banner tells on the terminal what runs.
func (s *settings) banner(g *gateway.Gateway) {
	status := g.Status()
	cfg, base := status.Config, "http://"+reachable(g.Address())
	if cfg.Server.TLS.Enabled {
		base = "https://" + reachable(g.Address())
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(s.stderr, "  %-11s"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(s.stderr, "\nnexus %s\n", status.Version)
	row("config", "%s, taken live whenever it is saved", cfg.File())
	if p := cfg.LLM.Protocols.OpenAI; cfg.LLM.Enabled && p.Enabled {
		row("openai", "%s%s/v1", base, strings.TrimSuffix(string(p.Path), "/"))
	}
	if cfg.Admin.Enabled {
		row("admin", "%s%s  (%s)", base, cfg.Admin.Path, whoMayOpen(cfg.Admin.Token, "whoever signs in with admin.token"))
	}
	if p := cfg.Telemetry.Prometheus; p.Enabled {
		row("metrics", "%s%s  (%s)", base, p.Path, whoMayOpen(p.Token, "whoever sends telemetry.prometheus.token"))
	}
	if h := cfg.Server.Health; h.Enabled {
		row("health", "%s%s, readiness %s%s", base, h.Path, base, h.ReadyPath)
	}
	if cfg.Server.OAuth.Enabled {
		row("tokens", "needed in every call to a model, verified with the keys at %s", cfg.Shown("server.oauth.url"))
	}
	if t := cfg.Server.TLS; t.Enabled && t.ClientCA != "" && t.ClientAuth == config.ClientAuthRequire {
		row("tls", "none but callers with a certificate of %s may connect", cfg.Shown("server.tls.client_ca"))
	}
	row("clients", "%s", identifiedBy(&cfg.Server.ClientIdentification))
	models := 0
	for _, p := range cfg.LLM.Providers.All() {
		models += p.Models.Len()
	}
	row("providers", "%d, with %s in the file", cfg.LLM.Providers.Len(), counted(models, "model"))
	if host, _, err := net.SplitHostPort(g.Address()); err == nil && net.ParseIP(host).IsUnspecified() {
		row("listening", "on every interface, %s", g.Address())
	}
	for _, w := range cfg.Warnings() {
		row("warning", "%s", w)
	}
	fmt.Fprintln(s.stderr)
}

func whoMayOpen(token config.Secret, holder string) string {
	if token.IsSet() {
		return holder
	}
	return "direct callers on this machine alone"
}

func identifiedBy(c *config.ClientIdentification) string {
	if !c.Enabled {
		return "not identified"
	}
	text := "identified by " + clientFoundIn(c.ClientID)
	if c.GroupID != (config.Source{}) {
		text += fmt.Sprintf(", in group by %s [%s]", foundIn(c.GroupID), strings.Join(c.Validation.GroupValues, ", "))
	}
	return text
}

func clientFoundIn(s config.ClientSource) string {
	if s.ClientCertificate != "" {
		return fmt.Sprintf("%s of their certificate", s.ClientCertificate)
	}
	return foundIn(config.Source{JWTClaim: s.JWTClaim, HTTPHeader: s.HTTPHeader})
}

func foundIn(s config.Source) string {
	if s.JWTClaim != "" {
		return fmt.Sprintf("claim %s of their token", s.JWTClaim)
	}
	return fmt.Sprintf("header %s", s.HTTPHeader)
}
