// Package address tells public addresses from those inside a network, where
// requests that a stranger can cause must not go.
package address

import (
	"net/netip"
	"slices"
)

// Reachability is who can be at an address.
type Reachability int

const (
	// Public is the rest of the world.
	Public Reachability = iota
	// Internal is the machine itself and the networks around it.
	Internal
	// Never is where no server of anybody's is: metadata services of clouds,
	// link-local, multicast and unspecified addresses.
	Never
)

var (
	neverPrefixes = prefixes("0.0.0.0/8", "169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "240.0.0.0/4", "ff00::/8", "224.0.0.0/4", "::/128")
	// Loopback, RFC 1918, RFC 4193, RFC 6598 (carrier-grade NAT), RFC 6890
	// (protocol assignments), RFC 2544 (benchmarks), site-local addresses, RFC 8215
	// (local NAT64) and RFC 4380 (Teredo), which lead to others.
	internalPrefixes = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "fec0::/10", "64:ff9b:1::/48", "2001::/32")
)

var (
	nat64Prefix      = netip.MustParsePrefix("64:ff9b::/96")
	compatiblePrefix = netip.MustParsePrefix("::/96")
	sixToFourPrefix  = netip.MustParsePrefix("2002::/16")
)

func prefixes(list ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(list))
	for i, p := range list {
		ps[i] = netip.MustParsePrefix(p)
	}
	return ps
}

// Reach judges an address; one of IPv4 in IPv6's clothes as that of IPv4.
func Reach(addr netip.Addr) Reachability {
	addr = embedded(addr.Unmap().WithZone(""))
	within := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case slices.ContainsFunc(neverPrefixes, within):
		return Never
	case slices.ContainsFunc(internalPrefixes, within):
		return Internal
	}
	return Public
}

// embedded takes the IPv4 address out of an IPv6 address that a translator
// maps to it: NAT64 (RFC 6052), 6to4 (RFC 3056), IPv4-compatible (RFC 4291).
func embedded(addr netip.Addr) netip.Addr {
	b := addr.As16()
	switch {
	case addr == netip.IPv6Unspecified(), addr == netip.IPv6Loopback():
	case nat64Prefix.Contains(addr), compatiblePrefix.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFourPrefix.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}
