package config_test

import (
	"bytes"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"nexus/config"
)

// FuzzHeaderRule states what holds for any rule that is accepted: whatever is done by it can be sent, and nothing is said in
// vain.
func FuzzHeaderRule(f *testing.F) {
	f.Add("forward", "X-Trace-ID", "", "none", "X-Other", "")
	f.Add("forward", "", "^x-", "", "", "")
	f.Add("forward", "accept-x", "", "", "", "")
	f.Add("insert", "Authorization", "", "", "", "Basic abc")
	f.Add("insert", "host", "", "", "", "a\tb")
	f.Add("remove", "Host", "", "", "", "")
	f.Add("rename_duplicate", "X-A", "", "d ", "x-a", "")
	f.Add("rename_duplicate", "X-A", "", "d\x7f", "Te", "")
	f.Fuzz(func(t *testing.T, rule, name, pattern, fallback, rename, value string) {
		said := map[string]any{}
		for key, text := range map[string]string{"rule": rule, "name": name, "pattern": pattern, "default": fallback, "rename": rename, "value": value} {
			if strings.Contains(text, "{{") {
				t.Skip("a placeholder")
			}
			if text != "" {
				said[key] = text
			}
		}
		var text bytes.Buffer
		provider := map[string]any{"type": "openai", "api_key": "k", "headers": []any{said}}
		if err := toml.NewEncoder(&text).Encode(map[string]any{"llm": map[string]any{"providers": map[string]any{"openai": provider}}}); err != nil {
			t.Skip(err)
		}
		cfg, _ := parse(text.String())
		if cfg == nil {
			return
		}
		p, _ := cfg.LLM.Providers.Get("openai")
		h := p.Headers[0]
		if string(h.Rule) != rule || h.Name != name || h.Pattern.String() != pattern || h.Default != fallback || h.Rename != rename || h.Value.Reveal() != value {
			t.Fatalf("%v is read as %+v", said, h)
		}
		checkAccepted(t, h)
	})
}

var (
	headerToken = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")
	headerText  = regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)
)

func checkAccepted(t *testing.T, h config.HeaderRule) {
	t.Helper()
	forwards := h.Rule == config.RuleForward || h.Rule == config.RuleRenameDuplicate
	unsendable := []string{"Host", "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding", "Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect"}
	isSent := func(name string) bool {
		return headerToken.MatchString(name) && !slices.Contains(unsendable, textproto.CanonicalMIMEHeaderKey(name))
	}
	switch {
	case (h.Name == "") == !h.Pattern.IsSet():
		t.Errorf("it is about no header, or about two: %+v", h)
	case h.Name != "" && !headerToken.MatchString(h.Name):
		t.Errorf("%q is no header", h.Name)
	case forwards && config.NeverForwarded(h.Name):
		t.Errorf("%s is forwarded", h.Name)
	case h.Rule == config.RuleInsert && !isSent(h.Name), h.Rename != "" && (!isSent(h.Rename) || config.NeverForwarded(h.Rename)):
		t.Errorf("it sends what breaks a message: %+v", h)
	case !headerText.MatchString(h.Default), !headerText.MatchString(h.Value.Reveal()):
		t.Errorf("its text cannot be sent: %q", h.Default)
	case (h.Rule == config.RuleInsert) != h.Value.IsSet(), !forwards && h.Default+h.Rename != "", h.Pattern.IsSet() && h.Default+h.Rename != "":
		t.Errorf("it lacks something, or says something in vain: %+v", h)
	case h.Rule == config.RuleRenameDuplicate && (h.Rename == "" || strings.EqualFold(h.Rename, h.Name)):
		t.Errorf("it duplicates nothing: %+v", h)
	}
}
