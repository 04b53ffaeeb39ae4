package hostfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// merged is what several files say together.
type merged struct {
	prefixes map[string]registryEntry // by key
	aliases  map[string]string
	search   []string
}

func (m *merged) add(p *parsedRegistries) {
	for _, e := range p.entries {
		m.prefixes[e.key()] = e
	}
	for name, value := range p.aliases {
		m.aliases[name] = value
		if value == "" {
			delete(m.aliases, name)
		}
	}
	if p.search != nil {
		m.search = p.search
	}
}

func (m *merged) registries() *Registries {
	var entries []registryEntry
	for _, key := range slices.Sorted(maps.Keys(m.prefixes)) {
		entries = append(entries, m.prefixes[key])
	}
	return &Registries{
		Hosts:   func(host string) (registry.HostConfig, error) { return hostConfig(entries, canonical(host)) },
		Aliases: m.aliases,
		Search:  m.search,
	}
}

// hostConfig is what all tables together say of one host.
func hostConfig(entries []registryEntry, host string) (registry.HostConfig, error) {
	var c registry.HostConfig
	insecure, err := isInsecure(entries, host)
	if err != nil {
		return c, err
	}
	if insecure && !loopback(host) {
		c.TLS = &registry.TLS{InsecureSkipVerify: true}
	}
	own := tablesOf(entries, host)
	moves := slices.ContainsFunc(own, func(e registryEntry) bool { return e.blocked || e.target(host) != e.source(host) })
	for _, e := range own {
		source, target := e.source(host), e.target(host)
		switch {
		case e.blocked:
			c.Rewrites = append(c.Rewrites, registry.Rewrite{Prefix: source.path, Blocked: e.at.String()})
			continue
		case moves && source != (place{host: host}) || target != source:
			// A part that stays says so, lest a shorter prefix take it along.
			c.Rewrites = append(c.Rewrites, registry.Rewrite{Prefix: source.path, Location: target.String()})
		}
		for _, m := range e.mirrors {
			c.Mirrors = append(c.Mirrors, registry.Mirror{Host: m.location.host, Prefix: m.location.path,
				Under: source.path, Strip: source.path != "", Except: within(own, source.path), Tags: m.tags})
		}
	}
	return c, nil
}

// tablesOf are those that count for some repository of a host: all that name
// it, and for the rest of it the longest pattern.
func tablesOf(entries []registryEntry, host string) []registryEntry {
	var own []registryEntry
	var pattern *registryEntry
	whole := false
	for i, e := range entries {
		switch {
		case !e.wildcard && e.prefix.host == host:
			own = append(own, e)
			whole = whole || e.prefix.path == ""
		case e.wildcard && strings.HasSuffix(host, "."+e.prefix.host):
			if pattern == nil || len(e.prefix.host) > len(pattern.prefix.host) {
				pattern = &entries[i]
			}
		}
	}
	if pattern != nil && !whole {
		own = append(own, *pattern)
	}
	return own
}

// source is the part of a host that a table is about.
func (e registryEntry) source(host string) place { return place{host, e.prefix.path} }

// target is where that part is.
func (e registryEntry) target(host string) place {
	if e.location == (place{}) {
		return e.source(host)
	}
	return e.location
}

// within lists the parts below a path that have tables of their own.
func within(own []registryEntry, path string) []string {
	var parts []string
	for _, e := range own {
		if e.prefix.path != path && below(e.prefix.path, path) {
			parts = append(parts, e.prefix.path)
		}
	}
	return parts
}

// isInsecure asks every table in which a host is dialled. A host that is
// insecure for one of its users would be so for the other.
func isInsecure(entries []registryEntry, host string) (bool, error) {
	var yes, no *position
	say := func(insecure bool, at position) {
		if insecure {
			yes = &at
		} else {
			no = &at
		}
	}
	for _, e := range entries {
		if e.blocked {
			continue // nothing is dialled for it
		}
		if e.location.host == host {
			say(e.insecure, e.at)
		}
		for _, m := range e.mirrors {
			if m.location.host == host {
				say(m.insecure, m.at)
			}
		}
	}
	for _, e := range tablesOf(entries, host) {
		if e.location == (place{}) && !e.blocked {
			say(e.insecure, e.at)
		}
	}
	if yes != nil && no != nil {
		return false, yes.errorf("%s is insecure here and not at %s: TLS is a setting of the whole host, say the same in both", host, no)
	}
	return yes != nil, nil
}
