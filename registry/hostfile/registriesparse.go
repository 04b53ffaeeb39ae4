package hostfile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portolan-oci/portolan/registry"
)

// registriesTOML is version 2 of registries.conf.
type registriesTOML struct {
	Search            []string          `toml:"unqualified-search-registries"`
	Registries        []registryTOML    `toml:"registry"`
	Aliases           map[string]string `toml:"aliases"`
	ShortNameMode     string            `toml:"short-name-mode"`
	CredentialHelpers []string          `toml:"credential-helpers"`
	AuthHelper        string            `toml:"additional-layer-store-auth-helper"`
	Version1          any               `toml:"registries"`
}

type registryTOML struct {
	Prefix             string       `toml:"prefix"`
	Location           string       `toml:"location"`
	Insecure           bool         `toml:"insecure"`
	Blocked            bool         `toml:"blocked"`
	MirrorByDigestOnly bool         `toml:"mirror-by-digest-only"`
	Mirrors            []mirrorTOML `toml:"mirror"`
}

type mirrorTOML struct {
	Location       string `toml:"location"`
	Insecure       bool   `toml:"insecure"`
	PullFromMirror string `toml:"pull-from-mirror"`
}

// registryEntry is one [[registry]], understood.
type registryEntry struct {
	at       position
	wildcard bool  // of all hosts that end in "." and prefix.host
	prefix   place // what it is about
	location place // where that is; zero: where it says itself
	insecure bool
	blocked  bool
	mirrors  []mirrorEntry
}

type mirrorEntry struct {
	at       position
	location place
	insecure bool
	tags     bool
}

// parsed is one file.
type parsedRegistries struct {
	search  []string // nil: it does not say
	aliases map[string]string
	entries []registryEntry
}

func parseRegistries(file string, data []byte) (*parsedRegistries, error) {
	var t registriesTOML
	d, err := decode(file, data, &t)
	if err != nil {
		return nil, err
	}
	if t.Version1 != nil {
		return nil, d.at("registries").errorf("this is version 1 of the format: write [[registry]] tables instead")
	}
	switch t.ShortNameMode {
	case "", "enforcing", "permissive", "disabled":
	default:
		return nil, d.at("short-name-mode").errorf("short-name-mode %.300q is none of enforcing, permissive and disabled", t.ShortNameMode)
	}
	for i, host := range t.Search {
		if p, err := parsePlace(host); err != nil || p.path != "" {
			return nil, d.at("unqualified-search-registries", strconv.Itoa(i)).errorf("%s is no host to search", shown(host))
		}
	}
	parsed := &parsedRegistries{search: t.Search, aliases: t.Aliases}
	if err := checkAliases(d, t.Aliases); err != nil {
		return nil, err
	}
	seen := map[string]position{}
	for i := range t.Registries {
		e, err := t.Registries[i].entry(d, strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if before, twice := seen[e.key()]; twice {
			return nil, e.at.errorf("a second [[registry]] for %s, after that of line %d", e.key(), before.line)
		}
		seen[e.key()] = e.at
		parsed.entries = append(parsed.entries, e)
	}
	return parsed, nil
}

// checkAliases lets the client judge them that they are for.
func checkAliases(d *document, aliases map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if aliases[name] == "" {
			continue // takes an earlier file's away
		}
		if _, err := registry.NewClient(&registry.Options{Aliases: map[string]string{name: aliases[name]}}); err != nil {
			return d.at("aliases", name).errorf("%w", err)
		}
	}
	return nil
}

// key is the prefix as it is written.
func (e registryEntry) key() string {
	if e.wildcard {
		return "*." + e.prefix.String()
	}
	return e.prefix.String()
}

func (t *registryTOML) entry(d *document, i string) (registryEntry, error) {
	e := registryEntry{at: d.at("registry", i), insecure: t.Insecure, blocked: t.Blocked}
	prefix := t.Prefix
	if prefix == "" {
		prefix = t.Location
	}
	if prefix == "" {
		return e, e.at.errorf("[[registry]] has neither a prefix nor a location")
	}
	rest, wildcard := strings.CutPrefix(prefix, "*.")
	var err error
	if e.prefix, err = parsePrefix(rest, wildcard); err != nil {
		return e, d.at("registry", i, "prefix").errorf("%w", err)
	}
	e.wildcard = wildcard
	switch {
	case t.Location != "":
		if e.location, err = parsePlace(t.Location); err != nil {
			return e, d.at("registry", i, "location").errorf("%w", err)
		}
	case !wildcard:
		return e, e.at.errorf("[[registry]] for %s has no location", e.prefix)
	}
	for j := range t.Mirrors {
		m, err := t.Mirrors[j].entry(d, t.MirrorByDigestOnly, i, strconv.Itoa(j))
		if err != nil {
			return e, err
		}
		e.mirrors = append(e.mirrors, m)
	}
	return e, nil
}

func parsePrefix(s string, wildcard bool) (place, error) {
	if !wildcard {
		return parsePlace(s)
	}
	// *.com has no dot beneath, which a host has: any name before it does.
	p, err := parsePlace("any." + s)
	if err != nil || p.path != "" {
		return place{}, fmt.Errorf("%s is no pattern of hosts, such as *.example.com", shown("*."+s))
	}
	return place{host: strings.TrimPrefix(p.host, "any.")}, nil
}

func (t *mirrorTOML) entry(d *document, digestOnly bool, i, j string) (mirrorEntry, error) {
	m := mirrorEntry{at: d.at("registry", i, "mirror", j), insecure: t.Insecure, tags: !digestOnly}
	var err error
	if m.location, err = parsePlace(t.Location); err != nil {
		return m, d.at("registry", i, "mirror", j, "location").errorf("mirror %w", err)
	}
	at := d.at("registry", i, "mirror", j, "pull-from-mirror")
	switch t.PullFromMirror {
	case "":
		return m, nil
	case "all", "tag-only":
	case "digest-only":
		m.tags = false
	default:
		return m, at.errorf("pull-from-mirror %.300q is none of all, digest-only and tag-only", t.PullFromMirror)
	}
	if digestOnly {
		return m, at.errorf("pull-from-mirror beside the mirror-by-digest-only of line %d: keep one of them", d.at("registry", i, "mirror-by-digest-only").line)
	}
	return m, nil
}
