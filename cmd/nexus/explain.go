package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"nexus/gateway"
	"nexus/gateway/trace"
)

const explainHelp = `Says what Nexus would do with a request, without sending one: who it takes the caller for, and why.
The file is read as serve would read it, and every step is told in a line.

  nexus explain --header 'X-Client-ID: alice' --header 'X-User-Tier: gold'
  nexus explain --token "$TOKEN" --model gpt-4

Where tokens are asked for, the issuer's key set is fetched once, within 5 s, or read from --jwks.
Exit code 0: allowed, 1: refused, 2: the question, or the file, is unusable.`

const (
	fetchTime = 4500 * time.Millisecond // so that the whole is within 5 s
	maxInput  = 1 << 20                 // bytes of a --jwks file, as of an issuer's answer, and of a token
)

// usageError is a question that cannot be answered, as opposed to an answer that says no.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// explainFlags are the flags of the question.
type explainFlags struct {
	headers                  []string
	token, model, jwks, from string
	hasToken, hasModel       bool
}

// explainCommand is `nexus explain`.
func (s *settings) explainCommand() *cobra.Command {
	var f explainFlags
	cmd := s.command("explain", "Say what would become of a request, and why", nil, false)
	cmd.Long = explainHelp
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.hasToken, f.hasModel = cmd.Flags().Changed("token"), cmd.Flags().Changed("model")
		return explain(cmd.Context(), s, &f)
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.NoArgs(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := cmd.Flags()
	flags.StringArrayVar(&f.headers, "header", nil, "a request `header`, as 'Name: value' (repeatable)")
	flags.StringVar(&f.token, "token", "", "a `JWT`, sent as the header Authorization; - reads it from standard input")
	flags.StringVar(&f.model, "model", "", "the `model` that is asked for; without it, routing is left out")
	flags.StringVar(&f.jwks, "jwks", "", "a `file` with the issuer's key set, instead of fetching it")
	flags.StringVar(&f.from, "from", "127.0.0.1", "the `IP` address of the caller")
	return cmd
}

// explain answers the question, and tells by its error whether the request would be refused.
func explain(ctx context.Context, s *settings, f *explainFlags) error {
	if _, err := s.logger(); err != nil {
		return usageError{err}
	}
	question, err := f.question()
	if err != nil {
		return usageError{err}
	}
	draft := s.file().Load()
	if errs := draft.Problems.Errors(); len(errs) > 0 {
		for _, p := range errs {
			fmt.Fprintln(s.stderr, p)
		}
		fmt.Fprintf(s.stderr, "%s: %s\n", s.configPath(), counted(len(errs), "error"))
		return usageError{errTold}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	told, err := gateway.Explain(ctx, gateway.Compile(draft.Config), question)
	if err != nil {
		return usageError{err}
	}
	writeTrace(s.stdout, told)
	if told.Outcome != trace.Allowed {
		return errTold
	}
	return nil
}

// question makes the request that the flags describe.
func (f *explainFlags) question() (gateway.Question, error) {
	q := gateway.Question{Header: http.Header{}, Model: f.model}
	if f.hasModel && f.model == "" {
		return q, errors.New("--model is empty; name a model, or leave it out")
	}
	for _, h := range f.headers {
		name, value, err := parseHeader(h)
		if err != nil {
			return q, err
		}
		q.Header.Add(name, value)
	}
	if f.hasToken {
		token, err := f.readToken()
		if err != nil {
			return q, err
		}
		if len(q.Header.Values("Authorization")) > 0 {
			return q, errors.New("--token is the header Authorization, and --header says it too; leave one of them out")
		}
		q.Header.Set("Authorization", strings.TrimSpace("Bearer "+token))
	}
	peer, err := netip.ParseAddr(f.from)
	if err != nil || peer.Zone() != "" {
		return q, fmt.Errorf("--from %q is no IP address; write one such as 10.0.0.7", f.from)
	}
	q.Peer = peer.Unmap()
	if f.jwks != "" {
		if q.KeySet, err = readBounded(f.jwks); err != nil {
			return q, fmt.Errorf("--jwks: %w", err)
		}
	}
	return q, nil
}

// readToken gives the token, which other users of the machine could see if it stood among the arguments.
func (f *explainFlags) readToken() (string, error) {
	token := f.token
	if token == "-" {
		text, err := io.ReadAll(io.LimitReader(os.Stdin, maxInput))
		if err != nil {
			return "", fmt.Errorf("--token -: %w", err)
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	if !validValue(token) {
		return "", errors.New("--token holds characters that no header can have; give the token alone, on one line")
	}
	if scheme, _, two := strings.Cut(token, " "); two && strings.EqualFold(scheme, "Bearer") {
		return "", errors.New(`--token is the token alone, without "Bearer" before it`)
	}
	return token, nil
}

// parseHeader reads "Name: value" by the rules of RFC 9110, section 5, as a server would take it. No error repeats the
// value, which may be a secret.
func parseHeader(text string) (name, value string, err error) {
	name, value, colon := strings.Cut(text, ":")
	if !colon {
		return "", "", errors.New("--header has no colon; write 'Name: value'")
	}
	if name == "" || strings.ContainsFunc(name, notInName) {
		return "", "", errors.New("--header has no header name before its colon; write 'Name: value'")
	}
	if value = strings.Trim(value, " \t"); !validValue(value) {
		return "", "", fmt.Errorf("--header %s has a value with control characters, which no server takes", name)
	}
	return name, value, nil
}

// notInName reports whether a character cannot be part of a token (RFC 9110, section 5.6.2).
func notInName(c rune) bool {
	return c > 127 || !strings.ContainsRune("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c)
}

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// readBounded reads a file that should be small.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxInput+1))
	if err == nil && len(text) > maxInput {
		return nil, fmt.Errorf("%s is over 1 MiB", path)
	}
	return text, err
}

// writeTrace tells the steps, and then what became of the request.
func writeTrace(w io.Writer, t *trace.Trace) {
	for _, step := range t.Steps() {
		writeRow(w, fmt.Sprintf("%-18s  %-7s  ", step.Name, step.Verdict), step.Sentence())
	}
	fmt.Fprintln(w)
	if t.Outcome == trace.Allowed {
		writeRow(w, "allowed: ", allowedWords(t))
		return
	}
	fmt.Fprintf(w, "%s: %s, %s\n", t.Outcome, t.Reason, t.Reason.Words())
	writeRow(w, "  the caller is told  ", fmt.Sprintf("%d %s", t.Status, t.Message))
	if d := t.DecidedBy; d.Key != "" {
		place := "not in " + d.File + ", so its default decides"
		if d.Line > 0 {
			place = fmt.Sprintf("%s:%d", d.File, d.Line)
		}
		writeRow(w, "  decided by          ", d.Key+" ("+place+")")
	}
}

// allowedWords says who may do what.
func allowedWords(t *trace.Trace) string {
	who := cmp.Or(t.ClientID, "nobody in particular")
	if t.Group != "" {
		who += " in group " + t.Group
	}
	if t.Provider != "" {
		return fmt.Sprintf("%s, model %s by provider %s", who, t.Model, t.Provider)
	}
	return who
}

// columns is how wide the text gets: as much as fits into most windows.
const columns = 110

// writeRow writes a text after a label, and goes on below where it gets too wide. What came with the question does not
// get to steer the terminal.
func writeRow(w io.Writer, label, text string) {
	line := label
	used := len(label)
	for word := range strings.FieldsSeq(strings.Map(printable, text)) {
		width := len([]rune(word))
		if used > len(label) {
			if used+1+width > columns {
				fmt.Fprintln(w, line)
				line, used = strings.Repeat(" ", len(label)), len(label)
			} else {
				line += " "
				used++
			}
		}
		line += word
		used += width
	}
	fmt.Fprintln(w, line)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) || unicode.IsSpace(r) {
		return r
	}
	return unicode.ReplacementChar
}
