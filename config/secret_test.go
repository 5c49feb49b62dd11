package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	jsonv2 "github.com/go-json-experiment/json"

	"nexus/config"
)

const canary = "s3cret-canary"

func TestSecretIsNeverPrinted(t *testing.T) {
	secret := config.NewSecret(canary)
	type holder struct {
		Token  config.Secret
		hidden config.Secret
	}
	values := map[string]any{
		"a secret": secret, "a pointer": &secret, "a field": config.Admin{Token: secret}, "fields": holder{secret, secret}, "a pointer to fields": &holder{secret, secret},
		"a list": []config.Secret{secret}, "a map": map[string]config.Secret{"a": secret}, "a key": map[config.Secret]int{secret: 1}, "an interface": []any{secret, holder{secret, secret}},
		"a config": &config.Config{Admin: config.Admin{Token: secret}},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %t %c %U %10s %-5.1v %T %p %w") {
				check(t, verb, fmt.Sprintf(verb, v))
			}
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
			check(t, "slog", b.String())
		})
	}
	if got := fmt.Sprintf("%v %s %q %#v %x %+v", secret, secret, secret, secret, secret, secret); got != "*** *** *** *** *** ***" {
		t.Errorf("through fmt: %s", got)
	}
	if got, err := json.Marshal(secret); err != nil || string(got) != `"***"` {
		t.Errorf("through JSON: %s, %v", got, err)
	}
	if got, err := jsonv2.Marshal(map[config.Secret]config.Secret{secret: secret}); err != nil || string(got) != `{"***":"***"}` {
		t.Errorf("through the newer JSON: %s, %v", got, err)
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{"token": secret}); err != nil || b.String() != "token = \"***\"\n" {
		t.Errorf("through TOML: %s, %v", b.String(), err)
	}
	b.Reset()
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "token", secret)
	if !strings.Contains(b.String(), "token=***") {
		t.Errorf("through slog: %s", b.String())
	}
}

func check(t *testing.T, how, got string) {
	t.Helper()
	if strings.Contains(got, canary) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", canary)) {
		t.Errorf("%s shows the secret: %s", how, got)
	}
}

func TestSecretReveals(t *testing.T) {
	secret := config.NewSecret(canary)
	if secret.Reveal() != canary || !secret.IsSet() {
		t.Errorf("reveals %q, set: %v", secret.Reveal(), secret.IsSet())
	}
	if secret != config.NewSecret(canary) || secret == config.NewSecret("another") {
		t.Error("secrets are equal where their texts are not, or the reverse")
	}
	for _, none := range []config.Secret{{}, config.NewSecret("")} {
		if none.IsSet() || none.Reveal() != "" {
			t.Error("a secret without a text is set")
		}
	}
}

func TestSecretInTheFile(t *testing.T) {
	t.Run("an empty token is none", func(t *testing.T) {
		if cfg := load(t, "admin.token = \"\"\n"); cfg.Admin.Token.IsSet() {
			t.Error("it is set")
		}
	})
	t.Run("a token of the environment", func(t *testing.T) {
		cfg, problems := config.Parse("nexus.toml", []byte("admin.token = \"a-{{env.T}}{{  env.T  }}\"\n"+provider), config.Overlay{}, variables([]byte("T="+canary)))
		if cfg == nil || cfg.Admin.Token.Reveal() != "a-"+canary+canary {
			t.Errorf("problems: %v", problems)
		}
	})
	for name, line := range map[string]string{
		"a line break in a token": `admin.token = "s3cret-canary\n"`,
		"space around a token":    `admin.token = " s3cret-canary"`,
		"a list":                  `admin.token = ["s3cret-canary"]`,
		"a table":                 `admin.token = {x = "s3cret-canary"}`,
		"a placeholder":           `admin.token = "{{ s3cret-canary }}"`,
		"an open placeholder":     `admin.token = "{{ env.s3cret-canary"`,
		"a misspelt key":          `admin.tokn = "s3cret-canary"`,
		"a wrong table":           `server.token = "s3cret-canary"`,
	} {
		t.Run(name+" is refused without a word of it", func(t *testing.T) {
			cfg, problems := config.Parse("nexus.toml", []byte(line+"\n"+provider), config.Overlay{}, nil)
			if cfg != nil || len(problems) != 1 {
				t.Fatalf("problems: %v", problems)
			}
			check(t, "the problem", problems.Error())
		})
	}
}
