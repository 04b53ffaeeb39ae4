package registry

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/internal/redact"
)

// Host configurations end in logs as parts of a program's own, and some of what
// is in them is secret: the values of headers, the keys of certificates. So they
// print what they do, whatever the verb, and are that text in JSON. So do the
// types that hold them where fmt would look, which a wrong verb makes it do.

// Format implements fmt.Formatter: a client prints its type, and nothing of
// what it knows.
func (c Client) Format(f fmt.State, _ rune) { io.WriteString(f, "*registry.Client") }

// Format implements fmt.Formatter: a repository prints its reference.
func (r *Repository) Format(f fmt.State, _ rune) {
	if r != nil {
		io.WriteString(f, r.ref.String())
	}
}

// String tells what the configuration says, without the values of headers,
// what a proxy is called, and keys.
func (c HostConfig) String() string {
	parts := []string{}
	add := func(on bool, format string, args ...any) {
		if on {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(c.PlainHTTP, "plain HTTP")
	add(c.PlaintextCredentials, "plaintext credentials")
	if c.TLS != nil {
		parts = append(parts, c.TLS.String())
	}
	add(c.Proxy != nil, "its own proxy")
	add(len(c.Header) > 0, "headers %s", strings.Join(slices.Sorted(maps.Keys(c.Header)), " "))
	add(c.DialTimeout != 0, "%s to dial", c.DialTimeout)
	add(c.UserAgent != "", "user agent %q", c.UserAgent)
	add(c.MaxConcurrent != 0, "%d requests at once", c.MaxConcurrent)
	add(c.RequestsPerSecond != 0, "%g requests per second", c.RequestsPerSecond)
	places := func(what string, n int, name func(int) string) {
		names := make([]string, n)
		for i := range names {
			names[i] = name(i)
		}
		add(n > 0, "%s %s", what, names)
	}
	places("mirrors", len(c.Mirrors), func(i int) string { return path.Join(c.Mirrors[i].Host, c.Mirrors[i].Prefix) })
	places("rewrites", len(c.Rewrites), func(i int) string { return c.Rewrites[i].Prefix + "→" + c.Rewrites[i].Location })
	return "host(" + strings.Join(parts, ", ") + ")"
}

// Format implements fmt.Formatter by String, for every verb.
func (c HostConfig) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// MarshalText implements encoding.TextMarshaler by String. There is no way
// back.
func (c HostConfig) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String tells how many certificates there are, and no more of them.
func (t TLS) String() string {
	text := fmt.Sprintf("TLS with %d roots and %d client certificates", len(t.Roots), len(t.Certificates)+len(t.pairs))
	if t.ExclusiveRoots {
		text += ", the system's not trusted"
	}
	if t.InsecureSkipVerify {
		text += ", not verified"
	}
	if t.AnyHost {
		text += ", made for any host"
	}
	return text
}

// Format implements fmt.Formatter by String, for every verb.
func (t TLS) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// MarshalText implements encoding.TextMarshaler by String. There is no way
// back.
func (t TLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// quietProxy keeps the password of a proxy's URL that cannot be parsed out of
// errors.
func (c HostConfig) quietProxy(req *http.Request) (*url.URL, error) {
	proxy := c.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return redact.Proxy(proxy)(req)
}
