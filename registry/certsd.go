package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/userdir"
)

// DockerCerts answers Options.Hosts out of directories as docker has them, as
// /etc/docker/certs.d: each has a directory per host, named host or host:port
// as in references (without the colon on Windows), with *.crt files of
// authorities that are trusted beside the system's, and X.cert with X.key for
// client certificates. The first of dirs with a directory for the host counts,
// alone. A directory that may not be read is an error, as in docker; so is all
// that LoadCertDir refuses.
//
// Files are read when the host is first spoken to. The function is safe for
// concurrent use.
func DockerCerts(dirs ...string) func(host string) (HostConfig, error) {
	return certDirs(dirs, false)
}

// ContainersCerts is DockerCerts for directories as podman and its relatives
// have them (containers-certs.d(5)): one that may not be read is passed over.
func ContainersCerts(dirs ...string) func(host string) (HostConfig, error) {
	return certDirs(dirs, true)
}

// DefaultCerts reads docker's directories, then containers': certs.d beside
// docker's config.json, in $XDG_CONFIG_HOME/docker and in /etc/docker; then
// $XDG_CONFIG_HOME/containers/certs.d, /etc/containers/certs.d and
// /etc/docker/certs.d. The first with certificates for the host counts, alone. A
// user without a home directory has the system's alone; those that this user
// may not read are passed over, for docker once made /etc/docker for root only,
// on whose machines nothing else would work (helm#7280).
func DefaultCerts() func(host string) (HostConfig, error) {
	var docker, containers []string
	if path, err := auth.DefaultDockerPath(); err == nil {
		docker = append(docker, filepath.Join(filepath.Dir(path), "certs.d"))
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if home, err := userdir.Home(); err == nil && config == "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		docker = append(docker, filepath.Join(config, "docker", "certs.d"))
		containers = append(containers, filepath.Join(config, "containers", "certs.d"))
	}
	system := "/etc/docker/certs.d"
	if data := os.Getenv("ProgramData"); runtime.GOOS == "windows" && data != "" {
		system = filepath.Join(data, "docker", "certs.d")
	}
	containers = append(containers, "/etc/containers/certs.d", system)
	return LayerHosts(DockerCerts(docker...), ContainersCerts(system), ContainersCerts(containers...))
}

func certDirs(dirs []string, skipDenied bool) func(host string) (HostConfig, error) {
	dirs = slices.Clone(dirs)
	return func(host string) (HostConfig, error) {
		name, ok := hostDirName(host)
		if !ok {
			return HostConfig{}, nil
		}
		for _, dir := range dirs {
			if skipDenied && denied(filepath.Join(dir, name)) {
				continue
			}
			t, err := LoadCertDir(filepath.Join(dir, name))
			switch {
			case err == nil:
				return HostConfig{TLS: t}, nil
			case errors.Is(err, errNoCertDir):
			default:
				return HostConfig{}, err
			}
		}
		return HostConfig{}, nil
	}
}

// hostDirName returns how the directory of a host is called. Hosts come from
// redirects too: one that is spelled like a path has no directory.
func hostDirName(host string) (name string, ok bool) {
	if runtime.GOOS == "windows" {
		host = strings.ReplaceAll(host, ":", "")
	}
	return host, host != "" && host != "." && !strings.ContainsAny(host, `/\`) && filepath.IsLocal(host)
}

func denied(dir string) bool {
	_, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrPermission)
}

// errNoCertDir is told apart from a file that a directory's link leads nowhere
// for: only the directory may be missing.
var errNoCertDir error = &sentinel{"no such directory", []error{fs.ErrNotExist}}

// LoadCertDir reads the directory of one host, see DockerCerts. A directory
// without such files is nil. A directory that is not there matches
// fs.ErrNotExist. Half a pair, and all that TLS.LoadRoots and TLS.LoadKeyPair
// refuse, is an error that names the file. Files of other names are ignored.
func LoadCertDir(dir string) (*TLS, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("certificate directory %s: %w", dir, errNoCertDir)
	}
	if err != nil {
		return nil, fmt.Errorf("certificate directory: %w", err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = !e.IsDir()
	}
	var t TLS
	found := false
	for _, e := range entries { // in the order of their names
		stem, ext := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			continue
		case ext == ".crt":
			err = t.LoadRoots(path)
		case ext == ".cert" && !names[stem+".key"]:
			err = fmt.Errorf("client certificate %s: its key %s.key is missing; an authority's certificate is called *.crt", path, stem)
		case ext == ".cert":
			err = t.LoadKeyPair(path, filepath.Join(dir, stem+".key"))
		case ext == ".key" && !names[stem+".cert"]:
			err = fmt.Errorf("key %s: its client certificate %s.cert is missing", path, stem)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		found = found || ext != ".key"
	}
	if !found {
		return nil, nil
	}
	return &t, nil
}
