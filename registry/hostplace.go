package registry

import (
	"fmt"
	"strings"
)

// covers tells whether a repository is at or below a path, by whole segments.
// The empty path covers everything.
func covers(path, repository string) bool {
	return path == "" || repository == path || strings.HasPrefix(repository, path+"/")
}

// below joins two paths of which one may be empty.
func below(path, rest string) string {
	return strings.Trim(path+"/"+rest, "/")
}

// repository returns the name under which a mirror has a repository of the
// mirrored host, and whether it has that part of it at all.
func (m Mirror) repository(name string) (string, bool) {
	if !covers(m.Under, name) {
		return "", false
	}
	for _, not := range m.Except {
		if covers(not, name) {
			return "", false
		}
	}
	if m.Strip {
		name = strings.TrimPrefix(strings.TrimPrefix(name, m.Under), "/")
	}
	name = below(m.Prefix, name)
	return name, name != ""
}

// rewrite returns the rewrite that counts for a repository, if any.
func (c HostConfig) rewrite(repository string) (Rewrite, bool) {
	var best Rewrite
	found := false
	for _, r := range c.Rewrites {
		if covers(r.Prefix, repository) && (!found || len(r.Prefix) > len(best.Prefix)) {
			best, found = r, true
		}
	}
	return best, found
}

// move returns where a repository really is.
func (r Rewrite) move(repository string) (Reference, error) {
	host, path, problem := cutLocation(r.Location)
	if problem != "" {
		return Reference{}, fmt.Errorf("rewrite to %.300q: %s", r.Location, problem)
	}
	name := below(path, strings.TrimPrefix(strings.TrimPrefix(repository, r.Prefix), "/"))
	if name == "" {
		return Reference{}, fmt.Errorf("%s is rewritten to %s, which is a host and no repository", repository, r.Location)
	}
	return Reference{Host: host, Repository: name}, nil
}
