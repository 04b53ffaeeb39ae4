// Package version reads and orders chart versions: semantic versions in the
// spellings that charts carry, in an order that never depends on what came in
// first, and ranges of them with Helm's meaning.
package version

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// MaxLength bounds a version's spelling, in bytes. A tag has at most 128 (OCI
// distribution spec 1.1, Pull); classic repositories may hold longer ones.
const MaxLength = 256

// Version is a semantic version as it was spelled. The zero value is no
// version: it prints as "" and comes before all others. Immutable.
type Version struct{ *parts }

// Parse reads a semantic version: 1.2.3, 1.2.3-rc.1+build.5, and the shorter
// spellings that charts in the wild have: v1.2.3, 1.2, 1, 2024.01.05. The `_`
// that stands for `+` in tags is not read here.
func Parse(s string) (Version, error) {
	if len(s) > MaxLength {
		return Version{}, fmt.Errorf("version %q…: longer than %d bytes", s[:32], MaxLength)
	}
	p, ok := scan(s)
	if !ok {
		v, err := semver.NewVersion(s)
		if err != nil {
			return Version{}, fmt.Errorf("version %q: %w", s, err)
		}
		p = parts{v.Major(), v.Minor(), v.Patch(), v.Prerelease(), v.Metadata(), s, isShort(s)}
	}
	return Version{&p}, nil
}

// IsExact tells a version from a range: 1.2.3 and v1.2 name one version; 1.x,
// ^1, ">=1, <2" and * name many, and so does "", the newest stable one. What
// is neither, such as latest, is not exact.
func IsExact(s string) bool {
	_, err := Parse(s)
	return err == nil
}

// String returns the spelling that was parsed.
func (v Version) String() string {
	if v.parts == nil {
		return ""
	}
	return v.spelling
}

// Canonical returns the full spelling: 1.2.0 for v1.2.
func (v Version) Canonical() string {
	if v.parts == nil {
		return ""
	}
	text := v.Series() + "." + strconv.FormatUint(v.patch, 10)
	if v.pre != "" {
		text += "-" + v.pre
	}
	if v.metadata != "" {
		text += "+" + v.metadata
	}
	return text
}

// IsZero reports whether v is the zero value.
func (v Version) IsZero() bool { return v.parts == nil }

// IsPrerelease reports whether v has a pre-release part, as 1.2.3-rc.1 has.
func (v Version) IsPrerelease() bool { return v.parts != nil && v.pre != "" }

// IsShort reports whether v is spelled with fewer than three numbers, as 1.2 and
// v1.2-rc.1 are.
func (v Version) IsShort() bool { return v.parts == nil || v.short }

func isShort(spelling string) bool {
	if end := strings.IndexAny(spelling, "+-"); end >= 0 {
		spelling = spelling[:end]
	}
	return strings.Count(spelling, ".") < 2
}

// Series is the first two numbers: "1.2" of 1.2.9 and of v1.2; "" of the zero
// value.
func (v Version) Series() string {
	if v.parts == nil {
		return ""
	}
	return strconv.FormatUint(v.major, 10) + "." + strconv.FormatUint(v.minor, 10)
}

// SameVersion reports whether a and b spell one version: v1.2.3 is 1.2.3 and
// 1.2 is 1.2.0. Build metadata counts: 1.2.3+a is not 1.2.3+b, since the two
// may hold different charts.
func SameVersion(a, b Version) bool { return a.Canonical() == b.Canonical() }

// Compare orders versions, and is 0 only for equal spellings. First decides
// the precedence of semver 2.0.0 §11; then build metadata, which semver leaves
// unordered, none being the lowest and its identifiers comparing as those of a
// pre-release do (b.10 is above b.2); then the spelling, the canonical one
// being the highest, so that a list with the newest first puts 1.2.0 before
// 1.2 and v1.2.0.
func Compare(a, b Version) int {
	if a.parts == nil || b.parts == nil {
		return cmp.Compare(len(a.String()), len(b.String()))
	}
	// One after the other: cmp.Or would spell both out each time, and a list of
	// 10,000 is compared a hundred thousand times.
	if c := cmp.Compare(a.major, b.major); c != 0 {
		return c
	}
	if c := cmp.Compare(a.minor, b.minor); c != 0 {
		return c
	}
	if c := cmp.Compare(a.patch, b.patch); c != 0 {
		return c
	}
	if c := comparePrereleases(a.pre, b.pre); c != 0 {
		return c
	}
	if c := compareIdentifiers(a.metadata, b.metadata); c != 0 {
		return c
	}
	return compareSpellings(a, b)
}

func comparePrereleases(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	return compareIdentifiers(a, b)
}

// compareIdentifiers orders dot-separated identifiers as semver 2.0.0 §11.4
// orders those of a pre-release. "" has none and comes first.
func compareIdentifiers(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareIdentifier(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b)) // one of them is empty: the longer list is higher
}

// compareIdentifier compares numbers as digits: they may exceed any integer,
// and semver.Version.Compare takes those that do for words.
func compareIdentifier(a, b string) int {
	switch na, nb := isNumber(a), isNumber(b); {
	case na && nb:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case na:
		return -1
	case nb:
		return 1
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func compareSpellings(a, b Version) int {
	switch {
	case a.spelling == b.spelling:
		return 0
	case a.spelling == a.Canonical():
		return 1
	case b.spelling == b.Canonical():
		return -1
	}
	return cmp.Compare(b.spelling, a.spelling)
}
