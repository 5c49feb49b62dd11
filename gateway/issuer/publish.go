package issuer

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

// SetPath is where an issuer's key set is found.
const SetPath = "/.well-known/jwks.json"

// discoveryPath is where OpenID Connect Discovery 1.0, section 4, has the place of the key set.
const discoveryPath = "/.well-known/openid-configuration"

// Handler publishes the key set of an issuer that calls itself url, to programs of this machine: a request whose Host is
// not loopback comes from a page that has another name point here, and is refused.
func Handler(url string, keys ...*Key) (http.Handler, error) {
	set, err := Set(keys...)
	if err != nil {
		return nil, err
	}
	discovery, err := json.Marshal(map[string]string{"issuer": url, "jwks_uri": url + SetPath})
	if err != nil {
		return nil, fmt.Errorf("write the discovery document: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "this issuer answers to 127.0.0.1, [::1] and localhost alone", http.StatusForbidden)
			return
		}
		var document []byte
		switch r.URL.Path {
		case "/", "/jwks.json", SetPath:
			document = set
		case discoveryPath:
			document = discovery
		default:
			http.Error(w, "there is nothing here; the key set is at "+SetPath, http.StatusNotFound)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "GET and HEAD alone are allowed here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store") // the next process on this port has other keys
		_, _ = w.Write(document)                    // that the caller is gone is seen by the server
	}), nil
}

// isLoopback reports whether the header Host names this machine, as a name that cannot be made to mean another.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if bare := len(host) - 1; bare > 0 && host[0] == '[' && host[bare] == ']' {
		host = host[1:bare]
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
