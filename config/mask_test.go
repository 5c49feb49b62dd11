package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"nexus/config"
)

// TestMask reads pairs of a file and its masked lines. No file knows a secret without "s3cret" in it.
func TestMask(t *testing.T) {
	files, err := filepath.Glob("testdata/masked/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pairs: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := string(section(archive, "nexus.toml"))
			got := strings.Join(config.NewText(text).Masked(), "\n") + "\n"
			checkMasked(t, text, config.NewText(text))
			if strings.Contains(got, "3cret") {
				t.Errorf("a secret shows:\n%s", got)
			}
			if *update {
				for i := range archive.Files {
					if archive.Files[i].Name == "masked" {
						archive.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(section(archive, "masked")), got); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
}

// checkMasked is what holds for any text: it has as many masked lines as it has lines, and each is
// printable and not endless.
func checkMasked(t *testing.T, text string, masked *config.Text) {
	t.Helper()
	want := 0
	if text = strings.TrimPrefix(text, "\ufeff"); text != "" {
		want = strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
	}
	if got := masked.Masked(); len(got) != want {
		t.Fatalf("%d lines for %d", len(got), want)
	}
	for i, line := range masked.Masked() {
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("line %d is not printable: %q", i+1, line)
		}
		if len(line) > 400+len("…") {
			t.Fatalf("line %d has %d bytes", i+1, len(line))
		}
	}
}

func TestMaskOfOddTexts(t *testing.T) {
	long := strings.Repeat("é", 300)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"an empty file has no line", "", nil},
		{"a line end alone is an empty line", "\n", []string{""}},
		{"blank lines that are not understood stay blank", "x\n\n \t\ny\n ", []string{"***", "", "", "***", ""}},
		{"no line end at the end", "admin.traces = 1", []string{"admin.traces = 1"}},
		{"a byte order mark", "\ufeffadmin.traces = 1\n", []string{"admin.traces = 1"}},
		{"carriage returns", "[admin]\r\ntraces = 1 # x\r\n\r\n#\r\n", []string{"[admin]", "traces = 1 # ***", "", "#"}},
		{"carriage returns within a line", "[admin]\rtraces = 1\r# x", []string{"[admin]traces = 1# ***"}},
		{"tabs become spaces", "[admin]\n\ttraces\t=\t1\t\n", []string{"[admin]", "    traces    =    1    "}},
		{"a tab in a string", "admin.path = \"a\tb\"", []string{`admin.path = "***"`}},
		{"an escape sequence for terminals", "admin.path = \"\x1b[2J\"", []string{`admin.path = "***"`}},
		{"text that runs from right to left", "admin.path = \"\u202egnp\"", []string{`admin.path = "***"`}},
		{"bytes that are not UTF-8, in a string", "admin.path = '\xff'", []string{`admin.path = "***"`}},
		{"bytes that are not UTF-8, in a name", "llm.providers.'\xff'.type = 'demo'", []string{`llm.providers."***".type = 'demo'`}},
		{"an escape that hides a control character", `admin.path = "\u001b"`, []string{`admin.path = "***"`}},
		{"an escape that hides nothing", `admin.path = "\u0041\""`, []string{`admin.path = "\u0041\""`}},
		{"a string that a backslash joins to the next line", "admin.path = \"a\\\nb\"\nx\n", []string{`admin.path = "***"`, "***", "***"}},
		{"a string of several lines in one", `admin.path = """/admin"""`, []string{`admin.path = "***"`}},
		{"a NUL byte", "admin.traces = 1\n\x00\nadmin.path = '/x'\n", []string{"admin.traces = 1", "***", "***"}},
		{"UTF-16", "\xff\xfe[\x00a\x00\n\x00", []string{"***", "***"}},
		{"a long line is cut between characters", "admin.path = 'x" + long + "' # x", []string{"admin.path = 'x" + strings.Repeat("é", 192) + "…"}},
		{"a long secret says nothing of its length", "admin.token = '" + long + "'", []string{`admin.token = "***"`}},
		{"more keys than a file may have", "admin = [" + strings.Repeat("1,", 60_000) + "]\nadmin.path = '/x'", []string{"admin = [" + strings.Repeat("***,", 97) + "***…", "***"}},
		{"deeper than a file may nest", "admin.a=" + strings.Repeat("{a=", 100) + "\nadmin.path = '/x'", []string{`admin."***"=` + strings.Repeat(`{"***"=`, 31) + "{***", "***"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := config.NewText(tt.text)
			checkMasked(t, tt.text, text)
			if diff := cmp.Diff(tt.want, text.Masked()); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
}
