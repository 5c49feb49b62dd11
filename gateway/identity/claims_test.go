package identity_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nexus/gateway/identity"
)

func parseClaims(t testing.TB, payload string) *identity.Claims {
	t.Helper()
	c, err := identity.ParseClaims(payload)
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return c
}

func TestClaimPaths(t *testing.T) {
	tests := []struct{ name, payload, path, want string }{
		{"a claim", `{"sub":"alice"}`, "sub", "alice"},
		{"a nested one", `{"user":{"plan":"pro"}}`, "user.plan", "pro"},
		{"three deep", `{"a":{"b":{"c":"x"}}}`, "a.b.c", "x"},
		{"a name with dots is found by its whole name", `{"https://example.com/plan":"pro"}`, "https://example.com/plan", "pro"},
		{"the whole name comes before the nested one", `{"user.plan":"whole","user":{"plan":"nested"}}`, "user.plan", "whole"},
		{"longer names come before shorter ones", `{"a":{"b.c":"short"},"a.b":{"c":"long"}}`, "a.b.c", "long"},
		{"inside an object the whole rest comes first", `{"a":{"b.c":"whole","b":{"c":"nested"}}}`, "a.b.c", "whole"},
		{"a name with dots leads into an object", `{"https://example.com/user":{"plan":"pro"}}`, "https://example.com/user.plan", "pro"},
		{"where a way ends the next one is tried", `{"a.b":{"x":1},"a":{"b":{"c":"back"}}}`, "a.b.c", "back"},
		{"where a way ends in a text the next one is tried", `{"a.b":"text","a":{"b.c":"back"}}`, "a.b.c", "back"},
		{"two ways back", `{"a":{"b":{"c":{"x":1}},"b.c":{"d":"found"}}}`, "a.b.c.d", "found"},
		{"null counts as absent", `{"plan":null}`, "plan", "-"},
		{"null inside", `{"user":{"plan":null}}`, "user.plan", "-"},
		{"null does not hide another way", `{"a.b":null,"a":{"b":"found"}}`, "a.b", "found"},
		{"no such claim", `{"sub":"alice"}`, "plan", "-"},
		{"no such member", `{"user":{"sub":"alice"}}`, "user.plan", "-"},
		{"a text has no members", `{"user":"plan"}`, "user.plan", "-"},
		{"a list has no members", `{"user":[{"plan":"pro"}]}`, "user.plan", "-"},
		{"a list has no positions", `{"user":["pro"]}`, "user.0", "-"},
		{"names are compared exactly", `{"Plan":"pro"}`, "plan", "-"},
		{"parts are whole", `{"use":{"r.plan":"x"}}`, "user.plan", "-"},
		{"a large number is exact", `{"id":12345678901234567890123}`, "id", "12345678901234567890123"},
		{"a fraction is exact", `{"id":1.10}`, "id", "1.10"},
		{"an exponent stays", `{"id":1E+2}`, "id", "1E+2"},
		{"minus zero stays", `{"id":-0}`, "id", "-0"},
		{"true", `{"ok":true}`, "ok", "true"},
		{"false", `{"ok":false}`, "ok", "false"},
		{"escapes are undone", `{"\u0073ub":"\u00e4\n"}`, "sub", "ä\n"},
		{"a list is there", `{"g":["a"]}`, "g", "a list"},
		{"an object is there", `{"g":{}}`, "g", "an object"},
		{"an empty text is there", `{"g":""}`, "g", ""},
		{"empty names are names", `{"":{"":"x"}}`, ".", "x"},
		{"a dot at the end", `{"a.":"x"}`, "a.", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseClaims(t, tt.payload).Find(tt.path)
			if !ok {
				got = "-"
			}
			if got != tt.want {
				t.Errorf("%s in %s is %q, want %q", tt.path, tt.payload, got, tt.want)
			}
		})
	}
	var none *identity.Claims
	if _, ok := none.Find("sub"); ok || none.Names() != nil {
		t.Error("no claims have claims")
	}
}

// slowFind does what paths promise, in the plainest way: all ways to cut a path into names, in their order.
func slowFind(value any, names []string) (any, bool) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	for n := len(names); n > 0; n-- {
		found, ok := object[strings.Join(names[:n], ".")]
		if !ok || found == nil {
			continue
		}
		if n == len(names) {
			return found, true
		}
		if found, ok := slowFind(found, names[n:]); ok {
			return found, true
		}
	}
	return nil, false
}

func FuzzClaimPath(f *testing.F) {
	f.Add(`{"user":{"plan":"pro"}}`, "user.plan")
	f.Add(`{"a.b":{"x":1},"a":{"b":{"c":"back"}}}`, "a.b.c")
	f.Add(`{"a":{"a.a":{"a":null,"a.a":{"a":true}},"a":{"a":{"a":1e5}}},"a.a":[]}`, "a.a.a.a.a")
	f.Add(`{"":{"":""}}`, "..")
	f.Fuzz(func(t *testing.T, payload, path string) {
		c, err := identity.ParseClaims(payload)
		if err != nil || strings.Count(path, ".") > 8 {
			return
		}
		var reference map[string]any
		d := json.NewDecoder(strings.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&reference); err != nil {
			t.Fatalf("%q is taken, and encoding/json says %v", payload, err)
		}
		want, there := slowFind(reference, strings.Split(path, "."))
		got, ok := c.Find(path)
		if ok != there {
			t.Fatalf("%q in %q: found %v, want %v", path, payload, ok, there)
		}
		says := ""
		switch v := want.(type) {
		case []any:
			says = "a list"
		case map[string]any:
			says = "an object"
		case nil:
		default:
			says = fmt.Sprint(v)
		}
		if got != says {
			t.Fatalf("%q in %q: %q, want %q", path, payload, got, says)
		}
		for _, name := range c.Names() {
			if len(name) > 64 || strings.ContainsAny(name, "\n\x00\x1b") {
				t.Fatalf("name %q", name)
			}
		}
		c.Nearest(path)
	})
}

func TestNamesAreSortedAndBounded(t *testing.T) {
	c := parseClaims(t, `{"sub":"a","exp":1,"gone":null,"user":{"plan":"pro"},"":1,"c\u0007":1,"`+strings.Repeat("x", 65)+`":1}`)
	if got, want := c.Names(), []string{"exp", "sub", "user"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := len(parseClaims(t, "{"+names(500)+"}").Names()); got != 64 {
		t.Errorf("%d names", got)
	}
}

func TestNearMissesOfClaims(t *testing.T) {
	tests := []struct{ name, payload, sought, want string }{
		{"the contract's example", `{"aud":"a","exp":1,"iss":"i","sub":"s","subscription":"pro"}`, "plan", "subscription"},
		{"a slip", `{"plam":"pro"}`, "plan", "plam"},
		{"another case", `{"Plan":"pro"}`, "plan", "Plan"},
		{"inside an object", `{"user":{"plan":"pro"}}`, "plan", "user.plan"},
		{"two deep", `{"app":{"user":{"plan":"pro"}}}`, "plan", "app.user.plan"},
		{"behind a URL", `{"https://example.com/plan":"pro"}`, "plan", "https://example.com/plan"},
		{"not inside but above", `{"plan":"pro"}`, "user.plan", "plan"},
		{"a slip inside", `{"user":{"plan":"pro"}}`, "user.plans", "user.plan"},
		{"the same name is nearer than the same meaning", `{"tier":"x","user":{"plan":"pro"}}`, "plan", "user.plan"},
		{"the same meaning inside an object", `{"realm_access":{"roles":["x"]}}`, "tier", "realm_access.roles"},
		{"an id", `{"email":"a@example.com","iss":"i"}`, "sub", "email"},
		{"a person's id comes before a program's", `{"azp":"app","preferred_username":"a","oid":"1"}`, "user_id", "azp"},
		{"nothing of the kind", `{"iss":"i","exp":1}`, "plan", ""},
		{"no claims", `{}`, "plan", ""},
		{"null is no near miss", `{"tier":null}`, "plan", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseClaims(t, tt.payload).Nearest(tt.sought); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestInstantsAreExact(t *testing.T) {
	at := func(seconds, nanoseconds int64) time.Time { return time.Unix(seconds, nanoseconds) }
	tests := map[string]time.Time{
		"0": at(0, 0), "-0": at(0, 0), "-0.0e5": at(0, 0), "0e999999999999": at(0, 0), "1": at(1, 0), "1e0": at(1, 0), "10e-1": at(1, 0), "1.5": at(1, 5e8),
		"1795435200": at(1795435200, 0), "1.7954352e9": at(1795435200, 0), "1.7954352E+9": at(1795435200, 0), "17954352000000e-4": at(1795435200, 0),
		"1795435200.123456789": at(1795435200, 123456789), "1795435200.1234567899": at(1795435200, 123456789), "0.000000001": at(0, 1), "1e-9": at(0, 1),
		"1e-10": at(0, 0), "123e-12": at(0, 0), "1e-999999999999": at(0, 0), "253402300799": at(253402300799, 0), "253402300799.000": at(253402300799, 0), "2534023007990e-1": at(253402300799, 0),
		"0.000001e6": at(1, 0), "100000000000000000000e-20": at(1, 0), "1e11": at(1e11, 0),
		"-1": at(-1, 0), "-1.5": at(-2, 5e8), "-0.000000001": at(0, -1), "-1e-30": at(0, 0), "-253402300799": at(-253402300799, 0),
	}
	for number, want := range tests {
		if got, ok := identity.Instant(number); !ok || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", number, got, ok, want)
		}
	}
	for _, number := range []string{"-253402300800", "-1e12", "-1e400", "253402300800", "253402300799.0000000000000001", "1e12", "1e400", "1e999999999999", "9223372036854775808", "99999999999999999999999e-11"} {
		if got, ok := identity.Instant(number); ok {
			t.Errorf("%s is %v", number, got)
		}
	}
}
