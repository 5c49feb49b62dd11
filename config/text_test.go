package config_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

func TestDiff(t *testing.T) {
	const seven = "[server]\n[server.health]\n[llm]\n[admin]\n[telemetry]\n[telemetry.prometheus]\nenabled = true\n"
	tests := []struct{ name, from, to, want string }{
		{"the same file", seven, seven, ""},
		{"two empty files", "", "", ""},
		{"a rotated secret is a changed line whose text is masked",
			"[admin]\ntoken = \"s3cret one\"\npath = '/a'\n", "[admin]\ntoken = \"s3cret two\"\npath = '/a'\n",
			"@@ -1,3 +1,3 @@\n [admin]\n-token = \"***\"\n+token = \"***\"\n path = '/a'\n"},
		{"a changed comment", "# one\n", "# two\n", "@@ -1,1 +1,1 @@\n-# ***\n+# ***\n"},
		{"a changed value", "admin.path = '/a'\n", "admin.path = '/b'\n", "@@ -1,1 +1,1 @@\n-admin.path = '/a'\n+admin.path = '/b'\n"},
		{"a file that was empty", "", "[admin]\n\n", "@@ -0,0 +1,2 @@\n+[admin]\n+\n"},
		{"a file that is empty", "[admin]\n", "", "@@ -1,1 +0,0 @@\n-[admin]\n"},
		{"a line at the end, where there was no line end", "[admin]", "[admin]\n[llm]", "@@ -1,1 +1,2 @@\n [admin]\n+[llm]\n"},
		{"a line end at the end alone is no change", "[admin]", "[admin]\n", ""},
		{"another way to end lines is no change", "[admin]\ntraces = 1\n", "[admin]\r\ntraces = 1\r\n", ""},
		{"a byte order mark is no change", "[admin]\n", "\ufeff[admin]\n", ""},
		{"three lines around a change", seven, strings.Replace(seven, "[admin]", "[admin] # x", 1),
			"@@ -1,7 +1,7 @@\n [server]\n [server.health]\n [llm]\n-[admin]\n+[admin] # ***\n [telemetry]\n [telemetry.prometheus]\n enabled = true\n"},
		{"two changes far apart", "[admin]\n" + seven + "[admin]\n", "[admin] \n" + seven + "[admin]  \n",
			"@@ -1,4 +1,4 @@\n-[admin]\n+[admin] \n [server]\n [server.health]\n [llm]\n" +
				"@@ -6,4 +6,4 @@\n [telemetry]\n [telemetry.prometheus]\n enabled = true\n-[admin]\n+[admin]  \n"},
		{"what a mistake makes unreadable has not changed", "[admin]\npath = '/a'\ntraces = 1\n", "[admin]\npath = '/a\ntraces = 1\n",
			"@@ -1,3 +1,3 @@\n [admin]\n-path = '/a'\n+path = ***\n traces = 1\n"},
		{"what another table makes unknown has not changed", "[admin]\npath = '/a'\n", "[admn]\npath = '/a'\n",
			"@@ -1,2 +1,2 @@\n-[admin]\n+[admn]\n path = '/a'\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := config.Diff(config.NewText(tt.from), config.NewText(tt.to))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("diff (-want +got):\n%s", diff)
			}
			checkPatch(t, tt.from, tt.to, got)
		})
	}
}

func TestDiffOfNoText(t *testing.T) {
	text := config.NewText("[admin]\n")
	if got := config.Diff(text, nil); got != "" {
		t.Errorf("to a file that could not be read: %s", got)
	}
	if got := config.Diff(nil, nil); got != "" {
		t.Errorf("of nothing: %s", got)
	}
	if got, want := config.Diff(nil, text), "@@ -0,0 +1,1 @@\n+[admin]\n"; got != want {
		t.Errorf("from nothing: got %s, want %s", got, want)
	}
	if got := config.Diff(text, &config.Text{}); got != "@@ -1,1 +0,0 @@\n-[admin]\n" {
		t.Errorf("to the zero text: %s", got)
	}
}

// checkPatch applies a diff to the masked lines of from, which must give those of to. A line that is the same
// in both may be masked in one of them only: what stands above it decides.
func checkPatch(t *testing.T, from, to, patch string) {
	t.Helper()
	before, after := linesOf(from), linesOf(to)
	old, want := config.NewText(from).Masked(), config.NewText(to).Masked()
	x, y := 0, 0
	keep := func(end int) {
		for ; x < end; x, y = x+1, y+1 {
			if x >= len(before) || y >= len(after) || before[x] != after[y] {
				t.Fatalf("line %d is not line %d, and the diff does not say so:\n%s", x+1, y+1, patch)
			}
		}
	}
	for line := range strings.Lines(patch) {
		text := strings.TrimSuffix(line[1:], "\n")
		switch line[0] {
		case '@':
			var a, as, b, bs int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@\n", &a, &as, &b, &bs); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if as > 0 {
				a--
			}
			if keep(a); bs > 0 && y != b-1 {
				t.Fatalf("at line %d of what comes out, not %d:\n%s", y+1, b, patch)
			}
		case ' ', '-':
			if x >= len(old) || old[x] != text {
				t.Fatalf("line %d is not %q:\n%s", x+1, text, patch)
			}
			if line[0] == ' ' {
				keep(x + 1)
			} else {
				x++
			}
		case '+':
			if y >= len(want) || want[y] != text {
				t.Fatalf("line %d is not to be %q:\n%s", y+1, text, patch)
			}
			y++
		default:
			t.Fatalf("no line of a diff: %q", line)
		}
	}
	if keep(len(before)); y != len(after) {
		t.Fatalf("%d lines came out, not %d:\n%s", y, len(after), patch)
	}
}

// linesOf are the true lines of a text, as a Text tells them apart.
func linesOf(text string) []string {
	if text = strings.TrimPrefix(text, "\ufeff"); text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return lines
}

// largeTexts are texts of a mebibyte, of kinds that cost a Text most.
func largeTexts() map[string]string {
	const size = 1 << 20
	var providers bytes.Buffer
	for i := 0; providers.Len() < size; i++ {
		fmt.Fprintf(&providers, "[llm.providers.p%d]\ntype = \"demo\" # why\nmodels.m = { rename = \"https://a:b@host\" }\n", i)
	}
	noise := make([]byte, size)
	for i, random := 0, rand.New(rand.NewPCG(1, 2)); i < size; i++ {
		noise[i] = byte(random.Uint32())
	}
	return map[string]string{
		"providers":   providers.String(),
		"noise":       string(noise),
		"line ends":   strings.Repeat("\n", size),
		"comments":    strings.Repeat("#\n", size/2),
		"a list":      "admin.x = [" + strings.Repeat("1,", size/2),
		"quotes":      strings.Repeat("\"", size),
		"slashes":     "admin.path = \"" + strings.Repeat("://@", size/4) + "\"",
		"brackets":    strings.Repeat("[", size),
		"empty lists": strings.Repeat("a=[]\n", size/5),
	}
}

// BenchmarkText masks the shipped file, and large ones.
func BenchmarkText(b *testing.B) {
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		b.Fatal(err)
	}
	texts := largeTexts()
	texts["shipped"] = string(shipped)
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				config.NewText(text)
			}
		})
	}
}

// BenchmarkDiff compares a file with one in which every hundredth line is another.
func BenchmarkDiff(b *testing.B) {
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		b.Fatal(err)
	}
	texts := largeTexts()
	texts["shipped"] = string(shipped)
	for name, text := range texts {
		lines := strings.Split(text, "\n")
		for i := 10; i < len(lines); i += 100 {
			lines[i] += "# x"
		}
		from, to := config.NewText(text), config.NewText(strings.Join(lines, "\n"))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				config.Diff(from, to)
			}
		})
	}
}
