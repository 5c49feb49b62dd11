package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"nexus/gateway/issuer"
)

const issuerHelp = `A token issuer for development. It listens on 127.0.0.1 alone, makes a key, prints a token for each
group on standard output, one a line, and serves the key set until it is interrupted. Everything
else goes to standard error.

As it goes on to serve, let a shell take the tokens from a file: nexus issuer > tokens.txt &

Its tokens prove nothing: a gateway that trusts it trusts every program on this machine.`

// issuerFlags are the flags of the issuer.
type issuerFlags struct {
	groups                              []string
	subject, claim, audience, algorithm string
	ttl                                 time.Duration
	port                                int
}

// maxTTL is how far from now a token may expire, in either direction.
const maxTTL = 365 * 24 * time.Hour

// issuerCommand is `nexus issuer`.
func (s *settings) issuerCommand() *cobra.Command {
	var f issuerFlags
	cmd := s.command("issuer", "Issue tokens for development, on this machine alone",
		nil, false)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("group") && len(f.groups) == 0 {
			return errors.New("--group is empty; name a group, or leave the flag out for a token without one")
		}
		return issue(s, &f)
	}
	cmd.Long = issuerHelp
	flags := cmd.Flags()
	flags.StringSliceVar(&f.groups, "group", nil, "a token for each of these `groups` (repeatable; without any: one token without a group)")
	flags.StringVar(&f.subject, "subject", "alice", "the `name` in the claim sub")
	flags.StringVar(&f.claim, "claim", "plan", "the `claim` that holds the group, such as plan or user.plan")
	flags.StringVar(&f.audience, "audience", "nexus-api", "the `audience` in the claim aud")
	flags.StringVar(&f.algorithm, "algorithm", "RS256", "the `algorithm` to sign with: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA")
	flags.DurationVar(&f.ttl, "ttl", 8*time.Hour, "how `long` the tokens are valid; less than zero: how long they have not been")
	flags.IntVar(&f.port, "port", 8010, "the `port` to listen on; 0 takes any free one")
	return cmd
}

// check refuses what no token can say.
func (f *issuerFlags) check() error {
	if f.port < 0 || f.port > 65535 {
		return fmt.Errorf("--port %d is no port; write one up to 65535, or 0 for any free one", f.port)
	}
	if f.ttl == 0 || f.ttl.Abs() > maxTTL {
		return fmt.Errorf("--ttl %v is no time that a token can have; write up to 8760h, such as 8h, or -5m for one that has expired", f.ttl)
	}
	for _, text := range append([]string{f.subject, f.audience, f.claim}, f.groups...) {
		if strings.TrimSpace(text) == "" || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("%q is no text for a token; write a subject, an audience, a claim and groups that can be read", text)
		}
	}
	_, err := issuer.Grant{Group: "any", GroupClaim: f.claim}.Claims()
	return err
}

// issue serves the key set until a signal comes.
func issue(s *settings, f *issuerFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	// The id is another one in each process: a gateway that knows the last process's key then asks for this one.
	key, err := issuer.NewKey("dev-"+strings.ToLower(rand.Text()[:8]), f.algorithm)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: f.port})
	if err != nil {
		return fmt.Errorf("%w; if another issuer runs there, stop it, or take another port with --port", err)
	}
	url := "http://" + listener.Addr().String()
	handler, err := issuer.Handler(url, key)
	if err != nil {
		return err
	}
	if err := s.handOut(f, key, url); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: handler, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	// Nothing here takes long, so whoever still reads when the signal comes has lost nothing that a retry would not bring.
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the key set: %w", err)
	}
	return nil
}

// handOut prints what this is, and the tokens.
func (s *settings) handOut(f *issuerFlags, key *issuer.Key, url string) error {
	fmt.Fprintf(s.stderr, `
FOR DEVELOPMENT ONLY. Nobody proves anything to this issuer: whoever sees its tokens is whom they name,
and to a gateway that trusts it, every program on this machine can be anybody. Its key is in memory
alone and vanishes with this process: the next one makes another.

A gateway on this machine trusts it by these lines of nexus.toml:

  [server.oauth]
  url = "%s%s"
  expected_issuer = "%s"
  expected_audience = %q

`, url, issuer.SetPath, url, f.audience)
	groups := f.groups
	if len(groups) == 0 {
		groups = []string{""}
	}
	now := time.Now()
	for _, group := range groups {
		grant := issuer.Grant{
			Issuer: url, Audience: f.audience, Subject: f.subject, Group: group, GroupClaim: f.claim,
			IssuedAt: now, ExpiresAt: now.Add(f.ttl),
		}
		if f.ttl < 0 {
			grant.IssuedAt = now.Add(2 * f.ttl)
		}
		claims, err := grant.Claims()
		if err != nil {
			return err
		}
		token, err := key.Sign(claims, nil)
		if err != nil {
			return fmt.Errorf("sign a token: %w", err)
		}
		fmt.Fprintf(s.stderr, "# %s\n", grantWords(&grant, now))
		fmt.Fprintln(s.stdout, token)
	}
	fmt.Fprintf(s.stderr, "\nserving the key set at %s%s, until it is interrupted\n", url, issuer.SetPath)
	return nil
}

// grantWords says for whom a token is, and until when.
func grantWords(g *issuer.Grant, now time.Time) string {
	until := "until"
	if g.ExpiresAt.Before(now) {
		until = "expired at"
	}
	moment := g.ExpiresAt.UTC().Format("15:04 UTC")
	if day := g.ExpiresAt.UTC().Format(time.DateOnly); day != now.UTC().Format(time.DateOnly) {
		moment = day + " " + moment
	}
	where := "no group"
	if g.Group != "" {
		where = "group " + g.Group
	}
	return fmt.Sprintf("%s in %s, %s %s", g.Subject, where, until, moment)
}
