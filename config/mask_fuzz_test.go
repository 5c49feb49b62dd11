package config_test

import (
	"os"
	"strings"
	"testing"

	"nexus/config"
)

// planted is a file with a secret in every place where nobody may see it: CANARY.
const planted = `# CANARY
[server]
listen_address = "127.0.0.1:8000"   # CANARY
shutdown_timeout = CANARY
[server.client_identification]
validation.group_values = [
  "free", # CANARY
  "pro",
]
[llm.providers.demo]
type = "demo"
colour = "CANARY"
colours = ["CANARY", 'CANARY', { shade = "CANARY" }]
[llm.providers.demo.models.m]
rename = "https://user:CANARY@host.example/v1"
[llm.providers.openai]
type = "openai"
api_key = "CANARY"
base_url = "https://user:CANARY@llm.example/v1"
headers = [{ rule = "insert", name = "X-A", value = "CANARY" }, { value = 'CANARY' }]
[[llm.providers.openai.headers]]
rule = "insert"   # CANARY
value = "CANARY"
name = "X-B"
[[llm.providers.openai.models.m.headers]]
name = "X-C"
value = """
CANARY"""
[admin]
path = "{{ CANARY }}"
token = "CANARY"
[telemetry]
prometheus = { path = "/metrics", token = "CANARY", enabled = true }
[admin]
token = """
CANARY
"""
rejections = CANARY
token = 'CANARY'
[unknown]
pem = '''
CANARY'''
["CANARY"]
`

// hidden is a secret of which no six bytes stand anywhere else.
const hidden = "Zq8vK3xWm2Rt7yLp"

func shows(text string) bool {
	for i := range len(hidden) - 5 {
		if strings.Contains(text, hidden[i:i+6]) {
			return true
		}
	}
	return false
}

// FuzzMask takes one piece out of a file full of secrets and puts a few other bytes there: whatever
// becomes of the file, neither its lines nor what changed in it show a secret.
func FuzzMask(f *testing.F) {
	text := strings.ReplaceAll(planted, "CANARY", hidden)
	for at := range text {
		f.Add(at, 1, "")
		f.Add(at, 0, "\"")
	}
	for _, insert := range []string{"", "'", "\n", "=", "\\", "#", "[", "{{", "\"\"\"", "'''", "\xff", "\x00", ",a=", "\"\n", "://", "@"} {
		f.Add(0, 0, insert)
		f.Add(40, len(text), insert)
		f.Add(strings.Index(text, "[telemetry]"), 3, insert)
		f.Add(strings.Index(text, "[[llm"), 1, insert)
		f.Add(strings.Index(text, "{ rule"), 1, insert)
		f.Add(strings.Index(text, "value = "), 3, insert)
		f.Add(strings.Index(text, "://"), 3, insert)
	}
	whole := config.NewText(text)
	f.Fuzz(func(t *testing.T, at, cut int, insert string) {
		if at < 0 || at > len(text) || cut < 0 || len(insert) > 3 {
			t.Skip("not a slip of the hand")
		}
		end := min(at+min(cut, len(text)), len(text))
		if isMoved(text, at, end, insert) {
			t.Skip("the secret has become the value of another key")
		}
		mangled := text[:at] + insert + text[end:]
		masked := config.NewText(mangled)
		checkMasked(t, mangled, masked)
		for _, shown := range [][]string{masked.Masked(), {config.Diff(whole, masked)}, {config.Diff(masked, whole)}} {
			if all := strings.Join(shown, "\n"); shows(all) {
				t.Fatalf("the secret shows in:\n%s", all)
			}
		}
	})
}

// isMoved reports whether a secret loses what stands before it on its line, or gets a quote, while what stands
// on the lines above it is cut off in the middle, so that it can be a value of that; or whether it loses its key on its
// own line, where others stand before it.
func isMoved(text string, at, end int, insert string) bool {
	line, _, _ := strings.Cut(text[end:], "\n")
	if strings.Contains(text[at:end], "=") && !strings.Contains(text[at:end], "\n") && shows(line) {
		return true
	}
	headless := end > 0 && text[end-1] != '\n' || strings.ContainsAny(insert, "\"'")
	return at > 0 && headless && strings.Contains(text[at:end], "\n") && shows(line)
}

// FuzzDiff states what holds for any two texts: their lines are printable, and what changed leads from
// one to the other.
func FuzzDiff(f *testing.F) {
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped), strings.Replace(string(shipped), `"20MiB"`, `"20MiB`, 1))
	f.Add(planted, strings.ReplaceAll(planted, "CANARY", hidden))
	f.Add("", "a\n")
	f.Add("a\nb\nc\nd\ne\nf\ng\nh\n", "a\r\nb\nx\nd\ne\nf\ng\ny\nh")
	f.Add("a\na\na\n", "a\na\n\na\na")
	f.Add("\ufeff\n\n", "\n")
	f.Fuzz(func(t *testing.T, from, to string) {
		x, y := config.NewText(from), config.NewText(to)
		checkMasked(t, from, x)
		checkMasked(t, to, y)
		checkPatch(t, from, to, config.Diff(x, y))
		checkPatch(t, to, from, config.Diff(y, x))
	})
}
