package auth

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

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

// DefaultContainersPath is where podman login keeps credentials:
// $REGISTRY_AUTH_FILE, else containers/auth.json in $XDG_RUNTIME_DIR or, without
// that, in /run/containers/UID; on macOS and Windows it is
// ~/.config/containers/auth.json. On Linux such a file does not outlive a
// reboot. It fails when there is no home directory to be found where it needs
// one, and when DOCKER_CONFIG is set without REGISTRY_AUTH_FILE: podman,
// buildah and skopeo then read docker's file alone, and no auth.json.
func DefaultContainersPath() (string, error) {
	paths, err := containersPaths(runtime.GOOS)
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

var errDockerConfigSet = errors.New("DOCKER_CONFIG is set, so podman and its relatives read docker's file alone; use that, or set REGISTRY_AUTH_FILE")

// containersPaths are the files of podman and its relatives in the order in
// which they look for credentials, without docker's, and without the legacy
// ~/.dockercfg, which they read last.
func containersPaths(goos string) ([]string, error) {
	if path := os.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []string{path}, nil
	}
	if os.Getenv("DOCKER_CONFIG") != "" {
		return nil, errDockerConfigSet
	}
	home, homeErr := userdir.Home()
	if goos == "darwin" || goos == "windows" {
		return []string{filepath.Join(home, ".config", "containers", "auth.json")}, homeErr
	}
	runtimeDir := os.Getenv("XDG_RUNTIME_DIR")
	primary := filepath.Join(runtimeDir, "containers", "auth.json")
	if runtimeDir == "" {
		primary = filepath.Join("/run/containers", strconv.Itoa(os.Geteuid()), "auth.json")
	}
	paths := []string{primary}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		paths = append(paths, filepath.Join(dir, "containers", "auth.json"))
	} else if homeErr == nil {
		paths = append(paths, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return paths, nil
}

// NewDefaultStore is docker's file, where Login writes: what it stores there
// serves docker, Helm and most other tools. It fails when there is no home
// directory to be found. That error, and that of a Put which may not write
// there, say how to have the file elsewhere.
func NewDefaultStore(opts *FileOptions) (*FileStore, error) {
	path, err := DefaultDockerPath()
	if err != nil {
		return nil, &Error{Stage: StageConfig, Origin: Origin{Kind: dockerProfile.kind}, Message: "there is no place for it", Hint: dockerElsewhere, Causes: []error{err}}
	}
	f, err := NewDockerStore(path, opts)
	if err != nil {
		return nil, err
	}
	f.elsewhere = dockerElsewhere
	return f, nil
}

// dockerElsewhere is for users without a home, and for those who may not write
// there: many containers have such.
const dockerElsewhere = "set DOCKER_CONFIG to a directory that can be written"
