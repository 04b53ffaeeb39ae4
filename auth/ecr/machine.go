package ecr

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// machineConnect is for a machine that is not in AWS, where nobody answers.
const machineConnect = time.Second

// localAddresses are those of the instance's metadata, of the container agent
// of ECS and of the EKS Pod Identity agent (AWS SDKs and tools reference guide,
// "Container credential provider" and "IMDS credential provider").
var localAddresses = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("169.254.170.2"),
	netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23"),
}

var errNotLocal = errors.New("plain http goes to loopback and to AWS's link-local addresses only; use https")

// newMetadataTransport is for endpoints on the machine, which no proxy knows.
// It reaches nothing else, whatever a name resolves to.
func newMetadataTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: machineConnect, ControlContext: onlyLocal}
	return &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
}

func onlyLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errNotLocal
	}
	if !isLocal(at.Addr()) {
		return errNotLocal
	}
	return nil
}

func isLocal(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsLoopback() || slices.Contains(localAddresses, addr)
}

// onMachine holds a transport of the program, whose connections are its own
// business, to the same addresses by what a request says.
type onMachine struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m onMachine) RoundTrip(r *http.Request) (*http.Response, error) {
	name := r.URL.Hostname()
	if addr, err := netip.ParseAddr(name); name != "localhost" && (err != nil || !isLocal(addr)) {
		return nil, errNotLocal
	}
	return m.RoundTripper.RoundTrip(r)
}
