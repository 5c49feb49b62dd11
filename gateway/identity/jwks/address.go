package jwks

import (
	"errors"
	"net/netip"
	"syscall"
)

// errAddress and errClearText are addresses that are never asked for keys.
var (
	errAddress   = errors.New("its address is link-local, of a metadata service, or not of one host; none of these is asked")
	errClearText = errors.New("http is for loopback alone; use https")
)

// metadataServices answer inside a cloud's machines without a look at who asks; most others of them are link-local.
var metadataServices = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"),
	netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd20:ce::254"),
}

// translated are the prefixes under which IPv4 hosts are reached, with the byte at which their addresses begin: by a
// translator (RFC 6052, section 2.1; RFC 8215 in its usual form) and by 6to4 (RFC 3056, section 2).
var translated = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"):   12,
	netip.MustParsePrefix("64:ff9b:1::/48"): 12,
	netip.MustParsePrefix("2002::/16"):      2,
}

// checkAddress refuses what must not be dialled. It is asked after the name was looked up, with the very address that
// would be connected to: a name that says one thing to a check and another to the dialler gains nothing.
func checkAddress(address string, clearText bool) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	addr := endpoint.Addr().WithZone("").Unmap()
	for prefix, at := range translated {
		if prefix.Contains(addr) {
			octets := addr.As16()
			addr = netip.AddrFrom4([4]byte(octets[at : at+4]))
		}
	}
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() {
		return errAddress
	}
	for _, service := range metadataServices {
		if addr == service {
			return errAddress
		}
	}
	if clearText && !addr.IsLoopback() {
		return errClearText
	}
	return nil
}

// control is a [net.Dialer]'s Control that checks each address.
func control(clearText bool) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error { return checkAddress(address, clearText) }
}
