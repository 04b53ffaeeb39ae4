package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/portolan-oci/portolan/internal/address"
	"github.com/portolan-oci/portolan/internal/redact"
)

// origin is where requests of one security domain go: scheme, host and port.
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin { return newOrigin(u.Scheme, u.Host) }

// newOrigin drops a port that is the scheme's own.
func newOrigin(scheme, host string) origin {
	o := origin{strings.ToLower(scheme), strings.ToLower(host)}
	switch o.scheme {
	case "https":
		o.host = strings.TrimSuffix(o.host, ":443")
	case "http":
		o.host = strings.TrimSuffix(o.host, ":80")
	}
	o.host = strings.TrimSuffix(o.host, ":")
	return o
}

// isLoopback accepts localhost and literal addresses. Names are not resolved:
// what they resolve to is for the resolver's operator to say.
func (o origin) isLoopback() bool {
	name := (&url.URL{Host: o.host}).Hostname()
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// dialRule says which addresses a token request may be dialled to. It is
// enforced when the connection is made, so that neither odd spellings of an
// address nor a name that resolves differently the second time get around it.
type dialRule int

const (
	dialPublic   dialRule = iota // no internal address
	dialInternal                 // internal ones too, since the registry is there itself; never metadata services
	dialAny                      // the registry's own origin, a trusted realm, or a proxy's choice
)

// checkRealm judges the token server that a challenge of the registry at o
// names, and gives the rule for dialling it. The error of a refusal says why
// and shows nothing of the realm that could be a secret.
func (s *Signer) checkRealm(o origin, internal bool, realm string) (*url.URL, dialRule, error) {
	u, err := url.Parse(realm)
	var why string
	switch {
	case err != nil:
		why = "its address is malformed"
	case u.User != nil:
		why = "its address holds user information"
	case u.Host == "" || u.Hostname() == "":
		why = "its address is not absolute"
	case strings.Contains(realm, "#"):
		why = "its address has a fragment"
	case u.Scheme != "https" && u.Scheme != "http":
		why = "its address is neither https nor http"
	case u.Scheme == "http" && o.scheme != "http":
		why = "it is on plain http while the registry is on https"
	}
	if why != "" {
		return nil, 0, fmt.Errorf("%w: %s", ErrRealmRefused, why)
	}
	at := originOf(u)
	switch {
	case at == o || s.trusts(at, u.Hostname()):
		return u, dialAny, nil
	case s.opts.SameOriginRealms:
		return nil, 0, fmt.Errorf("%w: it is not on the registry's own origin, and no other is allowed; name it a trusted realm if that is meant", ErrRealmRefused)
	case s.proxied(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}):
		// The proxy dials, so the address cannot be seen from here.
		return u, dialAny, nil
	case internal:
		return u, dialInternal, nil
	}
	return u, dialPublic, nil
}

func (s *Signer) trusts(at origin, hostname string) bool {
	return slices.ContainsFunc(s.opts.TrustedRealms, func(t string) bool {
		return strings.EqualFold(t, at.host) || strings.EqualFold(t, hostname)
	})
}

func (s *Signer) proxied(req *http.Request) bool {
	if s.opts.Proxy == nil {
		return false
	}
	u, err := s.opts.Proxy(req)
	return err == nil && u != nil
}

// control is what a dialer calls with the address it is about to connect to.
func (rule dialRule) control(_ context.Context, network, dialled string, _ syscall.RawConn) error {
	if rule == dialAny {
		return nil
	}
	ap, err := netip.ParseAddrPort(dialled)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("%w: it is not dialled over TCP", ErrRealmRefused)
	}
	switch address.Reach(ap.Addr()) {
	case address.Never:
		return fmt.Errorf("%w: its name leads to %s, an address of the machine's own network services; name it a trusted realm if that is meant", ErrRealmRefused, ap.Addr())
	case address.Internal:
		if rule != dialInternal {
			return fmt.Errorf("%w: its name leads to the internal address %s, and the registry is not internal; name it a trusted realm if that is meant", ErrRealmRefused, ap.Addr())
		}
	}
	return nil
}

// isInternal tells whether a connection went to an internal address.
func isInternal(c net.Conn) bool {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && address.Reach(ap.Addr()) != address.Public
}

// newTokenTransport is what token servers are asked through when the caller
// has no transport for them.
func newTokenTransport(proxy func(*http.Request) (*url.URL, error)) func(dialControl) http.RoundTripper {
	return func(control dialControl) http.RoundTripper {
		d := &net.Dialer{Timeout: 10 * time.Second, ControlContext: control}
		return &http.Transport{
			Proxy:                 redact.Proxy(proxy),
			DialContext:           d.DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   4,
			IdleConnTimeout:       30 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: tokenTimeout,
		}
	}
}
