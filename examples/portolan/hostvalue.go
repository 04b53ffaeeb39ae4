package main

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// hostSwitch is a switch that may name a host.
type hostSwitch struct {
	hosts *hostFlags
	name  string
	set   func(*hostSettings, bool)
}

func (f *hostSwitch) String() string { return "" }
func (f *hostSwitch) Type() string   { return "bool" }

func (f *hostSwitch) Set(value string) error {
	on, err := strconv.ParseBool(value)
	host := ""
	if err != nil {
		on, host = true, value
		if host == "" {
			return errors.New("no host after =")
		}
	}
	s, err := f.hosts.at(f.name, host)
	if err == nil {
		f.set(s, on)
	}
	return err
}

// hostValue is a value that may be for a named host. What is wrong with it is
// kept for later: pflag would print the value, which may be a secret.
type hostValue struct {
	hosts *hostFlags
	name  string
	set   func(*hostSettings, string) error
}

func (f *hostValue) String() string { return "" }
func (f *hostValue) Type() string   { return "string" }

// Set takes what stands before the first "=" for a host unless it has a slash,
// which no host has and most files and URLs have. A header may look like
// nearly anything: there it must be a host.
func (f *hostValue) Set(value string) error {
	host, rest, found := strings.Cut(value, "=")
	_, notHost := registry.ParseReference(host + "/x")
	if !found || strings.ContainsAny(host, `/\`) || f.name == "header" && notHost != nil {
		host, rest = "", value
	}
	s, err := f.hosts.at(f.name, host)
	if err == nil {
		err = f.set(s, rest)
	}
	if err != nil && f.hosts.wrong == nil {
		f.hosts.wrong = usagef("--%s: %w", f.name, err)
	}
	return nil
}

func (s *hostSettings) addMirror(value string) error {
	host, prefix := value, ""
	if !strings.Contains(value, "://") { // which is refused as it stands
		host, prefix, _ = strings.Cut(value, "/")
	}
	s.mirrors = append(s.mirrors, registry.Mirror{Host: host, Prefix: prefix})
	return registry.HostConfig{Mirrors: s.mirrors}.Validate()
}

// addHeader never repeats a value: it may be a secret.
func (s *hostSettings) addHeader(value string) error {
	name, content, found := strings.Cut(value, ":")
	if !found {
		return errors.New("want 'Name: value'")
	}
	if s.header == nil {
		s.header = http.Header{}
	}
	s.header.Add(name, strings.TrimSpace(content))
	return registry.HostConfig{Header: s.header}.Validate()
}

// setProxy never repeats the URL: a password may be in it.
func (s *hostSettings) setProxy(value string) (err error) {
	s.proxy, err = url.Parse(value)
	if err != nil || s.proxy.Host == "" {
		return errors.New("want the URL of a proxy, as in http://proxy.example.com:3128")
	}
	return nil
}
