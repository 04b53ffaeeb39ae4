package chart

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

var aliasPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// Validate checks the rules that Helm checks when it loads a chart: apiVersion,
// name and version are there, the name can be a directory's, the version is
// semantic, the type is known, no list holds a null, and no two dependencies
// share a name or alias. The apiVersion may be any: Package wants v1 or v2.
//
// It changes nothing in m. Its error is a *MetadataError for the first rule
// that is broken; a nil m is one.
func (m *Metadata) Validate() error {
	if m == nil {
		return &MetadataError{Problem: "chart metadata is missing"}
	}
	for _, f := range []struct{ field, value string }{{"apiVersion", m.APIVersion}, {"name", m.Name}, {"version", m.Version}} {
		if f.value == "" {
			return &MetadataError{Field: f.field, Problem: "is missing"}
		}
	}
	// A backslash separates directories on Windows, where Helm refuses it too.
	if m.Name == "." || m.Name == ".." || strings.ContainsAny(m.Name, `/\`) {
		return &MetadataError{Field: "name", Value: m.Name, Problem: "cannot be the name of a directory"}
	}
	if _, err := semver.NewVersion(m.Version); err != nil {
		return &MetadataError{Field: "version", Value: m.Version, Problem: "is not a semantic version such as 1.2.3"}
	}
	switch m.Type {
	case "", "application", "library":
	default:
		return &MetadataError{Field: "type", Value: m.Type, Problem: `is neither "application" nor "library"`}
	}
	for i, p := range m.Maintainers {
		if p == nil {
			return &MetadataError{Field: fmt.Sprintf("maintainers[%d]", i), Problem: "is null"}
		}
	}
	return m.validateDependencies()
}

func (m *Metadata) validateDependencies() error {
	seen := make(map[string]bool, len(m.Dependencies))
	for i, d := range m.Dependencies {
		field := fmt.Sprintf("dependencies[%d]", i)
		if d == nil {
			return &MetadataError{Field: field, Problem: "is null"}
		}
		key := printable(d.Name)
		if d.Alias != "" {
			if !aliasPattern.MatchString(d.Alias) {
				return &MetadataError{Field: field + ".alias", Value: d.Alias, Problem: "has other characters than letters, digits, _ and -"}
			}
			key = d.Alias
		}
		if seen[key] {
			return &MetadataError{Field: field, Value: key, Problem: "has the name or alias of another dependency; give it an alias of its own"}
		}
		seen[key] = true
	}
	return nil
}
