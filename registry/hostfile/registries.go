package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/portolan-oci/portolan/internal/userdir"
	"github.com/portolan-oci/portolan/registry"
)

// Registries is what registries.conf and its drop-in files say, ready for
// registry.Options. It is immutable; its function is safe for concurrent use.
type Registries struct {
	// Hosts is for Options.Hosts. Its error for a host is an *Error.
	Hosts func(host string) (registry.HostConfig, error)
	// Aliases are for Options.Aliases: the [aliases] table. They hold for what
	// lies below a name too; podman has them for whole names alone.
	Aliases map[string]string
	// Search is unqualified-search-registries. Nothing of this module uses it:
	// see LoadRegistries.
	Search []string
}

// LoadRegistries reads one registries.conf of version 2, and then the files
// *.conf of drop-in folders, in the order of the folders and of the names in
// each. A later file's [[registry]] replaces an earlier one of the same prefix,
// its aliases replace those of the same name (an empty one takes it away), and
// its search list replaces the earlier one. A folder that is not there is
// empty; an empty file name is no file, and one that is not there matches
// fs.ErrNotExist.
//
// The table with the longest prefix counts for a repository; a host by its name
// goes before *.example.com, and the longer of two such patterns before the
// shorter.
//
//   - location becomes a Rewrite, for pushes too: podman leaves them at the
//     prefix, and so shows under one name what is in two places.
//   - blocked becomes a Rewrite that blocks; the error names the file's line.
//   - mirror becomes a Mirror. Tags are resolved there unless it says
//     pull-from-mirror = "digest-only", or the table mirror-by-digest-only. A
//     mirror that is "tag-only" serves content by digest too: a tag is resolved
//     to one first.
//   - insecure skips the verification of certificates at the host in question,
//     all of it, since TLS belongs to hosts: two tables that disagree about a host
//     are an error of that host. It never means plain HTTP, as it may for podman.
//     A loopback host stays at plain HTTP. For any other without TLS set PlainHTTP
//     in a layer above this one.
//   - unqualified-search-registries and short-name-mode are checked, and not
//     used, not even for a list of one: a list that is made for images would turn
//     a mistyped chart into a request to a public registry, where anybody may
//     have taken the name. Aliases are the way for short names.
//   - credential-helpers and additional-layer-store-auth-helper are ignored:
//     credentials are not a matter of hosts.
//
// Everything else is an *Error: version 1 of the format, an unknown key, a
// prefix with a tag or a digest.
func LoadRegistries(file string, dropIns ...string) (*Registries, error) {
	var files []string
	if file != "" {
		files = append(files, file)
	}
	for _, dir := range dropIns {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("drop-in folder: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") && !e.IsDir() {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	all := merged{prefixes: map[string]registryEntry{}, aliases: map[string]string{}}
	for _, name := range files {
		data, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("registries.conf: %w", err)
		}
		parsed, err := parseRegistries(name, data)
		if err != nil {
			return nil, err
		}
		all.add(parsed)
	}
	return all.registries(), nil
}

// LoadDefaultRegistries reads what podman reads for this user:
// $CONTAINERS_REGISTRIES_CONF with the drop-in folder of that name and ".d", if
// it is set; else containers/registries.conf in $XDG_CONFIG_HOME or ~/.config,
// or, where that is not, in /etc, with the folders registries.conf.d of both.
// Files that are not there are passed by, but for one that the variable names.
func LoadDefaultRegistries() (*Registries, error) {
	if file := os.Getenv("CONTAINERS_REGISTRIES_CONF"); file != "" {
		return LoadRegistries(file, file+".d")
	}
	var file string
	var dropIns []string
	dirs := []string{"/etc/containers"}
	if config, err := configHome(); err == nil {
		dirs = append(dirs, filepath.Join(config, "containers"))
	}
	for _, dir := range dirs { // the user's last, who counts
		name := filepath.Join(dir, "registries.conf")
		if _, err := os.Stat(name); err == nil {
			file = name
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("registries.conf: %w", err)
		}
		dropIns = append(dropIns, name+".d")
	}
	return LoadRegistries(file, dropIns...)
}

// configHome is $XDG_CONFIG_HOME (XDG Base Directory Specification), on every
// system: containers' tools use it on macOS too.
func configHome() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir, nil
	}
	home, err := userdir.Home()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".config"), nil
}
