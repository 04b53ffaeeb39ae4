package main

import (
	"log/slog"
	"path/filepath"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// logger writes warnings to standard error, and every request with --debug.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.progress.above(a.err), &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			noise := attr.Key == slog.TimeKey || attr.Key == slog.LevelKey && attr.Value.Any() == slog.LevelDebug
			if len(groups) == 0 && noise {
				return slog.Attr{}
			}
			return attr
		},
	}))
}

// registryClient serves the hosts of the command line. What the flags say of a
// host goes before certs.d, then registries.conf, then hosts.toml.
func (a *app) registryClient(hosts ...string) (*registry.Client, error) {
	configure, err := a.hosts.resolve(hosts...)
	if err != nil {
		return nil, err
	}
	if err := a.files.load(); err != nil {
		return nil, err
	}
	credentials, err := a.credentials()
	if err != nil {
		return nil, err
	}
	var certs func(host string) (registry.HostConfig, error)
	if a.dockerConfig != "" {
		certs = registry.DockerCerts(filepath.Join(a.dockerConfig, "certs.d"))
	}
	return registry.NewClient(&registry.Options{
		Credentials: credentials,
		Hosts:       registry.LayerHosts(configure, certs, a.files.hosts),
		Aliases:     a.files.aliases,
		Logger:      a.logger(),
	})
}

func (a *app) cacheStore() (*cache.Store, error) {
	dir := a.cacheDir
	if dir == "" {
		var err error
		if dir, err = cache.DefaultDir(); err != nil {
			a.logger().Warn("going on without a cache", "error", err)
			return cache.None(), nil
		}
	}
	return cache.Open(dir, &cache.Options{Logger: a.logger()})
}

func (a *app) chartClient(hosts ...string) (*chart.Client, error) {
	client, err := a.registryClient(hosts...)
	if err != nil {
		return nil, err
	}
	store, err := a.cacheStore()
	if err != nil {
		return nil, err
	}
	policy := a.policy()
	verifier, err := a.verifier()
	if err != nil {
		return nil, err
	}
	return chart.NewClient(&chart.ClientOptions{
		Registry: client,
		Cache:    store,
		Policy:   &policy,
		Archives: chart.ArchiveOptions{Lenient: a.lenient},
		Verifier: verifier,
	})
}
