package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// endpoint is a place where a repository is served.
type endpoint struct {
	host       string // as in references
	repository string // as it is called there
	plainHTTP  bool
	namespace  string // sent as ns; may be empty
	mirror     bool
	tags       bool // a mirror that may resolve tags
}

// route is where the content of a repository is asked for: at the mirrors, in
// order, and at the origin.
type route struct {
	origin  endpoint
	mirrors []endpoint
}

// route finds the endpoints of a repository.
func (c *Client) route(ref Reference) (route, error) {
	entry := c.hosts.named(apiHost(ref.Host))
	if entry.err != nil {
		return route{}, entry.err
	}
	r := route{origin: endpoint{host: ref.Host, repository: ref.Repository}}
	if rule, ok := entry.config.rewrite(ref.Repository); ok {
		if rule.Blocked != "" {
			return route{}, &sentinel{rule.Blocked, []error{ErrBlocked}} // Error says the kind before it
		}
		at, err := rule.move(ref.Repository)
		if err != nil {
			return route{}, err
		}
		r.origin = endpoint{host: at.Host, repository: at.Repository}
		if rule.Namespace {
			r.origin.namespace = ref.Host
		}
	}
	var err error
	if r.origin.plainHTTP, err = c.plainHTTP(r.origin.host); err != nil {
		return route{}, err
	}
	for _, m := range entry.config.Mirrors {
		name, ok := m.repository(ref.Repository)
		if !ok {
			continue
		}
		e := endpoint{host: m.Host, repository: name, mirror: true, tags: m.Tags}
		if m.Namespace {
			e.namespace = ref.Host
		}
		if e.plainHTTP, err = c.plainHTTP(m.Host); err != nil {
			return route{}, fmt.Errorf("mirror %s: %w", m.Host, err)
		}
		r.mirrors = append(r.mirrors, e)
	}
	return r, nil
}

func (c *Client) plainHTTP(host string) (bool, error) {
	entry := c.hosts.named(apiHost(host))
	return entry.config.plainHTTP(host), entry.err
}

func (c *Client) gateOf(ep endpoint) *gate { return c.hosts.lookup(apiHost(ep.host)).gate }

// at is the request as it is sent to an endpoint.
func (e engine) at(ep endpoint, req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host, req.Host = ep.scheme(), apiHost(ep.host), ""
	moveRepository(req.URL, e.repo.ref.Repository, ep.repository)
	if ep.namespace != "" {
		query := req.URL.Query()
		query.Set("ns", ep.namespace)
		req.URL.RawQuery = query.Encode()
	}
	return req
}

func (ep endpoint) scheme() string {
	if ep.plainHTTP {
		return "http"
	}
	return "https"
}

// serves tells whether a URL that an endpoint wrote is at the endpoint itself.
// What stands behind a proxy that ends TLS, and is not told so, writes http://
// (distribution, X-Forwarded-Proto); a port that is the scheme's own may be
// there or not.
func (ep endpoint) serves(u *url.URL) bool {
	own := addressOf(&url.URL{Scheme: ep.scheme(), Host: apiHost(ep.host)})
	return addressOf(u) == own || u.Scheme == "http" && u.Port() == "" && own == strings.ToLower(u.Hostname())+":443"
}

// addressOf is host and port of a URL.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// moveRepository exchanges the repository that a URL of the API is about.
func moveRepository(u *url.URL, from, to string) {
	if rest, ok := strings.CutPrefix(u.Path, "/v2/"+from+"/"); ok && from != to && from != "" {
		u.Path, u.RawPath = "/v2/"+to+"/"+rest, ""
	}
}

// homeward puts the links of an answer in the names that were asked for: what
// follows them is sent through the engine again.
func (e engine) homeward(ep endpoint, asked *http.Request, resp *http.Response) {
	if location := resp.Header.Get("Location"); location != "" {
		resp.Header.Set("Location", e.home(ep, asked, resp, location))
	}
	links := resp.Header.Values("Link")
	for i, link := range links {
		start, end := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
		if start >= 0 && end > start {
			links[i] = link[:start+1] + e.home(ep, asked, resp, link[start+1:end]) + link[end:]
		}
	}
}

// home is what a link in an answer of an endpoint is called in the names that
// were asked for. A link to elsewhere stays what it is.
func (e engine) home(ep endpoint, asked *http.Request, resp *http.Response, link string) string {
	u, err := resp.Request.URL.Parse(link)
	if err != nil {
		return link
	}
	if ep.serves(u) {
		u.Scheme, u.Host = asked.URL.Scheme, asked.URL.Host
		moveRepository(u, ep.repository, e.repo.ref.Repository)
	}
	return u.String()
}

// apiURL is where the API of a host begins.
func (c *Client) apiURL(host string, plainHTTP bool) *url.URL {
	u := &url.URL{Scheme: "https", Host: apiHost(host), Path: "/v2/"}
	if plainHTTP {
		u.Scheme = "http"
	}
	return u
}

// url names something of the repository, as it was asked for: see engine.
func (r *Repository) url(path string) *url.URL {
	u := r.client.apiURL(r.ref.Host, r.route.origin.plainHTTP)
	u.Path += r.ref.Repository + "/" + path
	return u
}
