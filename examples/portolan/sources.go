package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/acr"
	"github.com/portolan-oci/portolan/auth/ecr"
	"github.com/portolan-oci/portolan/auth/gar"
)

// clouds are the sources beside auth's own: the identity that a program has in
// a cloud, for that cloud's registries alone. They come last, so that a login
// goes before them.
var clouds = []struct {
	name auth.Source
	open func() (auth.Provider, error)
}{
	{"acr", func() (auth.Provider, error) { return acr.New(nil) }},
	{"ecr", func() (auth.Provider, error) { return ecr.New(nil) }},
	{"gar", func() (auth.Provider, error) { return gar.New(nil) }},
}

// allSources are all sources, in the order in which they are asked.
func allSources() []auth.Source {
	all := auth.DefaultSources()
	for _, c := range clouds {
		all = append(all, c.name)
	}
	return all
}

// credentials are all that the user has, or what --sources says of it.
func (a *app) credentials() (auth.Provider, error) {
	sources, err := parseSources(a.sources)
	if err != nil {
		return nil, err
	}
	var providers []auth.Provider
	for _, s := range sources {
		p, err := a.source(s)
		if err != nil {
			return nil, err
		}
		providers = append(providers, p)
	}
	return auth.Chain(providers...), nil
}

func (a *app) source(name auth.Source) (auth.Provider, error) {
	for _, c := range clouds {
		if c.name == name {
			return c.open()
		}
	}
	options := &auth.DefaultOptions{Files: auth.FileOptions{Logger: a.logger()}, Sources: []auth.Source{name}}
	if a.dockerConfig != "" {
		options.DockerPath = filepath.Join(a.dockerConfig, "config.json")
	}
	return auth.NewDefault(options)
}

// sourceNames lists all sources, in the order in which they are asked.
func sourceNames() string {
	var names []string
	for _, s := range allSources() {
		names = append(names, string(s))
	}
	return strings.Join(names, ",")
}

func parseSources(list string) ([]auth.Source, error) {
	if list == "" {
		return allSources(), nil
	}
	var sources []auth.Source
	for name := range strings.SplitSeq(list, ",") {
		s := auth.Source(strings.TrimSpace(name))
		switch {
		case s != auth.SourceGitHub && !slices.Contains(allSources(), s):
			return nil, usagef("--sources: %q is none of %s,%s", s, sourceNames(), auth.SourceGitHub)
		case slices.Contains(sources, s):
			return nil, usagef("--sources: %s is named twice", s)
		}
		sources = append(sources, s)
	}
	return sources, nil
}

func registerStore(flags *pflag.FlagSet, store *string) {
	flags.StringVar(store, "store", "docker", "the `program` in whose file credentials are kept: docker, containers (podman) or helm")
}

// credentialStore is where login writes: docker's file unless the user wants
// another, so that docker, helm, oras and crane find it too.
func (a *app) credentialStore(store string) (*auth.FileStore, error) {
	options := &auth.FileOptions{Plaintext: auth.PlaintextWarn} // login prints its warning
	find, open := auth.DefaultContainersPath, auth.NewContainersStore
	switch store {
	case "containers":
	case "docker":
		if a.dockerConfig != "" {
			return auth.NewDockerStore(filepath.Join(a.dockerConfig, "config.json"), options)
		}
		return auth.NewDefaultStore(options)
	case "helm":
		find, open = auth.DefaultHelmPath, auth.NewHelmStore
	default:
		return nil, usagef("--store %s: docker, containers or helm", store)
	}
	path, err := find()
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", store, err)
	}
	return open(path, options)
}
