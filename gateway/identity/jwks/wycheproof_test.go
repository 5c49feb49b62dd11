package jwks_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"nexus/gateway/identity/jwks"
)

// vectors is one of Wycheproof's files. There the keys of a group stand alone in one file and as a set in the other.
type vectors struct {
	NumberOfTests int
	TestGroups    []struct {
		Public, Private json.RawMessage
		Tests           []struct {
			TcID    int
			Comment string
			JWS     string
			Result  string
		}
	}
}

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/wycheproof/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// segment decodes a part of a token as a verifier must: base64url without padding, and nothing beside it.
func segment(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false // which the decoder would overlook
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return octets, err == nil
}

// accepts takes a token apart as a verifier must, and reports whether its signature holds for a key of the set.
func accepts(set *jwks.Set, token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	head, ok := segment(parts[0])
	if !ok {
		return false
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if json.Unmarshal(head, &header) != nil {
		return false
	}
	if _, ok := segment(parts[1]); !ok {
		return false
	}
	value, ok := segment(parts[2])
	if !ok {
		return false
	}
	_, err := set.Verify(jwks.Signature{
		Algorithm: header.Alg, KeyID: header.Kid, Signed: parts[0] + "." + parts[1], Value: value,
	})
	return err == nil
}

// refused are the vectors that are valid and still must not pass, with the reason.
func refused(t *testing.T, list map[string][]int) map[int]string {
	t.Helper()
	why := make(map[int]string)
	for reason, ids := range list {
		for _, id := range ids {
			if _, twice := why[id]; twice {
				t.Errorf("vector %d has two reasons", id)
			}
			why[id] = reason
		}
	}
	return why
}

// runVectors holds every vector against the key of its group as it is published.
func runVectors(t *testing.T, v vectors, want int, exceptions map[int]string, document func(published json.RawMessage) []byte) {
	t.Helper()
	ran, passed := 0, 0
	for _, group := range v.TestGroups {
		published := group.Public
		if published == nil {
			published = group.Private
		}
		set, parseErr := jwks.Parse(document(published))
		for _, test := range group.Tests {
			ran++
			got := parseErr == nil && accepts(set, test.JWS)
			_, excepted := exceptions[test.TcID]
			delete(exceptions, test.TcID)
			switch {
			case test.Result != "valid" && excepted:
				t.Errorf("vector %d (%s) is invalid anyway: it needs no exception", test.TcID, test.Comment)
			case test.Result != "valid" && got:
				t.Errorf("vector %d (%s) is invalid and passes", test.TcID, test.Comment)
			case test.Result == "valid" && !excepted && !got:
				t.Errorf("vector %d (%s) is valid and fails; the key set: %v", test.TcID, test.Comment, parseErr)
			case test.Result == "valid" && excepted && got:
				t.Errorf("vector %d (%s) passes, though it is listed as refused", test.TcID, test.Comment)
			}
			if got {
				passed++
			}
		}
	}
	if ran != want || v.NumberOfTests != want {
		t.Errorf("%d vectors ran, of %d that the file promises; there should be %d", ran, v.NumberOfTests, want)
	}
	if len(exceptions) > 0 {
		t.Errorf("there are no vectors %v", slices.Sorted(maps.Keys(exceptions)))
	}
	t.Logf("%d of %d vectors pass", passed, ran)
}

func TestEverySignatureVectorOfWycheproofGetsItsVerdict(t *testing.T) {
	exceptions := refused(t, map[string][]int{
		"HS256: a symmetric algorithm is never accepted, and its key is dropped": {1, 348, 352, 357, 358, 359, 372, 373, 376, 377},
		`its alg is PS384, and its key is published for PS256 alone`:             {346, 350},
		`its key's alg is "ES521", which no standard knows: the key is dropped`:  {347, 351},
	})
	runVectors(t, readVectors(t, "json_web_signature_test.json"), 401, exceptions, func(published json.RawMessage) []byte {
		return []byte(`{"keys":[` + string(published) + `]}`)
	})
}

func TestEveryKeyVectorOfWycheproofGetsItsVerdict(t *testing.T) {
	exceptions := refused(t, map[string][]int{
		"HS256, HS384, HS512: a symmetric key is dropped": {2, 13, 14, 15},
	})
	runVectors(t, readVectors(t, "json_web_key_test.json"), 26, exceptions, func(published json.RawMessage) []byte {
		return published
	})
}

func TestNoPrivateOrSymmetricKeyOfWycheproofIsOverlooked(t *testing.T) {
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json"} {
		for i, group := range readVectors(t, name).TestGroups {
			document := string(group.Private)
			if !strings.Contains(document, `"keys"`) {
				document = `{"keys":[` + document + `]}`
			}
			set, err := jwks.Parse([]byte(document))
			if err == nil && len(set.Warnings()) == 0 {
				t.Errorf("%s: group %d publishes a private key, and nobody is told", name, i)
			}
		}
	}
}
