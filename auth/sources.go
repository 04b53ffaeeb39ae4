package auth

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/portolan-oci/portolan/internal/userdir"
)

// Source names one of the places in which NewDefault looks for credentials.
type Source string

const (
	// SourceEnvironment is FromEnvironment.
	SourceEnvironment Source = "environment"
	// SourceDockerAuthConfig is FromDockerAuthConfig.
	SourceDockerAuthConfig Source = "docker-auth-config"
	// SourceDocker is docker's config.json, at DefaultDockerPath.
	SourceDocker Source = "docker"
	// SourceHelm is Helm's registry configuration, at DefaultHelmPath.
	SourceHelm Source = "helm"
	// SourceContainers is the files of podman, buildah and skopeo: the
	// auth.json at DefaultContainersPath, then containers/auth.json in
	// $XDG_CONFIG_HOME or ~/.config, then the legacy ~/.dockercfg. With
	// REGISTRY_AUTH_FILE it is that file alone. With DOCKER_CONFIG and without
	// REGISTRY_AUTH_FILE it has nothing, as those programs have nothing but
	// docker's file then.
	SourceContainers Source = "containers"
	// SourceGitHub is FromGitHubToken. It is asked only where it is named.
	SourceGitHub Source = "github"
)

// DefaultSources returns the sources that NewDefault asks when it is not told
// which, in its order: what was set for this process alone, then docker's file, where Login
// writes, then the files of others, so that an older entry there never hides a
// fresh login.
func DefaultSources() []Source {
	return []Source{SourceEnvironment, SourceDockerAuthConfig, SourceDocker, SourceHelm, SourceContainers}
}

// DefaultOptions configures NewDefault. The zero value reads everything that
// the user has, from where the environment says.
type DefaultOptions struct {
	// Files are the options of all files. They share the helpers, which are
	// run one at a time.
	Files FileOptions
	// Sources are the ones to ask, in this order; empty is DefaultSources.
	Sources []Source
	// EnvironmentPrefix is that of FromEnvironment; empty is PORTOLAN.
	EnvironmentPrefix string
	// DockerPath, HelmPath and ContainersPath are files to read in place of
	// those that the environment names; empty is the environment's. A
	// ContainersPath is the only file of its source.
	DockerPath, HelmPath, ContainersPath string
}

// NewDefault reads the credentials that the user already has. The environment
// is asked for the paths of files here, and for credentials at each look-up. A
// file that is missing is passed by; one that cannot be found or read is a
// remembered cause, as in Chain. Invalid options, and a source that is unknown
// or named twice, are an error. Nil options are the zero value.
func NewDefault(opts *DefaultOptions) (Provider, error) {
	d := &defaults{}
	if opts != nil {
		d.opts = *opts
	}
	if err := d.checkFiles(); err != nil {
		return nil, err
	}
	sources := d.opts.Sources
	if len(sources) == 0 {
		sources = DefaultSources()
	}
	var providers []Provider
	for i, s := range sources {
		if slices.Contains(sources[:i], s) {
			return nil, fmt.Errorf("credential source %q is named twice", s)
		}
		p, err := d.source(s)
		if err != nil {
			return nil, err
		}
		providers = append(providers, p...)
	}
	return Chain(providers...), nil
}

// defaults is NewDefault at work.
type defaults struct {
	opts    DefaultOptions
	helpers *helpers
}

// checkFiles finds invalid options where no file is among the sources, too.
func (d *defaults) checkFiles() error {
	_, err := newFileStore("-", dockerProfile, &d.opts.Files)
	return err
}

func (d *defaults) source(s Source) ([]Provider, error) {
	switch s {
	case SourceEnvironment:
		return []Provider{FromEnvironment(d.opts.EnvironmentPrefix)}, nil
	case SourceDockerAuthConfig:
		return []Provider{FromDockerAuthConfig()}, nil
	case SourceDocker:
		return d.file(dockerProfile, d.opts.DockerPath, DefaultDockerPath)
	case SourceHelm:
		return d.file(helmProfile, d.opts.HelmPath, DefaultHelmPath)
	case SourceContainers:
		return d.containers()
	case SourceGitHub:
		return []Provider{FromGitHubToken()}, nil
	}
	return nil, fmt.Errorf("unknown credential source %q: there are %q", s, append(DefaultSources(), SourceGitHub))
}

func (d *defaults) containers() ([]Provider, error) {
	if path := d.opts.ContainersPath; path != "" {
		return d.open(containersProfile, path)
	}
	paths, err := containersPaths(runtime.GOOS)
	if err != nil {
		return []Provider{missing{containersProfile.kind, err}}, nil
	}
	var all []Provider
	for _, path := range paths {
		p, err := d.open(containersProfile, path)
		if err != nil {
			return nil, err
		}
		all = append(all, p...)
	}
	home, err := userdir.Home()
	if err != nil || os.Getenv("REGISTRY_AUTH_FILE") != "" {
		return all, nil
	}
	legacy, err := d.open(dockercfgProfile, filepath.Join(home, ".dockercfg"))
	return append(all, legacy...), err
}

func (d *defaults) file(p profile, path string, find func() (string, error)) ([]Provider, error) {
	if path == "" {
		var err error
		if path, err = find(); err != nil {
			return []Provider{missing{p.kind, err}}, nil
		}
	}
	return d.open(p, path)
}

func (d *defaults) open(p profile, path string) ([]Provider, error) {
	f, err := newFileStore(path, p, &d.opts.Files)
	if err != nil {
		return nil, err
	}
	if d.helpers == nil {
		d.helpers = f.helpers
	}
	f.helpers = d.helpers
	return []Provider{f}, nil
}

// missing is a source whose file the environment does not lead to.
type missing struct {
	kind  string
	cause error
}

// Credential remembers the cause, unless it is that nothing is wanted there.
func (m missing) Credential(context.Context, Resource) (Credential, error) {
	if m.cause == errDockerConfigSet {
		return Credential{}, ErrNoCredential
	}
	return Credential{}, &Error{Stage: StageConfig, Origin: Origin{Kind: m.kind}, Message: "it cannot be found", Err: ErrConfigInvalid, Causes: []error{m.cause}}
}

// Explain implements Explainer.
func (m missing) Explain(ctx context.Context, r Resource) []Finding {
	c, err := m.Credential(ctx, r)
	f := finding(Origin{Kind: m.kind}, c, err)
	if f.Outcome == OutcomeNone {
		f.Reason = m.cause.Error()
	}
	return []Finding{f}
}
