package chart

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// ErrNoMatch: no version in the repository is what was asked for. The error
// is a *NoMatchError, which names what exists; it matches
// registry.ErrNotFound too.
var ErrNoMatch = errors.New("no version matches")

// NoMatchError tells what was asked for and what is there.
type NoMatchError struct {
	// Reference names the repository; zero for one that is no registry's.
	Reference registry.Reference
	// Wanted is the tag, version or range; empty: the newest stable version.
	Wanted string
	// Versions are those that exist, newest first; empty: none at all.
	Versions []Version
	// Offline tells that the client is offline: Versions are those that its
	// cache has, and the registry may have others.
	Offline bool
}

// named is how many versions a message names.
const named = 5

func (e *NoMatchError) Error() string {
	var b strings.Builder
	if e.Reference.Host != "" { // a layout is none
		b.WriteString(e.Reference.Name() + ": ")
	}
	switch {
	case e.Wanted == "" && len(e.Versions) > 0:
		b.WriteString("no stable version, only pre-releases, which must be asked for")
	case e.Wanted == "":
		b.WriteString("no stable version")
	case version.IsExact(e.Wanted) || registry.ValidTag(e.Wanted):
		fmt.Fprintf(&b, "no version or tag %s", e.Wanted)
	default:
		fmt.Fprintf(&b, "no version matches %q", e.Wanted)
	}
	if e.Offline {
		b.WriteString(" in the cache, which was asked offline")
	}
	if len(e.Versions) == 0 {
		b.WriteString("; no tag of the repository is a version")
		return b.String()
	}
	b.WriteString("; there are ")
	for i, v := range e.Versions[:min(named, len(e.Versions))] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.Version)
	}
	if more := len(e.Versions) - named; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// Unwrap makes every NoMatchError match ErrNoMatch and registry.ErrNotFound,
// and one of an offline client ErrNotCached.
func (e *NoMatchError) Unwrap() []error {
	all := []error{ErrNoMatch, registry.ErrNotFound}
	if e.Offline {
		all = append(all, ErrNotCached)
	}
	return all
}
