package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Resource is what a credential is for: a registry host, optionally narrowed
// to a repository or to a namespace of repositories. It is comparable; the
// zero value is no resource.
type Resource struct {
	// Host is a host name or address with an optional port, in lower case:
	// "ghcr.io", "localhost:5000", "[::1]:5000".
	Host string
	// Path is a repository, "team/app", or the leading segments of some. It
	// has no slash at either end and may be empty.
	Path string
}

const (
	hubHost    = "docker.io"
	hubAPIHost = "registry-1.docker.io"
)

// hubHosts are the names of Docker Hub, in the order in which credentials are
// looked for under them.
var hubHosts = []string{hubHost, "index.docker.io", hubAPIHost}

var (
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*$`)
	// repositoryPath is the grammar of a repository name in the OCI
	// distribution spec 1.1, "Pulling manifests".
	repositoryPath = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
)

// ParseResource reads host[:port][/path]. A prefix oci:// or https:// and
// slashes at the end are accepted and dropped; so is the /v1/ of Docker Hub's
// own https://index.docker.io/v1/. Anything else is an error: a tag, a digest,
// user information, another scheme. The error never repeats user information.
func ParseResource(s string) (Resource, error) {
	rest := s
	if scheme, after, found := strings.Cut(s, "://"); found {
		switch strings.ToLower(scheme) {
		case "oci", "https":
			rest = after
		default:
			return Resource{}, errors.New("registry address: only oci:// and https:// may stand before the host")
		}
	}
	if strings.Contains(rest, "@") {
		return Resource{}, errors.New("registry address: it has user information or a digest; give host[:port][/path] alone")
	}
	host, path, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	host, err := parseHost(host)
	if err != nil {
		return Resource{}, fmt.Errorf("registry address %q: %w", s, err)
	}
	r := Resource{Host: host, Path: path}
	if r.isHub() && (path == "v1" || path == "v2") {
		r.Path = ""
	}
	switch {
	case strings.Contains(path, ":"):
		return Resource{}, fmt.Errorf("registry address %q: it has a tag; give host[:port][/path] alone", s)
	case r.Path != "" && !repositoryPath.MatchString(r.Path):
		return Resource{}, fmt.Errorf("registry address %q: %q is not a repository path (lower case letters, digits, single separators)", s, path)
	}
	return r, nil
}

func parseHost(host string) (string, error) {
	if host == "" {
		return "", errors.New("no host")
	}
	name, port := strings.ToLower(host), ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		n, err := strconv.ParseUint(name[i+1:], 10, 16)
		if err != nil || n == 0 {
			return "", fmt.Errorf("port %q is not a number from 1 to 65535", name[i+1:])
		}
		name, port = name[:i], ":"+strconv.FormatUint(n, 10)
	}
	if inner, found := strings.CutPrefix(name, "["); found {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", fmt.Errorf("%q is not an IPv6 address", name)
		}
		return "[" + addr.String() + "]" + port, nil
	}
	if !hostName.MatchString(name) || len(name) > 253 {
		return "", fmt.Errorf("%q is not a host name", name)
	}
	return name + port, nil
}

// String returns host[:port][/path], which ParseResource reads back.
func (r Resource) String() string {
	if r.Path == "" {
		return r.Host
	}
	return r.Host + "/" + r.Path
}

// APIHost is the host that serves the registry's API: registry-1.docker.io
// for any of Docker Hub's names, else Host.
func (r Resource) APIHost() string {
	if r.isHub() {
		return hubAPIHost
	}
	return r.Host
}

func (r Resource) isHub() bool {
	for _, h := range hubHosts {
		if r.Host == h {
			return true
		}
	}
	return false
}

// canonical gives all names of Docker Hub one spelling, so that resources can
// be compared and used as keys.
func (r Resource) canonical() Resource {
	if r.isHub() {
		r.Host = hubHost
	}
	return r
}

// covers tells whether a credential for r may serve o: the same host, and a
// path that is r's or lies below it, by whole segments.
func (r Resource) covers(o Resource) bool {
	r, o = r.canonical(), o.canonical()
	return r.Host == o.Host && (r.Path == "" || r.Path == o.Path || strings.HasPrefix(o.Path, r.Path+"/"))
}

// paths lists the path of r and those above it, the longest first. The bare
// host is not among them.
func (r Resource) paths() []string {
	var list []string
	for p := r.Path; p != ""; {
		list = append(list, p)
		p = p[:max(strings.LastIndexByte(p, '/'), 0)]
	}
	return list
}
