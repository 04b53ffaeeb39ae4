package registry

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/portolan-oci/portolan/internal/redact"
)

// maxLink bounds an address that a registry gives for a next page: the longest
// in use carry a signed cursor of some hundred bytes.
const maxLink = 8 << 10

// nextPage returns the address in the Link header, nil where there is none. It
// may be relative. It stays with the host that was asked, to which the
// credentials belong.
func nextPage(at *url.URL, h http.Header) (*url.URL, error) {
	link := nextLink(h.Values("Link"))
	if link == "" {
		return nil, nil
	}
	fail := func(problem string) (*url.URL, error) {
		return nil, &PageError{Next: redact.Text(link, 256), Problem: problem}
	}
	u, err := url.Parse(link)
	if err != nil || len(link) > maxLink {
		return nil, &PageError{Problem: "what stands for the address of the next page is none"}
	}
	next := at.ResolveReference(u)
	next.User, next.Fragment, next.RawFragment = nil, "", ""
	switch {
	case next.Scheme != "https" && next.Scheme != "http", u.User != nil:
		return fail("it is no address of a registry")
	case !strings.EqualFold(next.Hostname(), at.Hostname()) || portOf(next) != portOf(at):
		return fail("it is at another host than " + at.Host + ", which was asked, and is not followed there")
	}
	// A registry behind a proxy that ends TLS writes http; the request stays
	// with what was asked for.
	next.Scheme, next.Host = at.Scheme, at.Host
	return next, nil
}

// portOf is the port that is written out, but for the scheme's own.
func portOf(u *url.URL) string {
	if port := u.Port(); u.Scheme+port != "https443" && u.Scheme+port != "http80" {
		return port
	}
	return ""
}

// withQuery returns u with one parameter more, or another value of it.
func withQuery(u *url.URL, name, value string) *url.URL {
	c := *u
	q := c.Query()
	q.Set(name, value)
	c.RawQuery = q.Encode()
	return &c
}

// nextLink finds the address of the next page in Link headers (RFC 8288,
// section 3): that of relation "next", or the only one that is there where no
// relation stands beside it, as some registries write it.
func nextLink(headers []string) string {
	rest := strings.Join(headers, ",")
	only, links := "", 0
	for {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			break
		}
		address, params, found := strings.Cut(after, ">")
		if !found {
			break
		}
		relations, has, end := relationsOf(params)
		if links++; has {
			for relation := range strings.FieldsSeq(relations) {
				if strings.EqualFold(relation, "next") {
					return strings.TrimSpace(address)
				}
			}
			address = ""
		}
		only, rest = strings.TrimSpace(address), end
	}
	if links == 1 {
		return only
	}
	return ""
}

// relationsOf reads the parameters of one link up to the comma before the next
// one. The first rel counts (RFC 8288, section 3.3).
func relationsOf(params string) (relations string, has bool, rest string) {
	for {
		params = strings.TrimLeft(params, " \t;")
		if params == "" || params[0] == ',' {
			return relations, has, params
		}
		name, after := cutAt(params, "=;,")
		value := ""
		if strings.HasPrefix(after, "=") {
			value, after = cutValue(strings.TrimLeft(after[1:], " \t"))
		}
		if strings.EqualFold(strings.TrimSpace(name), "rel") && !has {
			relations, has = value, true
		}
		params = after
	}
}

// cutValue reads a token or a quoted string.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		return cutAt(s, ";,")
	}
	var b strings.Builder
	i := 1
	for ; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), s[min(i+1, len(s)):]
}

func cutAt(s, chars string) (before, rest string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}
