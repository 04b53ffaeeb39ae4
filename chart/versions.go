package chart

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// Version is one version of a chart, as a tag of its repository.
type Version struct {
	// Version is the tag read as a version, "+" for "_": "1.0.0+build.1".
	Version string `json:"version"`
	// Tag is the tag itself.
	Tag string `json:"tag"`

	parsed version.Version
}

// VersionOptions choose what Versions lists. The zero value is every stable
// version.
type VersionOptions struct {
	// Version is a range in Helm's syntax, or a version; empty is all.
	Version string
	// Prereleases lists pre-releases too.
	Prereleases bool
}

// Versions lists the versions of the repository that ref names, newest first,
// in a total order: semantic precedence, then build metadata, then spelling.
// Tags that are no versions are left out: latest, signatures, single numbers,
// and short tags such as 1.2 beside the full versions that they stand for.
// It costs the pages of the tag list, and starts once they are read. An error
// is yielded once and ends the sequence; no version at all is an empty one.
func (c *Client) Versions(ctx context.Context, ref registry.Reference, options VersionOptions) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		all, err := c.versions(ctx, ref, options)
		if err != nil {
			yield(Version{}, err)
			return
		}
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (c *Client) versions(ctx context.Context, ref registry.Reference, options VersionOptions) ([]Version, error) {
	in, err := inRange(options.Version, options.Prereleases)
	if err != nil {
		return nil, err
	}
	src, err := c.source(ref)
	if err != nil {
		return nil, err
	}
	all, err := listVersions(ctx, src)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v Version) bool { return !in(v.parsed) }), nil
}

// listVersions reads the whole tag list: registries do not sort by version.
func listVersions(ctx context.Context, src registry.TagLister) ([]Version, error) {
	var all []Version
	for tag, err := range registry.Tags(ctx, src) {
		if err != nil {
			return nil, err
		}
		if v, ok := versionOf(tag); ok {
			all = append(all, v)
		}
	}
	all = withoutFloating(all)
	slices.SortFunc(all, func(a, b Version) int { return version.Compare(b.parsed, a.parsed) })
	return slices.CompactFunc(all, func(a, b Version) bool { return a.Tag == b.Tag }), nil
}

// withoutFloating drops short tags, such as 1.2, under which there is a full
// version, such as 1.2.9: beside one, they name the newest of a series, as with
// images, and 1.2.0 would be the wrong reading.
func withoutFloating(all []Version) []Version {
	full := map[string]bool{}
	for _, v := range all {
		if !v.short() {
			full[v.series()] = true
		}
	}
	return slices.DeleteFunc(all, func(v Version) bool { return v.short() && full[v.series()] })
}

// series is the first two numbers: "1.2" of 1.2.9 and of v1.2.
func (v Version) series() string {
	major, rest, _ := strings.Cut(v.parsed.Canonical(), ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

// short tells a version of two numbers, as in 1.2 or v1.2-rc.1.
func (v Version) short() bool {
	numbers, _, _ := strings.Cut(v.Version, "+")
	numbers, _, _ = strings.Cut(numbers, "-")
	return strings.Count(numbers, ".") < 2
}

// maxShortMajor bounds the first of two numbers: above it they are a date or a
// build, as in 20240101.1, and would outrank every version.
const maxShortMajor = 4 // digits

// versionOf reads a tag as a version. A single number is none: dates and
// build numbers are tagged so.
func versionOf(tag string) (Version, bool) {
	if !strings.Contains(tag, ".") {
		return Version{}, false
	}
	text := registry.VersionOfTag(tag)
	parsed, err := version.Parse(text)
	if err != nil {
		return Version{}, false
	}
	v := Version{Version: text, Tag: tag, parsed: parsed}
	if v.short() && strings.Index(v.series(), ".") > maxShortMajor {
		return Version{}, false
	}
	return v, true
}
