// Package redact takes secrets out of what is shown: URLs, headers, and the
// errors that carry them.
package redact

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// shown are the query parameters that the distribution and token protocols
// define and that hold no secret. All others are hidden by value: signed blob
// URLs carry their signature there.
var shown = map[string]bool{
	"scope": true, "service": true, "mount": true, "from": true, "digest": true,
	"n": true, "last": true, "ns": true, "artifactType": true,
}

// URL prints u without user information and without the value of any query
// parameter that could be a secret.
func URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := *u
	c.User = nil
	c.RawFragment, c.Fragment = "", ""
	if c.RawQuery != "" {
		pairs := strings.Split(c.RawQuery, "&")
		for i, pair := range pairs {
			name, _, found := strings.Cut(pair, "=")
			if plain, err := url.QueryUnescape(name); found && (err != nil || !shown[plain]) {
				pairs[i] = name + "=REDACTED"
			}
		}
		c.RawQuery = strings.Join(pairs, "&")
	}
	return c.String()
}

// Error rewraps a *url.Error, whose text prints its URL whole, so that the
// URL is shown as URL shows it. Other errors come back as they are.
func Error(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	shownURL := "(unreadable URL)"
	if u, perr := url.Parse(ue.URL); perr == nil {
		shownURL = URL(u)
	}
	return &url.Error{Op: ue.Op, URL: shownURL, Err: ue.Err}
}

// Header returns a copy of h for a log: values that authenticate are hidden.
func Header(h http.Header) http.Header {
	c := h.Clone()
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"} {
		if c.Get(name) != "" {
			c.Set(name, "REDACTED")
		}
	}
	if l := c.Get("Location"); l != "" {
		if u, err := url.Parse(l); err == nil {
			c.Set("Location", URL(u))
		} else {
			c.Set("Location", "REDACTED")
		}
	}
	return c
}
