package registry

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HostConfig is how one host is reached. The zero value is HTTPS with the
// system's roots and the proxy of the environment; for a loopback literal
// (localhost, 127.0.0.0/8, [::1]) whose TLS is nil it is plain HTTP.
type HostConfig struct {
	// PlainHTTP speaks HTTP without TLS. It excludes TLS: both is an error.
	PlainHTTP bool
	// PlaintextCredentials lets passwords and tokens travel over plain HTTP to
	// this host. Loopback hosts need no leave.
	PlaintextCredentials bool
	// TLS is the host's own identity material; nil is the default. It is used
	// for connections to this host alone: not for a token server, a redirect
	// target or a blob host, unless they are configured likewise.
	TLS *TLS
	// Proxy names the proxy for a request, or nil for none; a nil function
	// asks the environment (HTTPS_PROXY, NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// DialTimeout is how long a connection to this host may take to be made,
	// its TLS handshake not included. Zero: 15 seconds.
	DialTimeout time.Duration
	// Header is sent with every request to this host, beside what the protocol
	// needs, and to no other: neither to a redirect target nor to a token server
	// elsewhere. Nor is it sent with an upload that another host leads here, or
	// over plain HTTP to a host that is spoken to by TLS unless
	// PlaintextCredentials. Its values are secrets: they are never logged. It
	// must not hold Authorization, Host, User-Agent, a header of the connection,
	// or one with which the protocol speaks of content (Accept, Content-Type,
	// Range).
	Header http.Header
	// UserAgent replaces Options.UserAgent at this host. Empty: it does not.
	UserAgent string
	// MaxConcurrent is how many requests to this host are in flight at once,
	// their bodies included, and with HTTP/1.1 how many connections there are.
	// One place is kept free of reads, so that a copy within the host cannot
	// wait for itself: 1 is an error. Zero: 16. Negative: no limit.
	//
	// A body that a caller leaves open holds its place. A download that is
	// taken up after a broken connection takes that one's place. Requests for
	// tokens, which all others may wait for, have as many places of their own.
	MaxConcurrent int
	// RequestsPerSecond is how many requests this host is sent a second, in
	// bursts of at most a second's worth. Zero: no limit.
	RequestsPerSecond float64
	// Mirrors are asked for content by digest before this host, in order; see
	// Mirror. This host's own content is written to this host alone.
	Mirrors []Mirror
	// Rewrites say where repositories of this host really are. The one with
	// the longest Prefix counts. References keep the names that were asked for.
	Rewrites []Rewrite
}

// Mirror is a host that has content of another one: a copy, or a cache that
// fetches what it is asked for. It needs no trust: content is asked for by
// digest and verified, and a mirror that gives anything else is passed over
// and reported. It is reached as Options.Hosts says of its own name, with its
// own TLS, headers and credentials.
type Mirror struct {
	// Host is the mirror's host, as in references.
	Host string
	// Prefix stands before the repository's name at the mirror, as in
	// "docker-hub" for "docker-hub/library/app". May be empty.
	Prefix string
	// Under is the part of the mirrored host that is here, as a path that a
	// repository's name begins with. Empty: all of it. A mirror for another
	// part is not asked.
	Under string
	// Except are parts of Under that are not here, as paths. May be empty.
	Except []string
	// Strip takes Under off the repository's name before Prefix is put there.
	Strip bool
	// Tags lets tags be resolved here too, before the origin is asked. They
	// may be older than the origin's: answers say so, see Answer.
	Tags bool
	// Namespace tells the mirror in the query parameter ns for which host it is
	// asked (OCI distribution spec 1.1, Registry Proxying), as containerd does.
	Namespace bool
}

// Rewrite moves part of a host to another place, for reads and writes, or
// closes it. Exactly one of Location and Blocked is set.
type Rewrite struct {
	// Prefix is a path that repositories' names begin with, whole segments of
	// it. Empty: every repository of the host.
	Prefix string
	// Location is the host, with or without a path, that stands in its place,
	// as in "registry.internal:5000/hub". That host's own configuration
	// counts for it, its Rewrites excepted. The host and path that Prefix
	// stands for leave that part where it is, whatever shorter prefixes say.
	Location string
	// Namespace tells the other place in the query parameter ns for which host
	// it is asked, as Mirror.Namespace does.
	Namespace bool
	// Blocked, when it is not empty, refuses every operation there with
	// ErrBlocked. It says who blocks, as in "/etc/containers/registries.conf:7".
	Blocked string
}

// plainHTTP decides the scheme once and for all: there is no falling back.
func (c HostConfig) plainHTTP(host string) bool {
	return c.PlainHTTP || (c.TLS == nil && isLoopback(host))
}

// isLoopback is about how a host is written, never about what its name
// resolves to: a resolver must not be able to turn TLS off.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}
