package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"nexus/config"
)

// maxForwarded is how many entries of X-Forwarded-For are looked at, from the right.
const maxForwarded = 64

// addressRule says where the caller's address comes from. The zero rule takes the socket's peer.
type addressRule struct {
	realIP  bool
	hops    int // entries of X-Forwarded-For to skip from the right; -1: the header is not used
	trusted []netip.Prefix
}

func compileAddressRule(cfg *config.ClientIP) addressRule {
	rule := addressRule{realIP: cfg.XRealIP, hops: -1, trusted: slices.Clone(cfg.TrustedProxies)}
	if cfg.XForwardedForTrustedHops != nil {
		rule.hops = *cfg.XForwardedForTrustedHops
	}
	return rule
}

// PeerAddress is the other end of the socket, which no header has a say in: unmapped and without a zone, or the zero Addr where it has no IP.
func PeerAddress(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// of is the caller's address: what a header says, where the peer may say it and it says it clearly, else the peer.
func (rule *addressRule) of(r *http.Request, peer netip.Addr) netip.Addr {
	if !rule.realIP && rule.hops < 0 {
		return peer
	}
	if len(rule.trusted) > 0 && !slices.ContainsFunc(rule.trusted, func(p netip.Prefix) bool { return p.Contains(peer) }) {
		return peer
	}
	if rule.realIP {
		// Two lines are two opinions, and whoever stands in front of us may have meant the other one.
		if lines := r.Header["X-Real-Ip"]; len(lines) == 1 {
			if addr, ok := parseAddress(lines[0]); ok {
				return addr
			}
		}
	}
	if rule.hops >= 0 {
		if addr, ok := forwarded(r.Header["X-Forwarded-For"], rule.hops); ok {
			return addr
		}
	}
	return peer
}

// forwarded is the entry of X-Forwarded-For that stands hops entries from the right end. All lines count as one list.
func forwarded(lines []string, hops int) (netip.Addr, bool) {
	seen := 0
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for {
			comma := strings.LastIndexByte(rest, ',')
			entry := rest[comma+1:]
			if seen == hops {
				return parseAddress(entry)
			}
			if seen++; seen > maxForwarded {
				return netip.Addr{}, false
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return netip.Addr{}, false
}

// parseAddress reads one entry: an address, in brackets or not, with a port or not.
func parseAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if ap, err := netip.ParseAddrPort(text); err == nil {
			addr = ap.Addr()
		} else if addr, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
			return netip.Addr{}, false
		}
	}
	return addr.Unmap().WithZone(""), true
}
