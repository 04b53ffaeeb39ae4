package version

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Constraint is a range of versions. The zero value is every stable version.
// Immutable.
type Constraint struct {
	ranges   *semver.Constraints
	spelling string
}

// ParseConstraint reads a range as Helm does: 1.x, ^1.2, ~1.2.3, ">=1, <2",
// "1 - 3", "1 || 3", *. "" is *. A version is a range too: 1.2.3 matches that
// one, in each of its spellings and with any build metadata, and 1.2 every
// 1.2.x; see IsExact.
//
// Pre-releases match only between bounds of which one is a pre-release, as in
// ">=1.2.0-0"; see WithPrereleases.
func ParseConstraint(s string) (Constraint, error) {
	text := strings.TrimSpace(s)
	if text == "" || text == "*" {
		return Constraint{spelling: s}, nil
	}
	ranges, err := semver.NewConstraint(text)
	if err != nil {
		return Constraint{}, fmt.Errorf("version range %q: %w", shorten(s), err)
	}
	return Constraint{ranges: ranges, spelling: s}, nil
}

// WithPrereleases returns the same range with pre-releases in it.
func (c Constraint) WithPrereleases() Constraint {
	if c.ranges == nil {
		// NewConstraint of a constant that is known to parse.
		c.ranges, _ = semver.NewConstraint("*")
	}
	ranges := *c.ranges
	ranges.IncludePrerelease = true
	return Constraint{ranges: &ranges, spelling: c.spelling}
}

// Check reports whether v is in the range. The zero Version is in none.
func (c Constraint) Check(v Version) bool {
	switch {
	case v.parts == nil:
		return false
	case c.ranges == nil:
		return !v.IsPrerelease()
	}
	return c.ranges.Check(semver.New(v.major, v.minor, v.patch, v.pre, v.metadata))
}

// String returns the spelling that was parsed.
func (c Constraint) String() string { return c.spelling }

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
