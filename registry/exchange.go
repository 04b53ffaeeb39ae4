package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/redact"
)

// maxRedirects is what docker's and Go's own clients follow.
const maxRedirects = 10

// drainTimeout is how long the rest of a body may take to be read for the sake
// of its connection.
const drainTimeout = 5 * time.Second

// exchange makes one exchange, redirects included, and logs each hop.
func (c *Client) exchange(req *http.Request) (*http.Response, error) {
	return c.exchangeOver(c.hosts, req, checkOwnRedirect)
}

func (c *Client) exchangeOver(transport http.RoundTripper, req *http.Request, check func(*http.Request, []*http.Request) error) (*http.Response, error) {
	client := http.Client{Transport: c.logged(transport), CheckRedirect: check}
	resp, err := client.Do(req)
	if err != nil && req.Context().Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: %v", errSilent, redact.ErrorHiding(err, c.hosts.echoes(req))) // a deadline of net/http's own, as for proxies
	}
	if err != nil {
		return nil, redact.ErrorHiding(err, c.hosts.echoes(req)) // a Location may repeat what was sent
	}
	return resp, nil
}

// unsigned makes one exchange that does not say who asks.
func (c *Client) unsigned(req *http.Request) (*http.Response, error) {
	return c.exchange(c.anonymous(req))
}

func (c *Client) anonymous(req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", c.userAgent)
	for _, name := range []string{"Authorization", "Cookie", "Referer"} {
		req.Header.Del(name)
	}
	return req
}

// checkRedirect lets nothing that may authenticate leave the origin that was
// addressed. Go alone would keep it for sub-domains and other ports.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("refused a redirect from HTTPS to " + req.URL.Scheme)
	}
	req.Header.Del("Referer") // it would show one storage service the signed URL of another
	req.URL.User = nil        // net/http would make an Authorization header of it, of the registry's choice
	elsewhere := func(r *http.Request) bool { return !sameOrigin(r.URL, via[0].URL) }
	if elsewhere(req) || slices.ContainsFunc(via, elsewhere) { // once left, for good
		for name := range req.Header {
			if !travels(name) {
				req.Header.Del(name)
			}
		}
	}
	return nil
}

// checkOwnRedirect is checkRedirect for requests to a host that was asked for.
// What changes something stays there: a registry must not be able to let this
// client write or delete at another host, with whatever that host's own
// configuration says, or at one that only this machine can reach. Uploads go
// elsewhere by their Location, see uploadSession.send.
func checkOwnRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	toTLS := first.URL.Scheme == "http" && req.URL.Scheme == "https" && first.URL.Port()+req.URL.Port() == "" &&
		first.URL.Hostname() == req.URL.Hostname()
	if !isRead(first) && !sameOrigin(req.URL, first.URL) && !toTLS {
		return fmt.Errorf("refused a redirect of a %s to another host, %s", first.Method, req.URL.Host)
	}
	return checkRedirect(req, via)
}

// travels tells headers of a request that another host may see after a
// redirect: those that HTTP itself speaks of content with. Whatever else a
// caller of Do has set may be a key, as GitLab's Private-Token is.
func travels(name string) bool {
	for _, prefix := range []string{"Accept", "Content-", "If-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "Range" || name == "User-Agent" || name == "Cache-Control"
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// drain lets the connection be used again, if little is left to read and it
// comes soon.
func drain(body io.ReadCloser) {
	timer := time.AfterFunc(drainTimeout, func() { body.Close() })
	defer timer.Stop()
	io.CopyN(io.Discard, body, 64<<10)
	body.Close()
}
