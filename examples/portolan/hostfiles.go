package main

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/hostfile"
)

// optional is a flag of which the empty value is not its absence.
type optional struct {
	given bool
	value string
}

func (o *optional) String() string     { return o.value }
func (o *optional) Type() string       { return "string" }
func (o *optional) Set(s string) error { o.given, o.value = true, s; return nil }

// hostFiles are where hosts and short names come from besides the flags for
// hosts.
type hostFiles struct {
	registriesConf, hostsDir optional
	flagAliases              []string // as they are given: pflag would repeat what is refused at once
	aliases                  map[string]string

	names *registry.Client // knows names alone; nil: not asked for yet
	hosts func(host string) (registry.HostConfig, error)
}

func (f *hostFiles) register(flags *pflag.FlagSet) {
	flags.Var(&f.registriesConf, "registries-conf", "`file` of mirrors, places and short names, as podman has it; with its folder FILE.d (default: $CONTAINERS_REGISTRIES_CONF, else podman's own; empty: none)")
	flags.Var(&f.hostsDir, "hosts-dir", "`directory` of hosts.toml files, as containerd has it (default: containerd's own; empty: none)")
	flags.Var(aliasFlag{f}, "alias", "short name for a repository or what lies above some, as `NAME=REPOSITORY`; may be given several times")
}

// aliasFlag collects short names.
type aliasFlag struct{ files *hostFiles }

func (f aliasFlag) String() string { return "" }
func (f aliasFlag) Type() string   { return "string" }

func (f aliasFlag) Set(s string) error {
	f.files.flagAliases = append(f.files.flagAliases, s)
	return nil
}

// fromFlags reads the short names of the flags. Those of files were judged by
// line; these are judged by themselves.
func (f *hostFiles) fromFlags() (map[string]string, error) {
	aliases := map[string]string{}
	for _, s := range f.flagAliases {
		name, repository, found := strings.Cut(s, "=")
		if !found {
			return nil, usagef("--alias: want NAME=REPOSITORY")
		}
		aliases[name] = repository
	}
	if _, err := registry.NewClient(&registry.Options{Aliases: aliases}); err != nil {
		return nil, usageError{fmt.Errorf("--alias: %w", err)}
	}
	return aliases, nil
}

// load reads the files, once. They are asked for names before there is a
// client: the flags that name no host need the one of the reference.
func (f *hostFiles) load() error {
	if f.names != nil {
		return nil
	}
	registries, err := f.registries()
	if err != nil {
		return err
	}
	hosts, err := f.directories()
	if err != nil {
		return err
	}
	aliases := maps.Clone(registries.Aliases)
	if aliases == nil {
		aliases = map[string]string{}
	}
	flags, err := f.fromFlags()
	if err != nil {
		return err
	}
	maps.Copy(aliases, flags)
	names, err := registry.NewClient(&registry.Options{Aliases: aliases})
	if err != nil {
		return err
	}
	f.aliases, f.names = aliases, names
	f.hosts = registry.LayerHosts(registry.DefaultCerts(), registries.Hosts, hosts)
	return nil
}

func (f *hostFiles) registries() (*hostfile.Registries, error) {
	switch file := f.registriesConf.value; {
	case !f.registriesConf.given:
		return hostfile.LoadDefaultRegistries()
	case file == "":
		return new(hostfile.Registries), nil
	default:
		if _, err := os.Stat(file); err != nil {
			return nil, usageError{fmt.Errorf("--registries-conf: %w", err)}
		}
		return hostfile.LoadRegistries(file, file+".d")
	}
}

func (f *hostFiles) directories() (func(host string) (registry.HostConfig, error), error) {
	switch dir := f.hostsDir.value; {
	case !f.hostsDir.given:
		return hostfile.LoadDefaultHosts()
	case dir == "":
		return nil, nil
	default:
		if _, err := os.Stat(dir); err != nil {
			return nil, usageError{fmt.Errorf("--hosts-dir: %w", err)}
		}
		return hostfile.LoadHosts(dir)
	}
}

// parse reads a reference of the command line, short names included.
func (a *app) parse(s string) (registry.Reference, error) {
	if err := a.files.load(); err != nil {
		return registry.Reference{}, err
	}
	ref, err := a.files.names.ParseReference(s)
	if err != nil {
		return ref, usageError{err}
	}
	return ref, nil
}

// namespace replaces the short name at the front of a host with a path, below
// which the names of charts will stand. What is none stays what it is.
func (a *app) namespace(s string) (string, error) {
	if err := a.files.load(); err != nil {
		return "", err
	}
	ref, err := a.files.names.ParseReference(strings.TrimSuffix(s, "/") + "/x")
	if err != nil || strings.Contains(s, "://") {
		return s, nil
	}
	return strings.TrimSuffix(ref.Name(), "/x"), nil
}
