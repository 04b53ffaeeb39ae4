package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/registry"
)

// hostSettings is what the flags say of one host.
type hostSettings struct {
	plainHTTP                        *bool
	plaintextCredentials, skipVerify bool
	caFile, certFile, keyFile        string
	mirrors                          []registry.Mirror
	header                           http.Header
	proxy                            *url.URL
}

// hostFlags are how hosts are reached. Each flag is given bare, for the one
// host of the command line, or for the host that it names.
type hostFlags struct {
	bare   hostSettings
	isBare string // the last flag that was given bare
	named  map[string]*hostSettings

	maxConcurrent int   // at every host; zero: the default
	wrong         error // the first thing that is wrong with a value
}

// at returns the settings of a host as users write it; empty is the bare one.
func (h *hostFlags) at(flag, host string) (*hostSettings, error) {
	if host == "" {
		h.isBare = flag
		return &h.bare, nil
	}
	ref, err := registry.ParseReference(host + "/x")
	if err != nil || ref.Repository != "x" {
		return nil, fmt.Errorf("%q is no registry host", host)
	}
	if h.named == nil {
		h.named = map[string]*hostSettings{}
	}
	if h.named[ref.Host] == nil {
		h.named[ref.Host] = new(hostSettings)
	}
	return h.named[ref.Host], nil
}

func (h *hostFlags) register(flags *pflag.FlagSet) {
	toggle := func(name, usage string, set func(*hostSettings, bool)) {
		flags.Var(&hostSwitch{h, name, set}, name, usage+" (`[=HOST]`)")
		flags.Lookup(name).NoOptDefVal = "true"
	}
	toggle("plain-http", "speak HTTP without TLS; =false: speak TLS to a loopback host too", func(s *hostSettings, on bool) { s.plainHTTP = &on })
	toggle("plaintext-credentials", "send credentials over plain HTTP as well", func(s *hostSettings, on bool) { s.plaintextCredentials = on })
	toggle("insecure-skip-tls-verify", "accept any certificate", func(s *hostSettings, on bool) { s.skipVerify = on })
	file := func(name, usage string, set func(*hostSettings, string)) {
		flags.Var(&hostValue{h, name, func(s *hostSettings, f string) error { set(s, f); return nil }}, name, "`[HOST=]FILE` with "+usage)
	}
	file("ca-file", "CA certificates to trust besides the system's", func(s *hostSettings, f string) { s.caFile = f })
	file("cert-file", "the client certificate", func(s *hostSettings, f string) { s.certFile = f })
	file("key-file", "the client certificate's key", func(s *hostSettings, f string) { s.keyFile = f })
	value := func(name, usage string, set func(*hostSettings, string) error) {
		flags.Var(&hostValue{h, name, set}, name, usage)
	}
	value("mirror", "ask `[HOST=]MIRROR[/PREFIX]` for content by digest before the host, in order; may be given several times, and replaces those of files", (*hostSettings).addMirror)
	value("header", "send `[HOST=]'NAME: VALUE'` with every request; may be given several times", (*hostSettings).addHeader)
	value("proxy", "reach the host through the proxy `[HOST=]URL` (default: $HTTPS_PROXY and its kin)", (*hostSettings).setProxy)
	flags.IntVar(&h.maxConcurrent, "max-concurrent", 0, "at most this `number` of requests at once to each host, 2 or more (default 16)")
}

// resolve answers how each host is reached. own are the hosts of the command
// line.
func (h *hostFlags) resolve(own ...string) (func(host string) (registry.HostConfig, error), error) {
	all := map[string]*hostSettings{}
	for host, s := range h.named {
		all[host] = s
	}
	if h.isBare != "" {
		if len(own) != 1 {
			return nil, usagef("--%s without a host: the command line names %d hosts", h.isBare, len(own))
		}
		if all[own[0]] != nil {
			return nil, usagef("--%s without a host, beside flags for %s: name the host in all of them", h.isBare, own[0])
		}
		all[own[0]] = &h.bare
	}
	configs := map[string]registry.HostConfig{}
	for host, s := range all {
		config, err := s.config()
		if err != nil {
			return nil, usageError{fmt.Errorf("host %s: %w", host, err)}
		}
		configs[host] = config
	}
	everywhere := registry.HostConfig{MaxConcurrent: h.maxConcurrent}
	if err := everywhere.Validate(); err != nil {
		return nil, usageError{fmt.Errorf("--max-concurrent %d: %w", h.maxConcurrent, err)}
	}
	return func(host string) (registry.HostConfig, error) {
		c := configs[host]
		c.MaxConcurrent = h.maxConcurrent
		return c, nil
	}, nil
}

func (s *hostSettings) config() (registry.HostConfig, error) {
	c := registry.HostConfig{PlaintextCredentials: s.plaintextCredentials, Mirrors: s.mirrors, Header: s.header}
	if s.proxy != nil {
		c.Proxy = http.ProxyURL(s.proxy)
	}
	c.PlainHTTP = s.plainHTTP != nil && *s.plainHTTP
	if s.skipVerify || s.caFile != "" || s.certFile != "" || s.keyFile != "" || s.plainHTTP != nil && !*s.plainHTTP {
		t, err := registry.LoadTLS(s.caFile, s.certFile, s.keyFile)
		if err != nil {
			return c, err
		}
		t.InsecureSkipVerify = s.skipVerify
		c.TLS = t
	}
	if c.PlainHTTP && c.TLS != nil {
		return c, errors.New("--plain-http and TLS flags exclude each other")
	}
	return c, nil
}
