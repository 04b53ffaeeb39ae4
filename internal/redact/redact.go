// Package redact takes secrets out of what is shown: URLs, headers, and the
// errors that carry them.
package redact

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
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
	c.RawQuery = query(c.RawQuery)
	return c.String()
}

// shownValue is what the values of the parameters that are shown are made of.
// Anything else may be another parameter that somebody's server reads there.
var shownValue = regexp.MustCompile(`^[A-Za-z0-9 ._~:/,*@+-]*$`)

func query(raw string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		text, bad := url.QueryUnescape(value)
		switch {
		case err == nil && shown[plain] && bad == nil && shownValue.MatchString(text):
		case found:
			pairs[i] = name + "=REDACTED"
		case name != "":
			pairs[i] = "REDACTED"
		}
	}
	return strings.Join(pairs, "&")
}

// links finds what looks like a URL within a text.
var links = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>\x60]*[^\s"'<>\x60:,;.)]`)

// relative finds the query of what looks like a URL without a scheme, as in
// the errors of net/http about a Location.
var relative = regexp.MustCompile(`\?[^\s"'<>\x60?]*=[^\s"'<>\x60]*[^\s"'<>\x60:,;.)]`)

// users finds the user information of what looks like a URL without a scheme.
var users = regexp.MustCompile(`(^|[\s"'(<=])//[^\s"'<>\x60/@]*@`)

// ports finds what url.Parse repeats of a password that it took for a port, as
// in http://user:pass#word@host.
var ports = regexp.MustCompile(`invalid port "(?:[^"\\]|\\.)*"`)

// Text makes a text of a peer, or about one, fit to be shown: URLs within it
// as URL shows them, on one line, without characters that a terminal acts on,
// and cut at max bytes.
func Text(s string, max int) string {
	s = links.ReplaceAllStringFunc(s, func(link string) string {
		if u, err := url.Parse(link); err == nil {
			return URL(u)
		}
		link, _, cut := strings.Cut(link, "?")
		scheme, rest, _ := strings.Cut(link, "://")
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		// What stands in the place of a port may be the start of a password.
		host, path, _ := strings.Cut(rest, "/")
		if name, port, found := strings.Cut(host, ":"); found && strings.Trim(port, "0123456789") != "" && !strings.HasPrefix(name, "[") {
			rest = strings.TrimSuffix(name+"/"+path, "/")
		}
		if cut {
			rest += "?REDACTED"
		}
		return scheme + "://" + rest
	})
	s = relative.ReplaceAllStringFunc(s, func(found string) string {
		before, raw, _ := strings.Cut(found, "?")
		return before + "?" + query(raw)
	})
	s = users.ReplaceAllString(s, "$1//")
	s = ports.ReplaceAllString(s, "invalid port")
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > max {
		s = strings.ToValidUTF8(s[:max], "") + "…"
	}
	return s
}

// maxCause bounds the text of an error's cause.
const maxCause = 1024

// cause is an error whose text is fit to be shown.
type cause struct{ error }

func (c cause) Error() string { return Text(c.error.Error(), maxCause) }

// Is and As look beneath, where Unwrap would hand the raw text to whoever
// prints each error of a chain.
func (c cause) Is(target error) bool { return errors.Is(c.error, target) }
func (c cause) As(target any) bool   { return errors.As(c.error, target) }

// Error rewraps a *url.Error, whose text prints its URL whole, so that the
// URL is shown as URL shows it, and its cause as Text does. Other errors come
// back as they are.
func Error(err error) error { return ErrorHiding(err, nil) }

// ErrorHiding is Error for a request that held secrets, which the answer may
// repeat. They are hidden before anything else is done to the text.
func ErrorHiding(err error, secrets []string) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return HideError(err, secrets)
	}
	shownURL := "(unreadable URL)"
	if u, perr := url.Parse(ue.URL); perr == nil {
		shownURL = Hide(URL(u), secrets)
	}
	return &url.Error{Op: ue.Op, URL: shownURL, Err: cause{HideError(ue.Err, secrets)}}
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
