package device

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Bounds of what a provider writes for people and for itself. RFC 8628, section
// 6.1 advises codes of some eight characters; device codes that are signed
// tokens have one or two kilobytes.
const (
	maxUserCode   = 64
	maxDeviceCode = 8 << 10
	maxURI        = 2 << 10
)

// parseEndpoint reads a URL that secrets are sent to. Its error repeats
// nothing of it.
func parseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Hostname() == "":
		return nil, errors.New("it has no host")
	case u.User != nil:
		return nil, errors.New("it has user information")
	case strings.Contains(raw, "#"):
		return nil, errors.New("it has a fragment")
	case u.Scheme != "https" && !isLoopbackHTTP(u):
		return nil, errors.New("it is not https")
	}
	return u, nil
}

// isLoopbackHTTP goes by how an address is written: what a name leads to is for
// the resolver's operator to say.
func isLoopbackHTTP(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback())
}

// checkURI judges an address that people are sent to by a provider at endpoint.
func checkURI(raw string, endpoint *url.URL) error {
	if len(raw) > maxURI || !isVisible(raw) {
		return errors.New("its verification address is too long, or not printable")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "":
		return errors.New("its verification address is no plain URL")
	case u.Scheme != "https" && !(isLoopbackHTTP(u) && isLoopbackHTTP(endpoint)):
		return errors.New("its verification address is not https")
	}
	return nil
}

// isVisible allows what URLs and tokens are made of: printable ASCII without
// spaces. Letters of other alphabets that look like ASCII are not.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// isPrintable allows a space as well, but not at the ends.
func isPrintable(s string) bool {
	return isVisible(strings.ReplaceAll(s, " ", "")) && strings.TrimSpace(s) == s
}
