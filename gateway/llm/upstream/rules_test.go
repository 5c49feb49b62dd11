package upstream_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm/upstream"
)

// never are headers as a gateway keeps them from providers.
func never(name string) bool {
	name = strings.ToLower(name)
	return name == "authorization" || name == "host" || name == "content-length" || strings.HasPrefix(name, "accept")
}

func TestHeaderRules(t *testing.T) {
	all := regexp.MustCompile(`(?i).*`)
	in := http.Header{
		"X-One": {"1"}, "X-Two": {"2", "22"}, "Authorization": {"Bearer secret"}, "Accept-Language": {"de"}, "X-Empty": {""},
		"X-Provider-Api-Key": {"k"}, "X_provider_api_key": {"k"}, "Content_length": {"1"}, "Connection": {"close, X-Hop"}, "X-Hop": {"h"},
	}
	tests := map[string]struct {
		rules []upstream.Rule
		out   http.Header
		want  http.Header
	}{
		"no rule":                          {nil, http.Header{"A": {"b"}}, http.Header{"A": {"b"}}},
		"forward":                          {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-Two"}}, http.Header{"X-Two": {"old"}}, http.Header{"X-Two": {"2", "22"}}},
		"forward, in another case":         {[]upstream.Rule{{Kind: upstream.Forward, Name: "x-one", Rename: "y-one"}}, nil, http.Header{"Y-One": {"1"}}},
		"forward an empty value":           {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-Empty", Default: "d"}}, nil, http.Header{"X-Empty": {""}}},
		"forward what is not there":        {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-No"}}, http.Header{"X-No": {"old"}}, http.Header{"X-No": {"old"}}},
		"forward with a default":           {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-No", Default: "d", Rename: "X-Yes"}}, nil, http.Header{"X-Yes": {"d"}}},
		"forward a credential":             {[]upstream.Rule{{Kind: upstream.Forward, Name: "Authorization", Rename: "X-Token", Default: "d"}}, nil, http.Header{}},
		"forward as a credential":          {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-One", Rename: "Authorization"}}, http.Header{"Authorization": {"ours"}}, http.Header{"Authorization": {"ours"}}},
		"forward what is for us alone":     {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-Hop"}}, nil, http.Header{}},
		"forward the caller's own key":     {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-Provider-Api-Key"}}, nil, http.Header{"X-Provider-Api-Key": {"k"}}},
		"forward by a pattern":             {[]upstream.Rule{{Kind: upstream.Forward, Pattern: regexp.MustCompile(`(?i)-one$`)}}, nil, http.Header{"X-One": {"1"}}},
		"forward by a pattern of all":      {[]upstream.Rule{{Kind: upstream.Forward, Pattern: all}}, nil, http.Header{"X-One": {"1"}, "X-Two": {"2", "22"}, "X-Empty": {""}, "Connection": {"close, X-Hop"}}},
		"insert":                           {[]upstream.Rule{{Kind: upstream.Insert, Name: "X-One", Value: "v"}}, http.Header{"X-One": {"a", "b"}}, http.Header{"X-One": {"v"}}},
		"insert a credential":              {[]upstream.Rule{{Kind: upstream.Insert, Name: "Authorization", Value: "v"}}, nil, http.Header{"Authorization": {"v"}}},
		"remove":                           {[]upstream.Rule{{Kind: upstream.Remove, Name: "A"}}, http.Header{"A": {"1"}, "B": {"2"}}, http.Header{"B": {"2"}}},
		"remove by a pattern":              {[]upstream.Rule{{Kind: upstream.Remove, Pattern: regexp.MustCompile(`^X-`)}}, http.Header{"X-A": {"1"}, "X-B": {"2"}, "C": {"3"}}, http.Header{"C": {"3"}}},
		"in order":                         {[]upstream.Rule{{Kind: upstream.Remove, Name: "X-One"}, {Kind: upstream.Forward, Name: "X-One"}}, nil, http.Header{"X-One": {"1"}}},
		"in the other order":               {[]upstream.Rule{{Kind: upstream.Forward, Name: "X-One"}, {Kind: upstream.Remove, Name: "X-One"}}, nil, http.Header{}},
		"both names":                       {[]upstream.Rule{{Kind: upstream.RenameDuplicate, Name: "X-One", Rename: "Y"}}, nil, http.Header{"X-One": {"1"}, "Y": {"1"}}},
		"both names with a default":        {[]upstream.Rule{{Kind: upstream.RenameDuplicate, Name: "X-No", Rename: "Y", Default: "d"}}, nil, http.Header{"X-No": {"d"}, "Y": {"d"}}},
		"both names of what is not there":  {[]upstream.Rule{{Kind: upstream.RenameDuplicate, Name: "X-No", Rename: "Y"}}, nil, http.Header{}},
		"a credential under another name":  {[]upstream.Rule{{Kind: upstream.RenameDuplicate, Name: "Authorization", Rename: "Y"}}, nil, http.Header{}},
		"another name that is not allowed": {[]upstream.Rule{{Kind: upstream.RenameDuplicate, Name: "X-One", Rename: "Host"}}, nil, http.Header{"X-One": {"1"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := in.Clone()
			if tt.out == nil {
				tt.out = http.Header{}
			}
			upstream.CompileRules(tt.rules, never).Apply(tt.out, in)
			if diff := cmp.Diff(tt.want, tt.out); diff != "" {
				t.Error(diff)
			}
			for name := range tt.out {
				tt.out.Add(name, "more")
			}
			if diff := cmp.Diff(before, in); diff != "" {
				t.Error("the caller's headers changed:", diff)
			}
		})
	}
}

func TestNoRuleCostsNothing(t *testing.T) {
	rules, out, in := upstream.CompileRules(nil, nil), http.Header{}, http.Header{"A": {"b"}}
	if allocs := testing.AllocsPerRun(100, func() { rules.Apply(out, in) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	upstream.Rules{}.Apply(out, in)
}

// FuzzRules holds that no rule takes from a caller what is never forwarded, and that values stay as they are.
func FuzzRules(f *testing.F) {
	f.Add(uint8(0), "X-One", "", "", "authorization", "value")
	f.Add(uint8(0), "", ".*", "", "accept-encoding", "gzip")
	f.Add(uint8(3), "Host", "", "Y", "host", "a")
	f.Add(uint8(0), "A", "", "Content_Length", "A", "1")
	f.Add(uint8(2), "", "^x", "", "connection", "x, y")
	f.Fuzz(func(t *testing.T, kind uint8, name, pattern, rename, header, value string) {
		re, err := regexp.Compile("(?i)" + pattern)
		if err != nil || len(pattern) > 100 {
			return
		}
		rule := upstream.Rule{Kind: upstream.RuleKind(kind % 4), Name: name, Pattern: re, Rename: rename}
		if rule.Kind == upstream.Insert || name == "" && rule.Kind == upstream.RenameDuplicate {
			return
		}
		in := http.Header{header: {value}, http.CanonicalHeaderKey(header): {value}, "Connection": {value}, "Authorization": {"secret"}, "Accept": {"secret"}}
		before, out := in.Clone(), http.Header{}
		upstream.CompileRules([]upstream.Rule{rule}, never).Apply(out, in)
		if diff := cmp.Diff(before, in); diff != "" {
			t.Fatal("the caller's headers changed:", diff)
		}
		for name, values := range out {
			if never(strings.ReplaceAll(name, "_", "-")) {
				t.Fatalf("%q was forwarded", name)
			}
			if len(values) != 1 || values[0] != value {
				t.Fatalf("%q is %q, the caller sent %q", name, values, value)
			}
		}
	})
}
