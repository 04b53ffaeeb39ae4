package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/portolan-oci/portolan/internal/redact"
)

// Deadlines for the parts of an exchange in which nothing should take long.
// Bodies have none: a large chart over a slow line is the caller's context's
// business.
const (
	dialTimeout   = 15 * time.Second
	tlsTimeout    = 15 * time.Second
	headerTimeout = 2 * time.Minute // a registry may hash or move a whole upload before it answers
	idleTimeout   = 90 * time.Second
	idlePerHost   = 16
	drainTimeout  = 5 * time.Second
)

// maxHosts bounds the hosts whose connections are kept: a registry that
// redirects every request to another host must not fill the memory.
const maxHosts = 512

// maxRedirects is what docker's and Go's own clients follow.
const maxRedirects = 10

// hosts gives every dialled host its own http.Transport, so that one host's
// client certificate, trust and proxy never reach another. Safe for
// concurrent use; shared by all clients that With derives.
type hosts struct {
	configure func(host string) (HostConfig, error)
	base      http.RoundTripper // replaces all of it when set

	mu   sync.Mutex
	made map[string]hostEntry
}

type hostEntry struct {
	config    HostConfig
	transport *http.Transport
	err       error
}

// lookup returns how host is reached; the answer of Options.Hosts is kept.
func (h *hosts) lookup(host string) hostEntry {
	h.mu.Lock()
	e, ok := h.made[host]
	h.mu.Unlock()
	if ok {
		return e
	}
	e = h.build(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if other, ok := h.made[host]; ok {
		return other // made meanwhile: one pool of connections per host
	}
	switch {
	case e.err != nil:
	case len(h.made) >= maxHosts:
		e.transport.DisableKeepAlives = true // used once, and forgotten
	default:
		h.made[host] = e
	}
	return e
}

func (h *hosts) build(host string) hostEntry {
	var e hostEntry
	if h.configure != nil {
		e.config, e.err = h.configure(configName(host))
	}
	if e.err == nil {
		e.err = e.config.validate()
	}
	if e.err == nil {
		e.transport, e.err = e.config.transport(nil)
	}
	if e.err != nil {
		e.err = fmt.Errorf("configuration of host %s: %w", configName(host), e.err)
	}
	return e
}

// dialControl is net.Dialer.ControlContext.
type dialControl = func(ctx context.Context, network, address string, c syscall.RawConn) error

func (c HostConfig) transport(control dialControl) (*http.Transport, error) {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	proxy := c.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, ControlContext: control}).DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   idlePerHost,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // digests are over the bytes as stored
	}, nil
}

// proxy names the proxy for req, or nil.
func (h *hosts) proxy(req *http.Request) (*url.URL, error) {
	if h.base != nil {
		return nil, nil
	}
	e := h.lookup(req.URL.Host)
	if e.err != nil {
		return nil, e.err
	}
	return e.transport.Proxy(req)
}

// RoundTrip sends req over the transport of the host that it goes to.
func (h *hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	if h.base != nil {
		return h.base.RoundTrip(req)
	}
	e := h.lookup(req.URL.Host)
	if e.err != nil {
		return nil, e.err
	}
	return e.transport.RoundTrip(req)
}

// controlled makes a transport like h whose every dial asks control first. Its
// connections are its own, so that none that another rule allowed is reused.
func (h *hosts) controlled(control dialControl) http.RoundTripper {
	if h.base != nil {
		return h.base
	}
	return &controlledHosts{hosts: h, control: control, made: map[string]*http.Transport{}}
}

type controlledHosts struct {
	hosts   *hosts
	control dialControl

	mu   sync.Mutex
	made map[string]*http.Transport
}

func (c *controlledHosts) RoundTrip(req *http.Request) (*http.Response, error) {
	e := c.hosts.lookup(req.URL.Host)
	if e.err != nil {
		return nil, e.err
	}
	c.mu.Lock()
	t, ok := c.made[req.URL.Host]
	if !ok {
		t, e.err = e.config.transport(c.control)
		switch {
		case e.err != nil:
		case len(c.made) >= maxHosts:
			t.DisableKeepAlives = true
		default:
			c.made[req.URL.Host] = t
		}
	}
	c.mu.Unlock()
	if e.err != nil {
		return nil, e.err
	}
	return t.RoundTrip(req)
}

// exchange makes one exchange, redirects included, and logs each hop.
func (c *Client) exchange(req *http.Request) (*http.Response, error) {
	client := http.Client{Transport: logged{c.hosts, c.log}, CheckRedirect: checkRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return nil, redact.Error(err)
	}
	return resp, nil
}

// checkRedirect lets nothing that authenticates leave the origin that was
// addressed. Go alone would keep it for sub-domains and other ports.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("refused a redirect from HTTPS to " + req.URL.Scheme)
	}
	req.Header.Del("Referer") // it would show one storage service the signed URL of another
	for _, earlier := range append(via[1:], req) {
		if !sameOrigin(earlier.URL, via[0].URL) {
			req.Header.Del("Authorization")
			req.Header.Del("Cookie")
			break
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// logged writes one debug line for each exchange on the wire.
type logged struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	if !l.log.Enabled(req.Context(), slog.LevelDebug) {
		return l.next.RoundTrip(req)
	}
	start := time.Now()
	resp, err := l.next.RoundTrip(req)
	line := l.log.With("method", req.Method, "url", redact.URL(req.URL), "took", time.Since(start).Round(time.Microsecond))
	if err != nil {
		line.DebugContext(req.Context(), "request", "error", redact.Error(err))
		return nil, err
	}
	line.DebugContext(req.Context(), "request", "status", resp.StatusCode, "length", resp.ContentLength)
	return resp, nil
}

// drain lets the connection be used again, if little is left to read and it
// comes soon.
func drain(body io.ReadCloser) {
	timer := time.AfterFunc(drainTimeout, func() { body.Close() })
	defer timer.Stop()
	io.CopyN(io.Discard, body, 64<<10)
	body.Close()
}
