package registry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/internal/retryafter"
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
)

// maxHosts and maxStrangers bound the hosts whose connections and gates are
// kept: those that callers name, and those that only answers lead to. A registry
// that redirects every request to another host must not fill the memory, nor
// take the place of the hosts that are meant: what is not kept has no limits and
// no pauses.
const (
	maxHosts     = 4096
	maxStrangers = 512
)

// hosts gives every dialled host its own http.Transport, so that one host's
// client certificate, trust and proxy never reach another. Safe for
// concurrent use; shared by all clients that With derives.
type hosts struct {
	configure func(host string) (HostConfig, error)
	base      http.RoundTripper // replaces all of it when set
	away      http.RoundTripper // for where redirects lead, see dialAway
	maxWait   time.Duration     // see Retry
	log       *slog.Logger

	mu        sync.Mutex
	made      map[string]hostEntry
	strangers int // of made
}

type hostEntry struct {
	stranger  bool // no caller has named it
	config    HostConfig
	transport *http.Transport
	beside    *http.Transport // for what goes on without a place, and must not wait for a connection either
	gate      *gate
	identity  *identity
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
	return h.add(host, true)
}

// named is lookup for a host that a caller named.
func (h *hosts) named(host string) hostEntry {
	h.mu.Lock()
	e, ok := h.made[host]
	if ok && e.stranger {
		e.stranger = false
		h.made[host] = e
		h.strangers--
	}
	h.mu.Unlock()
	if ok {
		return e
	}
	return h.add(host, false)
}

func (h *hosts) add(host string, stranger bool) hostEntry {
	e := h.build(host)
	e.stranger = stranger
	h.mu.Lock()
	defer h.mu.Unlock()
	if other, ok := h.made[host]; ok {
		return other // made meanwhile: one pool of connections per host
	}
	switch {
	case e.err != nil:
	case stranger && h.strangers >= maxStrangers || len(h.made)-h.strangers >= maxHosts:
		e.transport.DisableKeepAlives = true // used once, and forgotten
		e.beside.DisableKeepAlives = true
	default:
		h.made[host] = e
		if stranger {
			h.strangers++
		}
	}
	return e
}

func (h *hosts) build(host string) hostEntry {
	e := hostEntry{identity: new(identity)}
	if h.configure != nil {
		e.config, e.err = h.configure(configName(host))
	}
	if e.err == nil {
		e.err = e.config.Validate()
	}
	if e.err == nil {
		e.transport, e.err = e.config.transport(nil)
	}
	if e.err == nil {
		e.transport.TLSClientConfig = e.identity.watch(e.transport.TLSClientConfig, e.config.TLS)
		e.beside = e.transport.Clone()
		e.beside.MaxConnsPerHost = 0
	}
	if t := e.config.TLS; e.err == nil && t != nil && t.InsecureSkipVerify && h.base == nil {
		h.log.Warn("certificates of this host are not verified", "host", configName(host))
	}
	if e.err != nil {
		e.err = fmt.Errorf("configuration of host %s: %w", configName(host), e.err)
	}
	e.gate = newGate(configName(host), e.config, h.maxWait)
	return e
}

// dialControl is net.Dialer.ControlContext.
type dialControl = func(ctx context.Context, network, address string, c syscall.RawConn) error

func (c HostConfig) transport(control dialControl) (*http.Transport, error) {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 c.quietProxy,
		DialContext:           (&net.Dialer{Timeout: cmp.Or(c.DialTimeout, dialTimeout), ControlContext: control}).DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   max(c.concurrent(), idlePerHost),
		MaxConnsPerHost:       c.concurrent(), // a place at the gate is free a moment before its connection is
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
	e := h.lookup(req.URL.Host)
	if e.err != nil {
		return refuse(req, e.err)
	}
	if h.base != nil {
		return e.send(h.base, req)
	}
	if first := original(req); first != req && !sameOrigin(first.URL, req.URL) {
		if proxy, err := e.transport.Proxy(req); err == nil && proxy == nil { // else the proxy dials
			return h.away.RoundTrip(req)
		}
	}
	return e.send(e.transport, req)
}

// refuse ends a request that is not sent, as every RoundTripper must.
func refuse(req *http.Request, err error) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, err
}

// send makes one request to the host, when it is its turn. What the host alone
// may see is put in here, beneath redirects, so that it goes nowhere else.
func (e hostEntry) send(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	leave, beside, err := e.gate.enter(req)
	if err != nil {
		return refuse(req, err)
	}
	if beside && next == e.transport {
		next = e.beside
	}
	header := e.config.Header
	if req.URL.Scheme == "http" && !e.config.plainHTTP(req.URL.Host) && !e.config.PlaintextCredentials {
		header = nil // what leads to a host of HTTPS by http:// does not show its secrets on the way
	}
	if e.config.UserAgent != "" || len(header) > 0 {
		req = req.Clone(req.Context())
		for name, values := range header {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
		if e.config.UserAgent != "" {
			req.Header.Set("User-Agent", e.config.UserAgent)
		}
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		leave()
		return nil, redact.HideError(e.identity.explain(err), redact.Echoes(req)) // net/http repeats an answer that is none
	}
	e.identity.answered.Store(true)
	if isTransientStatus(resp.StatusCode) {
		if d := retryafter.Parse(resp.Header, time.Now()); d > 0 {
			e.gate.leaveAlone(d)
		}
	}
	if resp.StatusCode >= 400 && resp.Body != http.NoBody {
		resp.Body = &echoBody{ReadCloser: resp.Body, req: req}
	}
	resp.Body = &placed{resp.Body, seatOf(req.Context()).leaving(e.gate, resp, leave)}
	if isRedirect(resp.StatusCode) {
		// http.Client reads some of it before it goes on, and would wait for ever.
		drain(resp.Body)
		resp.Body = http.NoBody
		hideLocation(resp, req)
	}
	return resp, nil
}

// hideLocation takes away a Location that cannot be read and that repeats what
// the request held: http.Client makes an error of it, word for word.
func hideLocation(resp *http.Response, req *http.Request) {
	location := resp.Header.Get("Location")
	if _, err := url.Parse(location); err != nil && redact.Hide(location, redact.Echoes(req)) != location {
		resp.Header.Set("Location", "%REDACTED")
	}
}

// isRedirect tells the statuses whose Location http.Client follows.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// controlled makes a transport like h whose every dial asks control first. Its
// connections are its own, so that none that another rule allowed is reused.
func (h *hosts) controlled(control dialControl) http.RoundTripper {
	return h.controlledAs(control, func(e hostEntry) HostConfig { return e.config })
}

// controlledAs is controlled for hosts that are configured as change says.
func (h *hosts) controlledAs(control dialControl, change func(hostEntry) HostConfig) http.RoundTripper {
	return &controlledHosts{hosts: h, control: control, change: change, made: map[controlledHost]*http.Transport{}}
}

type controlledHosts struct {
	hosts   *hosts
	control dialControl
	change  func(hostEntry) HostConfig

	mu   sync.Mutex
	made map[controlledHost]*http.Transport
}

type controlledHost struct {
	host     string
	stranger bool // a caller may name it later, and change may look at that
}

// CloseIdleConnections ends those of this transport, and none of the hosts'.
func (c *controlledHosts) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.made {
		t.CloseIdleConnections()
	}
}

func (c *controlledHosts) RoundTrip(req *http.Request) (*http.Response, error) {
	e := c.hosts.lookup(req.URL.Host)
	if e.err != nil {
		return refuse(req, e.err)
	}
	e.config = c.change(e)
	if c.hosts.base != nil {
		return e.send(c.hosts.base, req)
	}
	c.mu.Lock()
	key := controlledHost{req.URL.Host, e.stranger}
	t, ok := c.made[key]
	if !ok {
		t, e.err = e.config.transport(c.control)
		switch {
		case e.err != nil:
		case len(c.made) >= maxStrangers:
			t.DisableKeepAlives = true
		default:
			c.made[key] = t
		}
	}
	c.mu.Unlock()
	if e.err != nil {
		return refuse(req, e.err)
	}
	return e.send(t, req)
}
