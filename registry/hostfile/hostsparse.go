package hostfile

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// hostsTOML is containerd's hosts.toml.
type hostsTOML struct {
	hostTOML
	Server string              `toml:"server"`
	Hosts  map[string]hostTOML `toml:"host"`
}

// hostTOML is what may be said of the server and of every host.
type hostTOML struct {
	Capabilities []string       `toml:"capabilities"`
	CA           any            `toml:"ca"`
	Client       any            `toml:"client"`
	SkipVerify   bool           `toml:"skip_verify"`
	Header       map[string]any `toml:"header"`
	OverridePath bool           `toml:"override_path"`
	DialTimeout  string         `toml:"dial_timeout"`
	Proxy        string         `toml:"proxy"`
}

// hostsFile is one hosts.toml, understood.
type hostsFile struct {
	hosts  []endpoint // in the order of the file
	server endpoint   // its host is "" where the file names none
}

// endpoint is a place that has what a host has.
type endpoint struct {
	place
	settings      settings
	resolve, push bool
}

// where is the part of a document in which an endpoint stands.
type where struct {
	*document
	parts []string // "host" and the URL; nothing for the server
}

func (w where) key(names ...string) position { return w.at(append(slices.Clone(w.parts), names...)...) }
func (w where) here() position               { return w.at(w.parts...) }

func parseHosts(file string, data []byte, isDefault bool) (*hostsFile, error) {
	var t hostsTOML
	d, err := decode(file, data, &t)
	if err != nil {
		return nil, err
	}
	f := new(hostsFile)
	for _, raw := range d.children("host") {
		host, ok := t.Hosts[raw]
		if !ok {
			continue
		}
		w := where{d, []string{"host", raw}}
		if raw == "" {
			return nil, w.here().errorf("a host without a URL")
		}
		e, err := host.endpoint(w, raw, w.here())
		if err != nil {
			return nil, err
		}
		if e.resolve, e.push, err = host.mirrorCapabilities(w); err != nil {
			return nil, err
		}
		f.hosts = append(f.hosts, e)
	}
	w := where{d, nil}
	if f.server, err = t.endpoint(w, t.Server, w.key("server")); err != nil {
		return nil, err
	}
	if err := t.serverCapabilities(w); err != nil {
		return nil, err
	}
	if s := f.server.settings; isDefault && f.server.host == "" && (len(s.header) > 0 || len(s.client) > 0) {
		return nil, w.key("header").errorf("headers and client certificates for every host there is: name the server that they are for")
	}
	return f, nil
}

// endpoint reads what a URL says and what stands beside it.
func (t *hostTOML) endpoint(w where, raw string, at position) (endpoint, error) {
	e := endpoint{settings: settings{at: w.here(), skipVerify: t.SkipVerify}}
	if raw != "" {
		var err error
		if e.place, err = t.parseURL(raw, &e.settings); err != nil {
			return e, at.errorf("%w", err)
		}
		e.settings.at = at
	} else if t.OverridePath {
		return e, w.key("override_path").errorf("override_path without a server")
	}
	for _, part := range []struct {
		key  string
		read func(*settings, string) error
	}{
		{"ca", t.readCA}, {"client", t.readClient}, {"header", t.readHeader}, {"dial_timeout", t.readTimeout}, {"proxy", t.readProxy},
	} {
		if err := part.read(&e.settings, filepath.Dir(w.file)); err != nil {
			return e, w.key(part.key).errorf("%s: %w", part.key, err)
		}
	}
	if e.settings.plain {
		if len(e.settings.ca)+len(e.settings.client) > 0 {
			return e, at.errorf("certificates for http://%s: write https://", e.host)
		}
		e.settings.skipVerify = false
	}
	return e, nil
}

// parseURL reads scheme://host[/v2[/prefix]].
func (t *hostTOML) parseURL(raw string, s *settings) (place, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return place{}, errors.New("this is no URL of http or https with a host and at most a path") // and may hold a secret
	}
	s.plain, s.https = u.Scheme == "http", u.Scheme == "https"
	path := strings.TrimRight(u.Path, "/")
	prefix, isAPI := strings.CutPrefix(path, "/v2/")
	switch {
	case t.OverridePath && path != "/v2" && !isAPI:
		return place{}, fmt.Errorf("the API at %q of %s: override_path must leave it at /v2", u.Path, u.Host)
	case !t.OverridePath && path != "" && path != "/v2":
		return place{}, fmt.Errorf("the API below the path %q of %s: it is at /v2; if %s/v2/PREFIX is meant, write override_path = true", u.Path, u.Host, u.Host)
	}
	if !isAPI {
		prefix = ""
	}
	return parsePlace(strings.TrimSuffix(u.Host+"/"+prefix, "/"))
}

func (t *hostTOML) readCA(s *settings, dir string) (err error) {
	if t.CA == nil {
		return nil
	}
	s.ca, err = paths(t.CA, dir)
	return err
}

// readClient takes a path, a list of paths, or a list of pairs, whose second
// half may be empty: the key stands beside its certificate then.
func (t *hostTOML) readClient(s *settings, dir string) error {
	list, isList := t.Client.([]any)
	if t.Client == nil || isList && len(list) == 0 {
		return nil
	}
	if !isList {
		list = []any{t.Client}
	}
	for _, element := range list {
		parts, isPair := element.([]any)
		switch {
		case !isPair:
			parts = []any{element}
		case len(parts) == 2 && parts[1] == "":
			parts = parts[:1]
		}
		files, err := paths(parts, dir)
		if err != nil || len(files) != 1 && len(files) != 2 {
			return errors.New("want a file, a list of files, or a list of [certificate, key]")
		}
		s.client = append(s.client, [2]string{files[0], files[len(files)-1]})
	}
	return nil
}

// paths reads a file name or a list of some, relative to dir.
func paths(v any, dir string) ([]string, error) {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	var files []string
	for _, element := range list {
		name, ok := element.(string)
		if !ok || name == "" {
			return nil, errors.New("want a file, or a list of files")
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		files = append(files, name)
	}
	return files, nil
}

// readHeader never repeats a value.
func (t *hostTOML) readHeader(s *settings, _ string) error {
	for name, v := range t.Header {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, element := range list {
			value, ok := element.(string)
			if !ok {
				return fmt.Errorf("%.300q: want a string, or a list of strings", name)
			}
			if s.header == nil {
				s.header = http.Header{}
			}
			s.header.Add(name, value)
		}
	}
	return registry.HostConfig{Header: s.header}.Validate()
}

func (t *hostTOML) readTimeout(s *settings, _ string) (err error) {
	if t.DialTimeout == "" {
		return nil
	}
	s.dialTimeout, err = time.ParseDuration(t.DialTimeout)
	if err != nil || s.dialTimeout <= 0 {
		return fmt.Errorf("%.300q is no time such as 5s", t.DialTimeout)
	}
	return nil
}

// readProxy never repeats the URL: a password may be in it.
func (t *hostTOML) readProxy(s *settings, _ string) error {
	if t.Proxy == "" {
		return nil
	}
	u, err := url.Parse(t.Proxy)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
		!slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return errors.New("want the URL of a proxy, of http, https, socks5 or socks5h, with a host and no path")
	}
	s.proxy = t.Proxy
	return nil
}
