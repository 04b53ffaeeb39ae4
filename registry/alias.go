package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// aliases are the short names of a client. Read-only.
type aliases map[string]string

func newAliases(names map[string]string) (aliases, error) {
	a := make(aliases, len(names))
	for _, key := range slices.Sorted(maps.Keys(names)) {
		fail := func(format string, args ...any) (aliases, error) {
			return nil, fmt.Errorf("alias %.300q: %s", key, fmt.Sprintf(format, args...))
		}
		value := names[key]
		if !repositoryPattern.MatchString(key) {
			return fail("a short name is lower-case letters and digits, separated by . _ - or /")
		}
		if hasHost(key) || key == localhost {
			return fail("it begins with a host; aliases are for names without one")
		}
		ref, err := ParseReference(value)
		if err != nil {
			return fail("%v", err)
		}
		if ref != ref.Repo() {
			return fail("%.300q has a tag or a digest; give host and path alone", value)
		}
		a[key] = ref.Name()
	}
	return a, nil
}

const localhost = "localhost"

// hasHost tells whether a host is meant to stand at the front: before a slash,
// with a dot or a port, as every tool reads references.
func hasHost(s string) bool {
	first, _, found := strings.Cut(s, "/")
	return found && (strings.ContainsAny(first, ".:[@") || strings.EqualFold(first, localhost))
}

// ParseReference is the package's ParseReference for what users type: a name
// without a host may begin with one of Options.Aliases, of which the longest
// one counts, by whole segments: with "team" for "registry.example.com/team",
// "team/app:1.0.0" is registry.example.com/team/app:1.0.0. A name with a host,
// or with oci:// before it, is never looked up: no alias leads a full
// reference elsewhere, and ParseReference(r.String()) gives r again.
//
// A name that has no host and is no alias is an error that says which there
// are. No registry is assumed for it, and none is searched.
func (c *Client) ParseReference(s string) (Reference, error) {
	if _, user := cutUser(s); user || len(c.aliases) == 0 || strings.Contains(s, "://") || hasHost(s) {
		return ParseReference(s)
	}
	name, _, _ := strings.Cut(s, "@")
	name, _, _ = cutTag(name)
	for key := name; key != ""; key = key[:max(strings.LastIndexByte(key, '/'), 0)] {
		value, ok := c.aliases[key]
		if !ok {
			continue
		}
		ref, err := ParseReference(value + s[len(key):])
		if err != nil {
			return Reference{}, &ReferenceError{Reference: s, Problem: fmt.Sprintf("by the alias %q, %v", key, err)}
		}
		return ref, nil
	}
	return Reference{}, &ReferenceError{Reference: s, Problem: "no registry host, and no alias either",
		Hint: "write host/repository, or begin with one of " + c.aliases.list()}
}

// list names the aliases; a distribution's own are hundreds.
func (a aliases) list() string {
	const most = 8
	names := slices.Sorted(maps.Keys(a))
	if len(names) > most {
		return fmt.Sprintf("%s (and %d more)", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
