package address_test

import (
	"net/netip"
	"testing"

	"github.com/portolan-oci/portolan/internal/address"
)

func TestReach(t *testing.T) {
	for addr, want := range map[string]address.Reachability{
		"93.184.216.34": address.Public, "2606:4700::1": address.Public,
		"127.0.0.1": address.Internal, "::1": address.Internal, "10.1.2.3": address.Internal, "172.31.0.1": address.Internal, "192.168.1.1": address.Internal,
		"100.64.0.1": address.Internal, "fd12::1": address.Internal, "::ffff:10.0.0.1": address.Internal, "64:ff9b::a00:1": address.Internal, "2002:a00:1::": address.Internal,
		"169.254.169.254": address.Never, "::ffff:169.254.169.254": address.Never, "64:ff9b::a9fe:a9fe": address.Never, "fe80::1": address.Never,
		"fd00:ec2::254": address.Never, "100.100.100.200": address.Never, "0.0.0.0": address.Never, "::": address.Never, "224.0.0.1": address.Never,
	} {
		if got := address.Reach(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %d, want %d", addr, got, want)
		}
	}
}
