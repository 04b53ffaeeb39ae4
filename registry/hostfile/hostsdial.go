package hostfile

import (
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// settings are how a host is dialled, as one file has it.
type settings struct {
	at           position
	plain, https bool // as the URL says; neither where there is none
	ca           []string
	client       [][2]string // certificate and key
	skipVerify   bool
	header       http.Header
	dialTimeout  time.Duration
	proxy        string
}

// silent tells whether there is nothing in it that another file would have to
// agree with.
func (s settings) silent() bool {
	s.at, s.https = position{}, false
	return reflect.DeepEqual(s, settings{})
}

func (s settings) agrees(o settings) bool {
	s.at, o.at = position{}, position{}
	s.https, o.https = false, false // plain or not is compared
	return reflect.DeepEqual(s, o)
}

// dialled joins what several files say of one host.
func dialled(host string, said []settings) (registry.HostConfig, error) {
	var s settings
	decided := false
	for _, next := range said {
		if s.plain && next.https || s.https && next.plain || decided && !next.silent() && !s.agrees(next) {
			return registry.HostConfig{}, next.at.errorf("%s is dialled otherwise than at %s: connections are a setting of the host, say the same in both", host, s.at)
		}
		https := s.https || next.https
		if !decided && (s.at == position{} || !next.silent()) {
			s, decided = next, !next.silent()
		}
		s.https = https
	}
	return s.config(host)
}

func (s settings) config(host string) (registry.HostConfig, error) {
	c := registry.HostConfig{PlainHTTP: s.plain, Header: s.header, DialTimeout: s.dialTimeout}
	if s.proxy != "" {
		u, err := url.Parse(s.proxy)
		if err != nil {
			return c, s.at.errorf("proxy of %s: no URL", host)
		}
		c.Proxy = http.ProxyURL(u)
	}
	if len(s.ca) == 0 && len(s.client) == 0 && !s.skipVerify && !(s.https && loopback(host)) {
		return c, nil
	}
	c.TLS = &registry.TLS{InsecureSkipVerify: s.skipVerify}
	for _, file := range s.ca {
		if err := c.TLS.LoadRoots(file); err != nil {
			return c, s.at.errorf("%w", err)
		}
	}
	for _, pair := range s.client {
		if err := c.TLS.LoadKeyPair(pair[0], pair[1]); err != nil {
			return c, s.at.errorf("%w", err)
		}
	}
	return c, nil
}

// place enters where the content of a host is.
func (f *hostsFile) place(host string, c *registry.HostConfig) {
	self := place{host: host}
	server := f.server.place
	if server == (place{}) {
		server = self
	}
	origin, tags := server, true
	for _, e := range f.hosts {
		switch {
		case e.push && tags:
			origin, tags = e.place, false
		case e.place != self: // a host of _default is no mirror of itself
			c.Mirrors = append(c.Mirrors, f.mirror(e.place, host, e.resolve && tags))
		}
	}
	if origin != server && server != self {
		c.Mirrors = append(c.Mirrors, f.mirror(server, host, false))
	}
	if origin != self {
		c.Rewrites = []registry.Rewrite{{Location: origin.String(), Namespace: origin.host != host}}
	}
}

func (f *hostsFile) mirror(p place, host string, tags bool) registry.Mirror {
	return registry.Mirror{Host: p.host, Prefix: p.path, Tags: tags, Namespace: p.host != host}
}
