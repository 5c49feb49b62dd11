package identity_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/trace"
)

// claimed is an identification by two claims with three groups.
func claimed() *config.ClientIdentification {
	return &config.ClientIdentification{
		Enabled:    true,
		ClientID:   config.ClientSource{JWTClaim: "sub"},
		GroupID:    config.Source{JWTClaim: "plan"},
		Validation: config.Validation{GroupValues: []string{"free", "pro", "enterprise"}},
	}
}

func TestIdentifyByClaims(t *testing.T) {
	long := strings.Repeat("a", 257)
	tests := []struct {
		name    string
		payload string
		want    identity.Client
		reason  trace.Reason
		key     string // last part of the deciding key
		steps   string // finding of each, by name
		says    string // in one of the sentences
	}{
		{name: "texts", payload: `{"sub":"alice","plan":"pro"}`, want: identity.Client{ID: "alice", Group: "pro"}, steps: "Found Found Found", says: `claim "sub" says "alice"`},
		{name: "a number is exact", payload: `{"sub":12345678901234567890}`, want: identity.Client{ID: "12345678901234567890"}, steps: "Found Absent NoGroup"},
		{name: "a boolean", payload: `{"sub":true}`, want: identity.Client{ID: "true"}, steps: "Found Absent NoGroup"},
		{name: "white space is cut", payload: `{"sub":" alice\n","plan":"\tpro "}`, want: identity.Client{ID: "alice", Group: "pro"}, steps: "Found Found Found"},
		{name: "256 bytes", payload: `{"sub":"` + long[1:] + `"}`, want: identity.Client{ID: long[1:]}, steps: "Found Absent NoGroup"},
		{name: "no id", payload: `{"subject":"alice"}`, reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "Absent", says: `looked for claim "sub"; the token has no such claim; it has subject`},
		{name: "an id that is null", payload: `{"sub":null}`, reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "Absent"},
		{name: "an empty id", payload: `{"sub":" "}`, reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "Empty", says: "the claim is empty; it has sub"},
		{name: "an id that is a list", payload: `{"sub":["alice"]}`, reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "WrongKind", says: "is a list"},
		{name: "an id that is an object", payload: `{"sub":{"id":"alice"}}`, reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "WrongKind", says: "is an object"},
		{name: "an overlong id", payload: `{"sub":"` + long + `"}`, reason: trace.ClientIDInvalid, key: "client_id.jwt_claim", steps: "TooLong"},
		{name: "an id of a long number", payload: `{"sub":` + strings.Repeat("9", 257) + `}`, reason: trace.ClientIDInvalid, key: "client_id.jwt_claim", steps: "TooLong"},
		{name: "an id with control characters", payload: `{"sub":"ali\u0000ce"}`, reason: trace.ClientIDInvalid, key: "client_id.jwt_claim", steps: "Unprintable"},
		{name: "no group is fine", payload: `{"sub":"a"}`, want: identity.Client{ID: "a"}, steps: "Found Absent NoGroup"},
		{name: "a group that is null is none", payload: `{"sub":"a","plan":null}`, want: identity.Client{ID: "a"}, steps: "Found Absent NoGroup"},
		{name: "an empty group is none", payload: `{"sub":"a","plan":""}`, want: identity.Client{ID: "a"}, steps: "Found Empty NoGroup", says: "the claim is empty; it has plan, sub"},
		{name: "a missing group has its near miss", payload: `{"sub":"a","subscription":"pro"}`, want: identity.Client{ID: "a"}, steps: "Found Absent NoGroup",
			says: `looked for claim "plan"; the token has no such claim; it has sub, subscription; did you mean "subscription"?`},
		{name: "a group outside the list", payload: `{"sub":"a","plan":"enterprize"}`, want: identity.Client{ID: "a", Group: "enterprize"}, reason: trace.GroupInvalid, key: "validation.group_values",
			steps: "Found Found NotAllowed", says: `group "enterprize" is not in group_values [free, pro, enterprise]; did you mean "enterprise"?`},
		{name: "groups are compared exactly", payload: `{"sub":"a","plan":"Pro"}`, want: identity.Client{ID: "a", Group: "Pro"}, reason: trace.GroupInvalid, key: "validation.group_values", steps: "Found Found NotAllowed"},
		{name: "a number is no listed group", payload: `{"sub":"a","plan":1}`, want: identity.Client{ID: "a", Group: "1"}, reason: trace.GroupInvalid, key: "validation.group_values", steps: "Found Found NotAllowed"},
		{name: "an overlong group", payload: `{"sub":"a","plan":"` + long + `"}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found TooLong"},
		{name: "a group with control characters", payload: `{"sub":"a","plan":"p\u0007ro"}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found Unprintable"},
		{name: "a group that is an object is not none", payload: `{"sub":"a","plan":{"name":"pro"}}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found WrongKind", says: "is an object"},
		{name: "of a list the first that is allowed", payload: `{"sub":"a","plan":["staff",7,true," pro ","free"]}`, want: identity.Client{ID: "a", Group: "pro"}, steps: "Found Found Found", says: `claim "plan" says "pro"`},
		{name: "the list's order decides", payload: `{"sub":"a","plan":["enterprise","free"]}`, want: identity.Client{ID: "a", Group: "enterprise"}, steps: "Found Found Found"},
		{name: "a list with none that is allowed", payload: `{"sub":"a","plan":["staff","proo"]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "validation.group_values",
			steps: "Found Found NoneAllowed", says: `none of the groups [staff, proo] is in group_values [free, pro, enterprise]; did you mean "pro"?`},
		{name: "an empty list is not none", payload: `{"sub":"a","plan":[]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "validation.group_values", steps: "Found Found NoneAllowed"},
		{name: "a list of empty texts is not none", payload: `{"sub":"a","plan":[""," "]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "validation.group_values", steps: "Found Found NoneAllowed"},
		{name: "a list that holds an object, though also a group", payload: `{"sub":"a","plan":["pro",{}]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found WrongKind", says: "a list that holds an object"},
		{name: "a list within a list", payload: `{"sub":"a","plan":[["pro"]]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found WrongKind", says: "a list that holds a list"},
		{name: "a list that holds null", payload: `{"sub":"a","plan":["pro",null]}`, want: identity.Client{ID: "a"}, reason: trace.GroupInvalid, key: "group_id.jwt_claim", steps: "Found WrongKind", says: "a list that holds null"},
		{name: "no token at all", reason: trace.ClientIDMissing, key: "client_id.jwt_claim", steps: "Absent", says: "it has none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := identity.Evidence{Header: http.Header{}}
			if tt.payload != "" {
				ev.Claims = parseClaims(t, tt.payload)
			}
			for range 2 { // what is remembered of a missing claim changes nothing
				var tr trace.Trace
				got, err := identity.Compile(claimed()).Identify(ev, &tr)
				var refusal *identity.Refusal
				errors.As(err, &refusal)
				if refusal == nil {
					refusal = &identity.Refusal{}
				}
				if got != tt.want || refusal.Reason != tt.reason || !strings.HasSuffix(refusal.Key, tt.key) {
					t.Errorf("%+v for %q by %q, want %+v for %q by %q", got, refusal.Reason, refusal.Key, tt.want, tt.reason, tt.key)
				}
				holdSteps(t, &tr, tt.steps, tt.says)
			}
		})
	}
}

// holdSteps holds what was noted against the findings that were expected, and looks for a sentence.
func holdSteps(t *testing.T, tr *trace.Trace, findings, says string) {
	t.Helper()
	words := map[trace.Finding]string{
		trace.Found: "Found", trace.Absent: "Absent", trace.Empty: "Empty", trace.TooLong: "TooLong", trace.Unprintable: "Unprintable",
		trace.NotAllowed: "NotAllowed", trace.NoGroup: "NoGroup", trace.WrongKind: "WrongKind", trace.NoneAllowed: "NoneAllowed",
	}
	var got, sentences []string
	for i, step := range tr.Steps() {
		got = append(got, words[step.Finding])
		sentences = append(sentences, step.Sentence())
		if source := step.Source; i < 2 && source != trace.Claim || len(step.Value) > 256 || strings.ContainsRune(step.Value, 0) {
			t.Errorf("step %+v", step)
		}
	}
	if strings.Join(got, " ") != findings {
		t.Errorf("steps %q, want %q", got, findings)
	}
	if !strings.Contains(strings.Join(sentences, "\n"), says) {
		t.Errorf("%q says nothing of %q", sentences, says)
	}
}

// TestALongListOfGroupsIsCut: the trace keeps as much of it as of one group.
func TestALongListOfGroupsIsCut(t *testing.T) {
	ev := identity.Evidence{Claims: parseClaims(t, `{"sub":"a","plan":[`+strings.Repeat(`"größe\u0000",`, 900)+`"x"]}`)}
	var tr trace.Trace
	client, err := identity.Compile(claimed()).Identify(ev, &tr)
	if err == nil || client.Group != "" {
		t.Errorf("%+v, %v", client, err)
	}
	value := tr.Steps()[2].Value
	if len(value) > 256 || len(value) < 240 || !strings.HasPrefix(value, "größe\ufffd, größe") || strings.ToValidUTF8(value, "") != value {
		t.Errorf("%d bytes: %q", len(value), value)
	}
}

// TestTrustedSourcesConcernHeadersAlone: a token is as good from anywhere.
func TestTrustedSourcesConcernHeadersAlone(t *testing.T) {
	cfg := claimed()
	cfg.TrustedSources = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	ev := identity.Evidence{Header: headers("X-User-Tier", "pro"), Peer: netip.MustParseAddr("192.0.2.1"), Claims: parseClaims(t, `{"sub":"a","plan":"pro"}`)}
	var tr trace.Trace
	if client, err := identity.Compile(cfg).Identify(ev, &tr); err != nil || client.Group != "pro" {
		t.Errorf("%+v, %v", client, err)
	}
	cfg.GroupID = config.Source{HTTPHeader: "x-user-tier"}
	tr = trace.Trace{}
	if _, err := identity.Compile(cfg).Identify(ev, &tr); err == nil {
		t.Error("the group's header is believed")
	}
}

// TestEachPathHasItsOwnNearMiss, also where the claims remember what another path was told.
func TestEachPathHasItsOwnNearMiss(t *testing.T) {
	claims := parseClaims(t, `{"sub":"a","tiers":"pro","levels":"x"}`)
	for _, tt := range [][2]string{{"tier", "tiers"}, {"level", "levels"}, {"tier", "tiers"}} {
		cfg := claimed()
		cfg.GroupID.JWTClaim = config.ClaimPath(tt[0])
		var tr trace.Trace
		_, _ = identity.Compile(cfg).Identify(identity.Evidence{Claims: claims}, &tr)
		if got := tr.Steps()[1].Detail; got != tt[1] {
			t.Errorf("%s: %q, want %q", tt[0], got, tt[1])
		}
	}
}
