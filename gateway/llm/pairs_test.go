package llm_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"nexus/gateway/llm"
	"nexus/gateway/llm/demo"
	"nexus/gateway/llm/openai"
)

var update = flag.Bool("update", false, "write what is there into the pairs of files, instead of comparing")

// TestPairs sends each request of testdata all the way: through the dialect to the demo, and its answer
// through the dialect again, whole and streamed. Each file holds the request and all that becomes of it.
func TestPairs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pairs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := archive.Files
			archive.Files = travel(t, want[0])
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			show := func(files []txtar.File) string { return string(txtar.Format(&txtar.Archive{Files: files})) }
			if diff := cmp.Diff(show(want), show(archive.Files)); diff != "" {
				t.Errorf("otherwise than in the file (-want +got); -update rewrites it:\n%s", diff)
			}
		})
	}
}

// travel gives the request and all that becomes of it.
func travel(t *testing.T, request txtar.File) []txtar.File {
	files := []txtar.File{request}
	add := func(name string, data []byte) {
		files = append(files, txtar.File{Name: name, Data: append(bytes.TrimRight(data, "\n"), '\n')})
	}
	dialect, provider, ctx := openai.Dialect{}, demo.New(), context.Background()
	r, err := dialect.Decode(request.Data)
	if err != nil {
		add("error", fmt.Appendf(nil, "%T: %v", err, err))
		return files
	}
	decoded, err := json.Marshal(r, json.OmitZeroStructFields(true), jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	add("decoded", decoded)
	call := &llm.Call{Request: r, Model: r.Model}
	reply, err := provider.Complete(ctx, call)
	if err != nil {
		add("error", failure(err))
		return files
	}
	whole := jsontext.Value(dialect.Reply(nil, r.Model, reply))
	if err := whole.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatalf("the reply is no JSON: %v", err)
	}
	add("reply", whole)
	r.Stream = true
	enc := dialect.Encoder(r.Model, r)
	var stream []byte
	for e, err := range provider.Stream(ctx, call) {
		if err != nil {
			t.Fatalf("the stream broke off: %v", err)
		}
		stream = enc.Event(stream, e)
	}
	add("stream", enc.End(stream))
	return files
}

// failure shows an error of the provider with all that it holds.
func failure(err error) []byte {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return fmt.Appendf(nil, "%v: %q, retry after %v", e, e.Message, e.RetryAfter)
	}
	return fmt.Appendf(nil, "%T: %v", err, err)
}
