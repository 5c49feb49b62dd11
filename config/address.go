package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where to listen: a host and a port. Equal addresses are equal under ==. The zero Address
// is every interface and any free port; a Config never has it by default.
type Address struct {
	host string // an IP address in its canonical form, a name in lower case, or "" for every interface
	port uint16
}

// ParseAddress reads "host:port": the host an IP address (IPv6 in brackets), a name, or empty for every
// interface; the port a number, 0 for any free one. The error says what to write instead.
func ParseAddress(text string) (Address, error) {
	var a Address
	if m := a.parse(text); m != nil {
		what, fix := m.describe(text, true)
		return Address{}, fmt.Errorf("%s; %s", what, fix)
	}
	return a, nil
}

// String is the address as net.Listen takes it, an IPv6 host in brackets.
func (a Address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// Host is the host without brackets; empty: every interface.
func (a Address) Host() string { return a.host }

// Port is the port; 0: any free one.
func (a Address) Port() int { return int(a.port) }

// IsLoopback reports whether only this machine can connect: a loopback IP address or the name localhost.
func (a Address) IsLoopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || err == nil && ip.IsLoopback()
}

// IsPrivate reports whether only a private network can connect: a loopback, RFC 1918, unique local or
// link-local address. Other names than localhost, and every interface, are not private.
func (a Address) IsPrivate() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.IsLoopback() || err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// MarshalText is String, for JSON and TOML.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func (a *Address) example() string { return `"127.0.0.1:8000"` }

const addressForm = `write host and port, such as "127.0.0.1:8000"`

func (a *Address) parse(text string) *mistake {
	if strings.HasPrefix(text, "unix:") {
		return &mistake{what: "is a unix socket, and Nexus listens on TCP alone", fix: addressForm}
	}
	if _, rest, ok := strings.Cut(text, "://"); ok {
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		return &mistake{what: "is a URL, not an address", fix: addressForm, near: "write " + quote(strings.TrimRight(rest, "/"))}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return withoutPort(text)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || !isDigits(port) {
		return &mistake{what: "has no port between 0 and 65535", fix: addressForm}
	}
	bracketed := strings.HasPrefix(text, "[")
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() == bracketed {
		host = ip.Unmap().String()
	} else if host == "*" {
		return &mistake{what: "has a * for a host", fix: addressForm, near: fmt.Sprintf(`write "0.0.0.0:%s" for every interface`, port)}
	} else if host != "" && (bracketed || !isHostName(host)) {
		return &mistake{what: "has a host that is neither an IP address nor a name", fix: addressForm}
	}
	*a = Address{host: strings.ToLower(host), port: uint16(number)}
	return nil
}

// withoutPort says what is missing from a text that is not host:port.
func withoutPort(text string) *mistake {
	m := &mistake{what: "is not host and port", fix: addressForm}
	bare := strings.Trim(text, "[]")
	ip, err := netip.ParseAddr(bare)
	switch {
	case isDigits(text):
		m.what, m.near = "is a port without a host", "write "+quote("127.0.0.1:"+text)
	case err == nil && ip.Is6() && !lastIsPort(bare):
		m.what, m.near = "is an IPv6 address without brackets and port", "write "+quote("["+bare+"]:8000")
	case strings.Count(text, ":") > 1:
		m.fix = `put the IPv6 address in brackets, such as "[::1]:8000"`
	case err == nil || isHostName(text):
		m.what, m.near = "is a host without a port", "write "+quote(text+":8000")
	}
	return m
}

// lastIsPort reports whether an IPv6 address reads like a shorter one with a port behind it, as ::1:8000 does.
func lastIsPort(text string) bool {
	i := strings.LastIndexByte(text, ':')
	return i > 0 && len(text)-i-1 == 4 && isDigits(text[i+1:])
}

// isHostName reports whether host can be a DNS name. One that ends in a number is a mistyped IP address.
func isHostName(host string) bool {
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !isBare(label) || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(host) <= 253 && !isDigits(labels[len(labels)-1])
}
