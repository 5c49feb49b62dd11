package main_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests hold the code against its own design: who may import whom, what stands where, and what
// must not be written down. Sizes are printed, not enforced.

// root is the checkout, seen from this folder.
const root = "../.."

const module = "nexus"

// rule is one row of the import table: the packages, what of ours they may import, and what of others'
// they must not. A pattern's last element may be "*".
type rule struct {
	packages []string
	may      []string
	mustNot  []string
}

// leaves are the packages below gateway.
var leaves = []string{
	"config", "gateway/identity", "gateway/identity/jwks", "gateway/limit", "gateway/llm", "gateway/llm/*",
	"gateway/trace", "gateway/journal", "gateway/shared", "gateway/telemetry",
}

// importTable is the whole of who may import whom; the first row that names a package holds. A package
// without a row may not exist.
var importTable = []rule{
	{packages: []string{"cmd/nexus"}, may: []string{"config", "gateway", "gateway/issuer", "gateway/journal", "gateway/telemetry", "gateway/trace", "admin"}},
	{packages: []string{"admin"}, may: append([]string{"gateway", "web"}, leaves...)},
	{packages: []string{"gateway"}, may: leaves},
	{packages: []string{"gateway/identity"}, may: []string{"config", "gateway/trace", "gateway/identity/jwks"},
		mustNot: []string{"github.com/labstack/echo/v4"}},
	{packages: []string{"gateway/identity/jwks"}, mustNot: []string{"github.com/labstack/echo/v4"}},
	{packages: []string{"gateway/limit"}, may: []string{"config", "gateway/trace"}},
	{packages: []string{"gateway/limit/limittest"}, may: []string{"gateway/limit"}},
	{packages: []string{"gateway/llm"}, may: []string{"config", "gateway/llm/jsonscan"}},
	{packages: []string{"gateway/llm/jsonscan", "gateway/llm/cl100k", "gateway/llm/cl100k/gen"}},
	{packages: []string{"gateway/llm/*"}, may: []string{"gateway/llm", "gateway/llm/jsonscan", "gateway/llm/cl100k"}},
	{packages: []string{"gateway/journal", "gateway/telemetry"}, may: []string{"gateway/trace", "config"}},
	{packages: []string{"gateway/gatewaytest"}, may: []string{"gateway/issuer"}},
	{packages: []string{"config", "web", "gateway/trace", "gateway/shared", "gateway/issuer"}},
}

// source is one parsed Go file.
type source struct {
	path string // from the root, with slashes
	file *ast.File
	set  *token.FileSet
}

func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) generated() bool { return ast.IsGenerated(s.file) }
func (s source) line(p token.Pos) int {
	return s.set.Position(p).Line
}

// walk visits the files of the checkout that are written by hand or generated here, but not fetched.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, p)
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || name == "bin" || name == "dist"):
			return fs.SkipDir
		case d.Type().IsRegular():
			visit(filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file of the module; programs that tests build lie under testdata and are
// no part of it.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(p string) {
		if path.Ext(p) != ".go" || strings.Contains(p, "testdata/") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, p), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("parse %s: %v", p, err)
			return
		}
		all = append(all, source{path: p, file: file, set: set})
	})
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, s := range sources(t) {
		pkg := path.Dir(s.path)
		i := slices.IndexFunc(importTable, func(r rule) bool { return listed(r.packages, pkg) })
		if i < 0 {
			t.Errorf("%s: package %s is not in the import table", s.path, pkg)
			continue
		}
		may := importTable[i].may
		if s.test() {
			// A test may use the package that it tests, those within it, and the harness.
			may = append([]string{pkg, pkg + "/*", "gateway/gatewaytest", "gateway/issuer", "gateway/limit/limittest"}, may...)
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(importTable[i].mustNot, imported) {
				t.Errorf("%s:%d: %s must not import %s", s.path, s.line(spec.Pos()), pkg, imported)
			}
			ours, ok := strings.CutPrefix(imported, module+"/")
			if ok && !listed(may, ours) {
				t.Errorf("%s:%d: %s may not import %s", s.path, s.line(spec.Pos()), pkg, ours)
			}
		}
	}
}

// listed reports whether one of the patterns names pkg.
func listed(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, pkg)
		return ok && err == nil
	})
}

func TestBlackBoxTestsSeeOnlyTheProgram(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() || path.Dir(s.path) != "cmd/nexus" {
			continue
		}
		for _, spec := range s.file.Imports {
			if ours := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(ours, module+"/") && ours != module+"/gateway/gatewaytest" {
				t.Errorf("%s:%d: a black-box test imports %s", s.path, s.line(spec.Pos()), ours)
			}
		}
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	comments := make(map[string][]string)
	for _, s := range sources(t) {
		if s.test() || s.generated() {
			continue
		}
		pkg := path.Dir(s.path)
		if s.file.Doc == nil {
			comments[pkg] = slices.Clip(comments[pkg]) // a package without any comment counts too
			continue
		}
		comments[pkg] = append(comments[pkg], s.path)
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(pkg) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the comment does not begin with %q", s.path, want)
		}
	}
	for pkg, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has %d comments, not one: %q", pkg, len(files), files)
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Sleep" {
				return true
			}
			if of, ok := call.X.(*ast.Ident); ok && of.Name == "time" && !insideBubble(s) {
				t.Errorf("%s:%d: a test sleeps", s.path, s.line(n.Pos()))
			}
			return true
		})
	}
}

// insideBubble reports whether a test file works with invented time, in which sleeping is free.
func insideBubble(s source) bool {
	return slices.ContainsFunc(s.file.Imports, func(spec *ast.ImportSpec) bool {
		return spec.Path.Value == `"testing/synctest"`
	})
}

func TestTheTopLevelHoldsOnlyWhatBelongsThere(t *testing.T) {
	allowed := []string{
		"cmd", "gateway", "admin", "web", "config", "deploy", "docs",
		"go.mod", "go.sum", "nexus.toml", "README.md", "LICENSE", "Makefile", "staticcheck.conf",
		"bin", "dist", // built, not committed
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// forbidden is what no text of the project may hold: places of one machine, and work left for later.
// The words are cut in two so that this file does not hold them either.
var forbidden = regexp.MustCompile(`/wor` + `k/|/roo` + `t/|\bTO` + `DO\b|\bFIX` + `ME\b|\bXX` + `X\b`)

func TestNoTextHoldsWhatIsForbidden(t *testing.T) {
	texts := []string{".go", ".md", ".templ", ".toml", ".css", ".js", ".json", ".yml", ".yaml", ".mod", ".txtar", ""}
	walk(t, func(p string) {
		if !slices.Contains(texts, path.Ext(p)) || p == "LICENSE" {
			return
		}
		for number, line := range lines(t, p) {
			if found := forbidden.Find(line); found != nil {
				t.Errorf("%s:%d: holds %q", p, number+1, found)
			}
		}
	})
}

// link is a link of Markdown to a place in the checkout: no scheme, no fragment alone.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	walk(t, func(p string) {
		if path.Ext(p) != ".md" {
			return
		}
		for number, line := range lines(t, p) {
			for _, found := range link.FindAllSubmatch(line, -1) {
				target := filepath.Join(root, path.Dir(p), string(found[1]))
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s:%d: nothing at %s", p, number+1, found[1])
				}
			}
		}
	})
}

func lines(t *testing.T, p string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, p))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(text, []byte("\n"))
}

// TestSizes prints what does not fit on a screen. It fails nothing: a long table may be right.
func TestSizes(t *testing.T) {
	const function, file, testFile = 60, 400, 800
	for _, s := range sources(t) {
		if s.generated() {
			continue
		}
		limit := file
		if s.test() {
			limit = testFile
		}
		if n := s.line(s.file.FileEnd - 1); n > limit {
			t.Logf("%s: %d lines", s.path, n)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.line(f.End())-s.line(f.Pos())+1 > function {
				t.Logf("%s:%d: %s has %d lines", s.path, s.line(f.Pos()), f.Name.Name, s.line(f.End())-s.line(f.Pos())+1)
			}
		}
	}
}
