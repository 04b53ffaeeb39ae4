package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// LoadHosts reads directories as containerd has them, as /etc/containerd/certs.d
// and returns what Options.Hosts takes. Each has a directory per host: host,
// host_port_ or host:port (without the colon on Windows), or _default for all
// others; the first of dirs with one for the host counts, alone. In it is
// hosts.toml or, where that is missing or empty, certificates as
// registry.LoadCertDir reads them. Every hosts.toml is read now, since one may
// say how the mirror of another is reached; certificates when their host is
// first spoken to. A directory that is not there is empty. The function is safe
// for concurrent use.
//
//   - server becomes a Rewrite unless it is the host itself; its requests have
//     ns= then, as containerd's have. What stands beside it, outside of [host],
//     is about the server.
//   - [host."URL"] becomes a Mirror, in the order of the file: with Tags if it is
//     capable of "resolve", and with ns= unless it is the host itself. Capabilities
//     that are not written are pull and resolve. For containerd they are push too;
//     but who lists a mirror does not mean to publish there.
//   - a host whose written capabilities have "push" takes writes, and so becomes
//     the Rewrite. The hosts after it, and the server, serve content by digest
//     alone.
//   - http:// is plain HTTP, never tried after TLS, and beside it skip_verify means
//     nothing; https:// is TLS for loopback hosts too.
//   - ca, client, skip_verify, header, dial_timeout and proxy belong to the host of
//     the URL, in whatever file it stands: files that disagree are an error of that
//     host. A header or a client certificate for the servers of _default is an
//     error: redirects and token servers are hosts too. For that reason its
//     skip_verify is not for token servers, see registry.TLS.AnyHost.
//   - a path of the URL is "/v2" or nothing; or, with override_path, "/v2/" and what
//     stands before repositories' names there. Any other place for the API is an
//     error: the OCI distribution spec knows none.
//
// Everything else is an *Error: an unknown key, Authorization in a header (log in
// instead), a server with less than all capabilities.
func LoadHosts(dirs ...string) (func(host string) (registry.HostConfig, error), error) {
	all := &hostDirs{settings: map[string][]settings{}}
	for _, root := range dirs {
		if err := all.load(root); err != nil {
			return nil, err
		}
	}
	return func(host string) (registry.HostConfig, error) { return all.config(canonical(host)) }, nil
}

// LoadDefaultHosts is LoadHosts for containerd/certs.d in $XDG_CONFIG_HOME or
// ~/.config, where nerdctl looks when it has no root, and /etc/containerd/certs.d,
// which is passed over where this user may not read it: it is the daemon's then.
func LoadDefaultHosts() (func(host string) (registry.HostConfig, error), error) {
	var dirs []string
	if config, err := configHome(); err == nil {
		dirs = append(dirs, filepath.Join(config, "containerd", "certs.d"))
	}
	const system = "/etc/containerd/certs.d"
	if _, err := os.ReadDir(system); !errors.Is(err, fs.ErrPermission) {
		dirs = append(dirs, system)
	}
	return LoadHosts(dirs...)
}

// hostDirs is all that was read.
type hostDirs struct {
	roots    []map[string]hostDir  // by the name of the directory
	settings map[string][]settings // by the host that is dialled
}

// hostDir is the directory of one host.
type hostDir struct {
	path string
	file *hostsFile // nil: certificates alone
}

const defaultDir = "_default"

func (h *hostDirs) load(root string) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hosts directory: %w", err)
	}
	dirs := map[string]hostDir{}
	for _, e := range entries {
		dir := hostDir{path: filepath.Join(root, e.Name())}
		if info, err := os.Stat(dir.path); err != nil || !info.IsDir() {
			continue // a link is as good as a directory
		}
		if slices.ContainsFunc(h.roots, func(earlier map[string]hostDir) bool { _, ok := earlier[e.Name()]; return ok }) {
			continue // nothing of it counts
		}
		name := filepath.Join(dir.path, "hosts.toml")
		data, err := readFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("hosts.toml: %w", err)
		}
		if len(data) > 0 {
			if dir.file, err = parseHosts(name, data, e.Name() == defaultDir); err != nil {
				return err
			}
			for _, endpoint := range dir.file.hosts {
				h.say(endpoint.host, endpoint.settings)
			}
			h.say(dir.file.server.host, dir.file.server.settings)
		}
		dirs[e.Name()] = dir
	}
	h.roots = append(h.roots, dirs)
	return nil
}

// say notes how a host is dialled. The server of a file that names none is
// known when its host is.
func (h *hostDirs) say(host string, s settings) {
	if host != "" {
		h.settings[host] = append(h.settings[host], s)
	}
}

// find returns the directory of a host, if it has one.
func (h *hostDirs) find(host string) (hostDir, bool) {
	names := []string{host, defaultDir}
	if runtime.GOOS == "windows" {
		names[0] = strings.ReplaceAll(host, ":", "")
	}
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		names = append([]string{host[:i] + "_" + host[i+1:] + "_"}, names...)
	}
	for _, dirs := range h.roots {
		for _, name := range names {
			if dir, ok := dirs[name]; ok {
				return dir, true
			}
		}
	}
	return hostDir{}, false
}

func (h *hostDirs) config(host string) (registry.HostConfig, error) {
	said := h.settings[host]
	dir, ok := h.find(host)
	own := ok && dir.file != nil && dir.file.server.host == "" // the file's root is about the host itself
	if own && (len(said) == 0 || filepath.Base(dir.path) != defaultDir) {
		said = append([]settings{dir.file.server.settings}, said...)
	}
	c, err := dialled(host, said)
	if c.TLS != nil && ok && filepath.Base(dir.path) == defaultDir && len(h.settings[host]) == 0 {
		c.TLS.AnyHost = true
	}
	if err != nil || !ok {
		return c, err
	}
	if dir.file != nil {
		dir.file.place(host, &c)
		return c, nil
	}
	if slices.ContainsFunc(said, func(s settings) bool { return !s.silent() }) {
		return c, nil
	}
	certificates, err := registry.LoadCertDir(dir.path)
	if certificates != nil {
		c.TLS = certificates
	}
	return c, err
}
