package hostfile

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// place is a host, or a path in it.
type place struct{ host, path string }

func (p place) String() string {
	if p.path == "" {
		return p.host
	}
	return p.host + "/" + p.path
}

// parsePlace reads host[:port][/path]. Docker Hub gets the name under which
// hosts are configured.
func parsePlace(s string) (place, error) {
	if scheme, _, found := strings.Cut(s, "://"); found {
		return place{}, fmt.Errorf("%s: leave %s out", shown(s), shown(scheme+"://"))
	}
	trimmed := strings.TrimRight(s, "/")
	full := trimmed
	if !strings.Contains(trimmed, "/") {
		full += "/x"
	}
	ref, err := registry.ParseReference(full)
	if err != nil {
		return place{}, fmt.Errorf("%s is neither a host nor a host with a path", shown(s))
	}
	if ref != ref.Repo() {
		return place{}, fmt.Errorf("%s: a tag or a digest cannot be a setting's place; end it before", shown(s))
	}
	p := place{canonical(ref.Host), ref.Repository}
	if full != trimmed {
		p.path = ""
	}
	return p, nil
}

// canonical knows the three names of Docker Hub; Options.Hosts is asked for
// the first one.
func canonical(host string) string {
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

// loopback is about spelling, as it is in registry.HostConfig.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

// below tells whether one path is another or lies in it.
func below(inner, outer string) bool {
	return outer == "" || inner == outer || strings.HasPrefix(inner, outer+"/")
}
