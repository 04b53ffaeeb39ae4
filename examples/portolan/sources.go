package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/auth"
)

// credentials are all that the user has, or what --sources says of it.
func (a *app) credentials() (auth.Provider, error) {
	sources, err := parseSources(a.sources)
	if err != nil {
		return nil, err
	}
	options := &auth.DefaultOptions{Files: auth.FileOptions{Logger: a.logger()}, Sources: sources}
	if a.dockerConfig != "" {
		options.DockerPath = filepath.Join(a.dockerConfig, "config.json")
	}
	return auth.NewDefault(options)
}

// sourceNames lists all sources, in the order in which they are asked.
func sourceNames() string {
	var names []string
	for _, s := range auth.DefaultSources() {
		names = append(names, string(s))
	}
	return strings.Join(names, ",")
}

func parseSources(list string) ([]auth.Source, error) {
	if list == "" {
		return nil, nil
	}
	var sources []auth.Source
	for name := range strings.SplitSeq(list, ",") {
		s := auth.Source(strings.TrimSpace(name))
		switch {
		case !slices.Contains(auth.DefaultSources(), s):
			return nil, usagef("--sources: %q is none of %s", s, sourceNames())
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
