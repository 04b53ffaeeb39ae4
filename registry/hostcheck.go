package registry

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Validate tells what in a configuration contradicts itself or cannot be
// meant, as a client does before it uses one. The caller names the host: the
// error does not. It never repeats a header's value, and no file is read.
func (c HostConfig) Validate() error {
	switch {
	case c.PlainHTTP && c.TLS != nil:
		return errors.New("plain HTTP and TLS settings exclude each other")
	case c.TLS != nil && c.TLS.ExclusiveRoots && len(c.TLS.Roots) == 0:
		return errors.New("exclusive roots, and none is given: no certificate would be accepted")
	case c.MaxConcurrent == 1:
		return errors.New("one request at a time is not enough for a copy within the host: allow 2 or more")
	case c.RequestsPerSecond < 0 || math.IsNaN(c.RequestsPerSecond) || math.IsInf(c.RequestsPerSecond, 0):
		return fmt.Errorf("%v requests per second: give a positive number, or 0 for no limit", c.RequestsPerSecond)
	case c.DialTimeout < 0:
		return fmt.Errorf("dial timeout %s is negative", c.DialTimeout.Round(time.Millisecond))
	case !isFieldValue(c.UserAgent):
		return errors.New("the user agent has control characters")
	}
	if err := checkHeader(c.Header); err != nil {
		return err
	}
	for _, m := range c.Mirrors {
		if err := m.validate(); err != nil {
			return err
		}
	}
	return validateRewrites(c.Rewrites)
}

// ownHeaders are what requests are made of: set from outside they would break
// them, or show content under another name than that of its digest
// (Accept-Encoding). Of RFC 9110 and, for connections, RFC 9112.
var ownHeaders = map[string]string{
	"Authorization":       "give credentials instead",
	"Proxy-Authorization": "write the proxy's user into its URL instead",
	"User-Agent":          "set the user agent instead",
	"Host":                "",
	"Connection":          "",
	"Keep-Alive":          "",
	"Proxy-Connection":    "",
	"Te":                  "",
	"Trailer":             "",
	"Transfer-Encoding":   "",
	"Upgrade":             "",
	"Expect":              "",
	"Content-Length":      "",
	"Content-Type":        "",
	"Content-Range":       "",
	"Content-Encoding":    "",
	"Range":               "",
	"If-Range":            "",
	"Accept":              "",
	"Accept-Encoding":     "",
}

// checkHeader never repeats a value: they are secrets.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if !isToken(name) {
			return fmt.Errorf("%.100q is no name of a header", name)
		}
		if instead, own := ownHeaders[http.CanonicalHeaderKey(name)]; own {
			if instead == "" {
				instead = "the protocol sets it"
			}
			return fmt.Errorf("the header %s cannot be set; %s", http.CanonicalHeaderKey(name), instead)
		}
		if !slices.Equal(values, slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !isFieldValue(v) })) {
			return fmt.Errorf("a value of the header %s has control characters", http.CanonicalHeaderKey(name))
		}
	}
	return nil
}

// isToken is the grammar of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

// isFieldValue is the grammar of RFC 9110, section 5.5, in short.
func isFieldValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func (m Mirror) validate() error {
	fail := func(format string, args ...any) error {
		host, _ := cutUser(m.Host)
		return fmt.Errorf("mirror %.300q: %s", host, fmt.Sprintf(format, args...))
	}
	if problem := checkHostAlone(m.Host); problem != "" {
		return fail("%s", problem)
	}
	if lower := strings.ToLower(m.Host); lower != m.Host {
		return fail("write %s", lower)
	}
	for _, p := range append([]string{m.Prefix, m.Under}, m.Except...) {
		if p != "" && !repositoryPattern.MatchString(p) {
			return fail("%.300q is no path of repositories", p)
		}
	}
	for _, p := range m.Except {
		if p == "" || !covers(m.Under, p) || p == m.Under {
			return fail("the exception %.300q is no part of what is mirrored", p)
		}
	}
	return nil
}

func validateRewrites(rewrites []Rewrite) error {
	seen := map[string]bool{}
	for _, r := range rewrites {
		if r.Prefix != "" && !repositoryPattern.MatchString(r.Prefix) {
			return fmt.Errorf("rewrite of %.300q: that is no path of repositories", r.Prefix)
		}
		if seen[r.Prefix] {
			return fmt.Errorf("two rewrites of %q", r.Prefix)
		}
		seen[r.Prefix] = true
		if (r.Location == "") == (r.Blocked == "") {
			return fmt.Errorf("rewrite of %q: it needs a location, or a reason why it is blocked, and not both", r.Prefix)
		}
		if r.Location == "" {
			continue
		}
		if _, _, problem := cutLocation(r.Location); problem != "" {
			location, _ := cutUser(r.Location)
			return fmt.Errorf("rewrite of %q to %.300q: %s", r.Prefix, location, problem)
		}
	}
	return nil
}

// cutLocation reads a host with or without a path.
func cutLocation(s string) (host, path, problem string) {
	if scheme, _, found := strings.Cut(s, "://"); found {
		return "", "", fmt.Sprintf("leave %q out: how a host is spoken to is part of its own configuration", scheme+"://")
	}
	host, path, found := strings.Cut(s, "/")
	if problem := checkHostAlone(host); problem != "" {
		return "", "", problem
	}
	if found && !repositoryPattern.MatchString(path) {
		return "", "", fmt.Sprintf("%q is no path of repositories", path)
	}
	return strings.ToLower(host), path, ""
}

// checkHostAlone is checkHost for what should be a host and nothing else.
func checkHostAlone(host string) string {
	if _, user := cutUser(host); user {
		return "user name and password stand in it; log in to the host, and leave them out"
	}
	if scheme, _, found := strings.Cut(host, "://"); found {
		return fmt.Sprintf("leave %q out: how a host is spoken to is part of its own configuration", scheme+"://")
	}
	return checkHost(host)
}
