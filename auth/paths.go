package auth

import (
	"context"
	"os"
	"path/filepath"

	"github.com/portolan-oci/portolan/internal/userdir"
)

// DefaultDockerPath is where docker keeps its configuration:
// $DOCKER_CONFIG/config.json, else ~/.docker/config.json. It fails when there
// is no home directory to be found.
func DefaultDockerPath() (string, error) {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json"), nil
	}
	home, err := userdir.Home()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".docker", "config.json"), nil
}

// DefaultHelmPath is where helm registry login keeps credentials:
// $HELM_REGISTRY_CONFIG, else registry/config.json in $HELM_CONFIG_HOME, in
// $XDG_CONFIG_HOME/helm, or in the system's place for Helm's configuration. It
// fails when there is no home directory to be found.
func DefaultHelmPath() (string, error) {
	if path := os.Getenv("HELM_REGISTRY_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := userdir.HelmConfig()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "registry", "config.json"), nil
}

// NewDefault reads the credentials that the user already has: docker's file,
// then Helm's. Docker's comes first because Login writes there, so that an
// older entry of the other never hides a fresh login. Files that are missing
// are passed by; one that cannot be found or read is a remembered cause, as in
// Chain. The options are those of both files; invalid ones are an error. Its
// two files take turns at running a helper.
func NewDefault(opts *FileOptions) (Provider, error) {
	var providers []Provider
	var shared *helpers
	for _, source := range []struct {
		path func() (string, error)
		open func(string, *FileOptions) (*FileStore, error)
	}{
		{DefaultDockerPath, NewDockerStore},
		{DefaultHelmPath, NewHelmStore},
	} {
		path, err := source.path()
		if err != nil {
			providers = append(providers, failing(err))
			continue
		}
		f, err := source.open(path, opts)
		if err != nil {
			return nil, err
		}
		if shared == nil {
			shared = f.helpers
		}
		f.helpers = shared
		providers = append(providers, f)
	}
	return Chain(providers...), nil
}

// NewDefaultStore is docker's file, where Login writes: what it stores there
// serves docker, Helm and most other tools. It fails when there is no home
// directory to be found.
func NewDefaultStore(opts *FileOptions) (*FileStore, error) {
	path, err := DefaultDockerPath()
	if err != nil {
		return nil, err
	}
	return NewDockerStore(path, opts)
}

// failing is a source that is not there to be asked.
func failing(cause error) Provider {
	err := &Error{Stage: StageConfig, Origin: Origin{Kind: "credential files"}, Message: "they cannot be found", Err: ErrConfigInvalid, Causes: []error{cause}}
	return ProviderFunc(func(context.Context, Resource) (Credential, error) { return Credential{}, error(err) })
}
