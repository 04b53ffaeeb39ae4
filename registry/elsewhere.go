package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/portolan-oci/portolan/internal/address"
)

// errElsewhere is about a place that a registry sent a request to, and that it
// is not sent to.
var errElsewhere error = &sentinel{"the registry sends requests where they may not go", []error{ErrUnavailable}}

// elsewhere reaches hosts that a registry's answers lead to, without anything
// that is the registry's: a host that an answer can name must not be one that
// only this machine can reach. The rule is enforced when a connection is
// made, so that a name that resolves differently the second time does not get
// around it; its connections are its own, so that none that another rule
// allowed is used.
type elsewhere struct {
	hosts                     *hosts
	public, internal, proxied http.RoundTripper
}

func newElsewhere(h *hosts) *elsewhere {
	return &elsewhere{
		hosts:    h,
		public:   h.controlledAs(dialElsewhere(false), withoutIdentity),
		internal: h.controlledAs(dialElsewhere(true), withoutIdentity),
		proxied:  h.controlledAs(nil, withoutIdentity), // the proxy dials
	}
}

// withoutIdentity leaves out what says who is calling: a registry must not be
// able to make this client write at another host with what that host knows it
// by.
func withoutIdentity(e hostEntry) HostConfig {
	c := e.config
	c.Header = nil
	if c.TLS != nil {
		t := *c.TLS
		t.Certificates, t.pairs = nil, nil
		c.TLS = &t
	}
	return c
}

// dialAway is the rule for where redirects of reads lead, as object storages
// on internal addresses: what is never a storage is the machine's own network
// services.
func dialAway(ctx context.Context, network, dialled string, c syscall.RawConn) error {
	return dialElsewhere(true)(ctx, network, dialled, c)
}

// dialElsewhere is the rule for token servers (auth), without its exceptions:
// internal addresses where the registry is internal itself, and never those of
// the machine's own network services.
func dialElsewhere(internal bool) dialControl {
	return func(_ context.Context, network, dialled string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(dialled)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return fmt.Errorf("%w: not over TCP", errElsewhere)
		}
		switch reach := address.Reach(ap.Addr()); {
		case reach == address.Never:
			return fmt.Errorf("%w: to %s, an address of the machine's own network services", errElsewhere, ap.Addr())
		case reach == address.Internal && !internal:
			return fmt.Errorf("%w: to the internal address %s, and the registry is not internal", errElsewhere, ap.Addr())
		}
		return nil
	}
}

type internalKey struct{}

// withInternal says that requests under ctx come from a registry at an
// internal address, see Client.sendElsewhere.
func withInternal(ctx context.Context, internal bool) context.Context {
	return context.WithValue(ctx, internalKey{}, internal)
}

// RoundTrip implements http.RoundTripper.
func (e *elsewhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := e.hosts.proxy(req); err == nil && proxy != nil {
		return e.proxied.RoundTrip(req)
	}
	if internal, _ := req.Context().Value(internalKey{}).(bool); internal {
		return e.internal.RoundTrip(req)
	}
	return e.public.RoundTrip(req)
}

// sendElsewhere makes one exchange with a host that a registry named: as the
// host's own configuration says, and without any credential.
func (c *Client) sendElsewhere(req *http.Request) (*http.Response, error) {
	return c.exchangeOver(c.elsewhere, c.anonymous(req), checkRedirect)
}

// seeInternal returns a context whose requests tell, when one has used a
// connection to the endpoint, whether that is at an internal address. Requests
// to token servers may run under it too. Behind a proxy nothing can be told.
func (c *Client) seeInternal(ctx context.Context, ep endpoint, internal *bool) context.Context {
	at := &url.URL{Scheme: ep.scheme(), Host: apiHost(ep.host)}
	if proxy, err := c.hosts.proxy(&http.Request{Method: http.MethodPost, URL: at, Header: http.Header{}}); err != nil || proxy != nil {
		return ctx
	}
	want := addressOf(at)
	var dialled string
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) { dialled = hostPort },
		GotConn: func(info httptrace.GotConnInfo) {
			ap, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String())
			if dialled == want && err == nil {
				*internal = address.Reach(ap.Addr()) != address.Public
			}
		},
	})
}
