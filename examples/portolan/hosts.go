package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/registry"
)

// hostSettings is what the flags say of one host.
type hostSettings struct {
	plainHTTP                        *bool
	plaintextCredentials, skipVerify bool
	caFile, certFile, keyFile        string
}

// hostFlags are how hosts are reached. Each flag is given bare, for the one
// host of the command line, or for the host that it names.
type hostFlags struct {
	bare   hostSettings
	isBare string // the last flag that was given bare
	named  map[string]*hostSettings
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
		flags.Var(&hostFile{h, name, set}, name, "`[HOST=]FILE` with "+usage)
	}
	file("ca-file", "CA certificates to trust besides the system's", func(s *hostSettings, f string) { s.caFile = f })
	file("cert-file", "the client certificate", func(s *hostSettings, f string) { s.certFile = f })
	file("key-file", "the client certificate's key", func(s *hostSettings, f string) { s.keyFile = f })
}

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

// hostFile is a file that may be for a named host.
type hostFile struct {
	hosts *hostFlags
	name  string
	set   func(*hostSettings, string)
}

func (f *hostFile) String() string { return "" }
func (f *hostFile) Type() string   { return "string" }

// Set takes what stands before the first "=" for a host unless it has a slash,
// which no host has and the names of most files.
func (f *hostFile) Set(value string) error {
	host, file, found := strings.Cut(value, "=")
	if !found || strings.ContainsAny(host, `/\`) {
		host, file = "", value
	}
	s, err := f.hosts.at(f.name, host)
	if err == nil {
		f.set(s, file)
	}
	return err
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
	return func(host string) (registry.HostConfig, error) { return configs[host], nil }, nil
}

func (s *hostSettings) config() (registry.HostConfig, error) {
	c := registry.HostConfig{PlaintextCredentials: s.plaintextCredentials}
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
