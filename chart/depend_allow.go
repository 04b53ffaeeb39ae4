package chart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/portolan-oci/portolan/internal/address"
)

var (
	errInternal = errors.New("is internal, or may be")
	errNumeric  = errors.New("is no name, and no address as it is usually written")
)

// DenyInternal is a DependencyOptions.Allow for controllers, which build charts
// of people who must not reach what the controller reaches. It refuses hosts
// that are, or resolve to, an address of the machine, of a private network or of
// a metadata service; names of one label, and those that end in localhost, local
// or internal, which are answered differently inside a network; and hosts that
// cannot be resolved.
//
// It looks the name up once, and the connection is made by a lookup of its own:
// a name server that answers differently the second time gets around it, and so
// does a redirect. What must hold against those is decided where connections
// are made: by a network policy, or by registry.Options.Transport with a dialer
// that judges the address.
func DenyInternal(ctx context.Context, host string) error {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		return denyAddress(addr)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case last == name, last == "localhost", last == "local", last == "internal":
		return errInternal
	case strings.Trim(last, "0123456789") == "", strings.HasPrefix(last, "0x"):
		return errNumeric // 127.1 and 0x7f.1 are addresses to some resolvers
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if err := denyAddress(addr); err != nil {
			return err
		}
	}
	return nil
}

func denyAddress(addr netip.Addr) error {
	if address.Reach(addr) != address.Public {
		return fmt.Errorf("its address %s: %w", addr, errInternal)
	}
	return nil
}
