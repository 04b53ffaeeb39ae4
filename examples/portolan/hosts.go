package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/registry"
)

// bare stands for a flag without a host: it means the one host of the command
// line.
const bare = "*"

// hostFlags are how hosts are reached. Each is given bare, for the one host of
// the command line, or as HOST=… (HOST alone for the switches).
type hostFlags struct {
	plainHTTP, plaintextCredentials, skipVerify []string
	caFile, certFile, keyFile                   []string
}

func (h *hostFlags) register(flags *pflag.FlagSet) {
	toggle := func(p *[]string, name, usage string) {
		flags.StringSliceVar(p, name, nil, usage+" (bare, or =`HOST`)")
		flags.Lookup(name).NoOptDefVal = bare
	}
	toggle(&h.plainHTTP, "plain-http", "speak HTTP without TLS")
	toggle(&h.plaintextCredentials, "plaintext-credentials", "send credentials over plain HTTP as well")
	toggle(&h.skipVerify, "insecure-skip-tls-verify", "accept any certificate")
	flags.StringArrayVar(&h.caFile, "ca-file", nil, "`[HOST=]FILE` with CA certificates to trust besides the system's")
	flags.StringArrayVar(&h.certFile, "cert-file", nil, "`[HOST=]FILE` with the client certificate")
	flags.StringArrayVar(&h.keyFile, "key-file", nil, "`[HOST=]FILE` with the client certificate's key")
}

// hostSettings is what the flags say of one host.
type hostSettings struct {
	plainHTTP, plaintextCredentials, skipVerify bool
	caFile, certFile, keyFile                   string
}

// resolve sorts the flags by host. own are the hosts of the command line.
func (h *hostFlags) resolve(own ...string) (func(host string) (registry.HostConfig, error), error) {
	settings := map[string]*hostSettings{}
	at := func(flag, host string) (*hostSettings, error) {
		if host == bare {
			if len(own) != 1 {
				return nil, usagef("--%s without a host: the command line names %d hosts, write HOST=…", flag, len(own))
			}
			host = own[0]
		}
		if settings[host] == nil {
			settings[host] = new(hostSettings)
		}
		return settings[host], nil
	}
	for flag, hosts := range map[string][]string{"plain-http": h.plainHTTP, "plaintext-credentials": h.plaintextCredentials, "insecure-skip-tls-verify": h.skipVerify} {
		for _, host := range hosts {
			s, err := at(flag, host)
			if err != nil {
				return nil, err
			}
			switch flag {
			case "plain-http":
				s.plainHTTP = true
			case "plaintext-credentials":
				s.plaintextCredentials = true
			default:
				s.skipVerify = true
			}
		}
	}
	for flag, values := range map[string][]string{"ca-file": h.caFile, "cert-file": h.certFile, "key-file": h.keyFile} {
		for _, value := range values {
			host, file := splitHost(value)
			s, err := at(flag, host)
			if err != nil {
				return nil, err
			}
			switch flag {
			case "ca-file":
				s.caFile = file
			case "cert-file":
				s.certFile = file
			default:
				s.keyFile = file
			}
		}
	}
	configs := map[string]registry.HostConfig{}
	for host, s := range settings {
		config, err := s.config()
		if err != nil {
			return nil, usageError{fmt.Errorf("host %s: %w", host, err)}
		}
		configs[host] = config
	}
	return func(host string) (registry.HostConfig, error) { return configs[host], nil }, nil
}

// splitHost cuts HOST= off, if what stands before the first "=" is a host.
func splitHost(value string) (host, file string) {
	before, after, found := strings.Cut(value, "=")
	if found {
		if _, err := registry.ParseReference(before + "/x"); err == nil && !strings.Contains(before, "/") {
			return before, after
		}
	}
	return bare, value
}

func (s *hostSettings) config() (registry.HostConfig, error) {
	c := registry.HostConfig{PlainHTTP: s.plainHTTP, PlaintextCredentials: s.plaintextCredentials}
	if s.skipVerify || s.caFile != "" || s.certFile != "" || s.keyFile != "" {
		t, err := registry.LoadTLS(s.caFile, s.certFile, s.keyFile)
		if err != nil {
			return c, err
		}
		t.InsecureSkipVerify = s.skipVerify
		c.TLS = t
	}
	if c.PlainHTTP && c.TLS != nil {
		return c, fmt.Errorf("--plain-http and TLS flags exclude each other")
	}
	return c, nil
}
