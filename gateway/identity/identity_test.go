package identity_test

import (
	"errors"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/trace"
)

// tiered is an identification by two headers with three groups.
func tiered(trusted ...netip.Prefix) *config.ClientIdentification {
	return &config.ClientIdentification{
		Enabled:        true,
		ClientID:       config.ClientSource{HTTPHeader: "x-client-id"},
		GroupID:        config.Source{HTTPHeader: "X-User-Tier"},
		TrustedSources: trusted,
		Validation:     config.Validation{GroupValues: []string{"free", "pro", "enterprise"}},
	}
}

func headers(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestIdentify(t *testing.T) {
	private := netip.MustParsePrefix("10.0.0.0/8")
	tests := []struct {
		name    string
		cfg     *config.ClientIdentification
		header  http.Header
		peer    string
		want    identity.Client
		reason  trace.Reason
		key     string // last part of the deciding key
		says    string // in the last step's sentence
		verdict trace.Verdict
	}{
		{name: "client and group are found", cfg: tiered(), header: headers("x-client-id", "alice", "x-user-tier", "pro"),
			want: identity.Client{ID: "alice", Group: "pro"}, says: `"pro" is in group_values [free, pro, enterprise]`, verdict: trace.Passed},
		{name: "a header's name matches in any case", cfg: tiered(), header: headers("X-CLIENT-ID", "alice"),
			want: identity.Client{ID: "alice"}, says: "no group", verdict: trace.Skipped},
		{name: "surrounding white space is cut", cfg: tiered(), header: headers("X-Client-ID", " \talice\u00a0"),
			want: identity.Client{ID: "alice"}, verdict: trace.Skipped, says: "no group"},
		{name: "an empty group is no group", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-User-Tier", "  "),
			want: identity.Client{ID: "alice"}, verdict: trace.Skipped, says: "no group"},
		{name: "256 bytes are not too many", cfg: tiered(), header: headers("X-Client-ID", strings.Repeat("a", 256)),
			want: identity.Client{ID: strings.Repeat("a", 256)}, verdict: trace.Skipped, says: "no group"},
		{name: "no client id is refused", cfg: tiered(), header: headers("X-User-Tier", "pro"),
			reason: trace.ClientIDMissing, key: "client_id.http_header", says: `looked for header "x-client-id"; the request has no such header; it has X-User-Tier; the caller must send it`, verdict: trace.Failed},
		{name: "a blank client id counts as none", cfg: tiered(), header: headers("X-Client-ID", " "),
			reason: trace.ClientIDMissing, key: "client_id.http_header", says: "the header is empty", verdict: trace.Failed},
		{name: "an underscore twin is not the header", cfg: tiered(), header: headers("x_client_id", "alice"),
			reason: trace.ClientIDMissing, key: "client_id.http_header", says: `did you mean "X_client_id"?`, verdict: trace.Failed},
		{name: "a near miss is pointed out", cfg: tiered(), header: headers("X-Clientid", "alice"),
			reason: trace.ClientIDMissing, key: "client_id.http_header", says: `it has X-Clientid; did you mean "X-Clientid"?`, verdict: trace.Failed},
		{name: "a repeated client id is refused even with equal values", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-Client-ID", "alice"),
			reason: trace.ClientIDInvalid, key: "client_id.http_header", says: "more than once", verdict: trace.Failed},
		{name: "a repeated client id is refused even when one is empty", cfg: tiered(), header: headers("X-Client-ID", "", "X-Client-ID", "alice"),
			reason: trace.ClientIDInvalid, key: "client_id.http_header", says: "more than once", verdict: trace.Failed},
		{name: "257 bytes are too many", cfg: tiered(), header: headers("X-Client-ID", strings.Repeat("a", 257)),
			reason: trace.ClientIDInvalid, key: "client_id.http_header", says: "256 bytes", verdict: trace.Failed},
		{name: "a control character is refused", cfg: tiered(), header: headers("X-Client-ID", "ali\tce"),
			reason: trace.ClientIDInvalid, key: "client_id.http_header", says: "control characters", verdict: trace.Failed},
		{name: "invalid UTF-8 is refused", cfg: tiered(), header: headers("X-Client-ID", "ali\xffce"),
			reason: trace.ClientIDInvalid, key: "client_id.http_header", says: "UTF-8", verdict: trace.Failed},
		{name: "a group outside group_values is refused", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-User-Tier", "enterprize"),
			want: identity.Client{ID: "alice", Group: "enterprize"}, reason: trace.GroupInvalid, key: "validation.group_values",
			says: `group "enterprize" is not in group_values [free, pro, enterprise]; did you mean "enterprise"?`, verdict: trace.Failed},
		{name: "groups are compared exactly", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-User-Tier", "Pro"),
			want: identity.Client{ID: "alice", Group: "Pro"}, reason: trace.GroupInvalid, key: "validation.group_values", says: `did you mean "pro"?`, verdict: trace.Failed},
		{name: "a repeated group is refused", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-User-Tier", "pro", "X-User-Tier", "pro"),
			want: identity.Client{ID: "alice"}, reason: trace.GroupInvalid, key: "group_id.http_header", says: "more than once", verdict: trace.Failed},
		{name: "an odd group is refused and not taken for none", cfg: tiered(), header: headers("X-Client-ID", "alice", "X-User-Tier", "\xff"),
			want: identity.Client{ID: "alice"}, reason: trace.GroupInvalid, key: "group_id.http_header", says: "UTF-8", verdict: trace.Failed},
		{name: "a trusted peer is believed", cfg: tiered(private), header: headers("X-Client-ID", "alice"), peer: "10.1.2.3",
			want: identity.Client{ID: "alice"}, says: "no group", verdict: trace.Skipped},
		{name: "an untrusted peer is not", cfg: tiered(private), header: headers("X-Client-ID", "alice"), peer: "192.0.2.1",
			reason: trace.ClientIDUntrusted, key: "trusted_sources", says: "192.0.2.1", verdict: trace.Failed},
		{name: "an untrusted peer that says nothing is only unknown", cfg: tiered(private), header: headers(), peer: "192.0.2.1",
			reason: trace.ClientIDMissing, key: "client_id.http_header", says: "no other header", verdict: trace.Failed},
		{name: "nobody is asked where identification is off", cfg: &config.ClientIdentification{}, header: headers("X-Client-ID", "alice"),
			says: "no group_id is configured", verdict: trace.Skipped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer := netip.MustParseAddr("127.0.0.1")
			if tt.peer != "" {
				peer = netip.MustParseAddr(tt.peer)
			}
			var tr trace.Trace
			got, err := identity.Compile(tt.cfg).Identify(identity.Evidence{Header: tt.header, Peer: peer}, &tr)
			if got != tt.want {
				t.Errorf("client %+v, want %+v", got, tt.want)
			}
			var refusal *identity.Refusal
			if errors.As(err, &refusal) != (tt.reason != "") {
				t.Fatalf("error %v, want reason %q", err, tt.reason)
			}
			if refusal != nil && (refusal.Reason != tt.reason || !strings.HasSuffix(refusal.Key, tt.key)) {
				t.Errorf("refused for %q by %q, want %q by …%s", refusal.Reason, refusal.Key, tt.reason, tt.key)
			}
			steps := tr.Steps()
			last := &steps[len(steps)-1]
			if last.Verdict != tt.verdict || !strings.Contains(last.Sentence(), tt.says) {
				t.Errorf("last step %s %s: %q, want %s with %q", last.Name, last.Verdict, last.Sentence(), tt.verdict, tt.says)
			}
		})
	}
}

func TestStepsKeepTheirOrder(t *testing.T) {
	var tr trace.Trace
	ev := identity.Evidence{Header: headers("X-Client-ID", "alice", "X-User-Tier", "free")}
	if _, err := identity.Compile(tiered()).Identify(ev, &tr); err != nil {
		t.Fatal(err)
	}
	want := []trace.Name{trace.ClientID, trace.Group, trace.GroupValidation}
	for i, s := range tr.Steps() {
		if s.Name != want[i] {
			t.Errorf("step %d is %s, want %s", i, s.Name, want[i])
		}
	}
}

func TestAMissingIDNamesWhatIsThereAndNoValue(t *testing.T) {
	var tr trace.Trace
	h := headers("Authorization", "Bearer s3cret", "X-Other", "s3cret", "User-Agent", "curl")
	_, _ = identity.Compile(tiered()).Identify(identity.Evidence{Header: h}, &tr)
	says := tr.Steps()[0].Sentence()
	if !strings.Contains(says, "it has Authorization, X-Other;") || strings.Contains(says, "s3cret") {
		t.Errorf("sentence %q", says)
	}
}

// TestAShortIDKeepsNoLongHeader: what is cut off an id must not stay in memory for as long as its trace.
func TestAShortIDKeepsNoLongHeader(t *testing.T) {
	id := identity.Compile(tiered())
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var kept []identity.Client
	for range 300 {
		var tr trace.Trace
		client, err := id.Identify(identity.Evidence{Header: headers("X-Client-ID", strings.Repeat("\u2003", 30_000)+"bob")}, &tr)
		if err != nil || client.ID != "bob" {
			t.Fatal(client, err)
		}
		kept = append(kept, client)
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("%d ids keep %d KiB", len(kept), grown>>10)
	}
	runtime.KeepAlive(kept)
}
