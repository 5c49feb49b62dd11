package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"nexus/gateway"
)

// distance says why r is not from a direct loopback caller; empty: it is from one.
//
// The peer alone would not do: a page of another site can make a browser on this machine call any
// name that it lets resolve to 127.0.0.1, which shows in Host, and a proxy on this machine calls for
// strangers, which shows in the headers that it adds.
func distance(r *http.Request) string {
	if addr := gateway.PeerAddress(r); !addr.IsLoopback() {
		if !addr.IsValid() {
			return "The caller's address is not known."
		}
		return fmt.Sprintf("The request comes from %s, which is another machine.", addr)
	}
	if !loopbackHost(r.Host) {
		return fmt.Sprintf("The request was made to the host %q, and that name is not one of this machine's own (localhost, 127.0.0.1, [::1]).", clip(r.Host))
	}
	for name := range r.Header {
		if forwarding(name) {
			return fmt.Sprintf("The request came through a proxy: it has the header %q.", clip(name))
		}
	}
	return ""
}

// loopbackHost tells whether host, with or without a port, is a name of this machine: localhost,
// an address of 127.0.0.0/8, or [::1].
func loopbackHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		// SplitHostPort takes the brackets away, also from a name that must not have any.
		if strings.HasPrefix(host, "[") {
			h = "[" + h + "]"
		}
		name = h
	}
	if strings.EqualFold(name, "localhost") || name == "[::1]" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Is4() && addr.IsLoopback()
}

// forwarding tells whether a header of this name is one that proxies add. What its value is does not
// matter: an empty one has passed through a proxy as well.
func forwarding(name string) bool {
	// Some proxies write header names with underscores.
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return name == "forwarded" || name == "via" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded")
}

// clip shortens what a caller sent before it is shown to them.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
