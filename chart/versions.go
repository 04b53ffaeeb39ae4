package chart

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// Version is one version of a chart, as a tag of its repository.
type Version struct {
	// Version is the tag read as a version, "+" for "_": "1.0.0+build.1".
	Version string `json:"version"`
	// Tag is the tag itself.
	Tag string `json:"tag"`

	// The rest is there with VersionOptions.Metadata.

	// Digest is that of what the tag names: a manifest, or an image index.
	Digest digest.Digest `json:"digest,omitempty"`
	// Created is when the chart was made, by its manifest (annotation
	// org.opencontainers.image.created). Zero: the manifest does not say, or not
	// as RFC 3339 writes it.
	Created time.Time `json:"created,omitzero"`
	// OwnVersion is the chart's version by its config where that is another
	// than Version: the tag is wrong (helm#12255). Empty: the same.
	OwnVersion string `json:"ownVersion,omitempty"`
	// Metadata is what the config says; see Pulled.ReadConfig. It is the
	// caller's. nil where Err is not.
	Metadata *Metadata `json:"metadata,omitempty"`
	// Err is why there is no Metadata: the tag names no chart (ErrNotChart,
	// ErrAmbiguous), a broken one (ErrInvalidManifest, ErrInvalidMetadata,
	// registry.ErrDigestMismatch), one that is gone (registry.ErrNotFound), or
	// one that the registry does not give out (registry.ErrDenied). In JSON it
	// is a text, "error".
	Err error `json:"-"`

	parsed version.Version
}

// VersionOptions choose what Versions lists. The zero value is every stable
// version.
type VersionOptions struct {
	// Version is a range in Helm's syntax, or a version; empty is all.
	Version string
	// Prereleases lists pre-releases too.
	Prereleases bool
	// Metadata looks up each version's manifest and config. Of the archive it
	// reads nothing.
	Metadata bool
	// Chart is Selector.Chart, for tags that name an image index. It counts
	// with Metadata only: it leaves no version out.
	Chart string
	// Listed is told where the tag list came from, once, before the first
	// version; not where that cannot be read. nil: nobody is.
	Listed func(cache.Listing)
}

// Versions lists the versions of the repository that ref names, newest first,
// in a total order: semantic precedence, then build metadata, then spelling.
// Tags that are no versions are left out: latest, signatures, single numbers,
// and short tags such as 1.2 beside the full versions that they stand for.
// It costs the pages of the tag list, nothing within Policy.MaxAge of when they
// were last read, and starts once they are read. An error is yielded once and
// ends the sequence; no version at all is an empty one.
//
// Metadata costs two GETs a version through an empty cache, and one HEAD, or
// nothing within Policy.MaxAge, once the cache holds them; one GET more for a
// chart in an image index. Eight versions at a time are looked up, ahead of
// whoever reads: one who stops early has paid for eight more. All of it has
// ended when the loop has.
//
// A version that cannot be described says so in its Err and the listing goes
// on. What would stop all of them ends it: registry.ErrUnauthorized,
// registry.ErrRateLimited, no answer at all (registry.ErrUnavailable without a
// status), and the context's end.
func (c *Client) Versions(ctx context.Context, ref registry.Reference, options VersionOptions) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		src, all, err := c.versions(ctx, ref, options)
		if err != nil {
			yield(Version{}, err)
			return
		}
		if options.Metadata {
			described(ctx, src, ref, options.Chart, all)(yield)
			return
		}
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (c *Client) versions(ctx context.Context, ref registry.Reference, options VersionOptions) (*cache.Source, []Version, error) {
	in, err := inRange(options.Version, options.Prereleases)
	if err != nil {
		return nil, nil, err
	}
	src, err := c.source(ref)
	if err != nil {
		return nil, nil, err
	}
	all, listing, err := search(ctx, src, func(t tagged) bool { return in(t.parsed) })
	if err != nil {
		return nil, nil, err
	}
	if options.Listed != nil {
		options.Listed(listing)
	}
	return src, slices.DeleteFunc(newestFirst(all), func(v Version) bool { return !in(v.parsed) }), nil
}

// tagged is a tag that was read as a version.
type tagged struct {
	tag    string
	parsed version.Version
}

func (t tagged) version() Version {
	return Version{Version: t.parsed.String(), Tag: t.tag, parsed: t.parsed}
}

// listVersions reads the whole tag list, newest version first: registries do
// not sort by version.
func listVersions(ctx context.Context, src registry.TagLister) ([]Version, error) {
	all, _, err := readVersions(ctx, src)
	return newestFirst(all), err
}

// newestFirst sorts what readVersions has read.
func newestFirst(all []tagged) []Version {
	slices.SortFunc(all, func(a, b tagged) int { return version.Compare(b.parsed, a.parsed) })
	all = slices.CompactFunc(all, func(a, b tagged) bool { return a.tag == b.tag })
	list := make([]Version, len(all))
	for i, t := range all {
		list[i] = t.version()
	}
	return list
}

// withoutFloating drops short tags, such as 1.2, under which there is a full
// version, such as 1.2.9: beside one, they name the newest of a series, as with
// images, and 1.2.0 would be the wrong reading.
func withoutFloating(all []tagged) []tagged {
	full := map[string]bool{} // by the series of the short ones: whether there is one
	for _, t := range all {
		if t.parsed.IsShort() {
			full[t.parsed.Series()] = false
		}
	}
	if len(full) == 0 {
		return all
	}
	for _, t := range all {
		if series := t.parsed.Series(); !t.parsed.IsShort() {
			if _, short := full[series]; short {
				full[series] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(t tagged) bool { return t.parsed.IsShort() && full[t.parsed.Series()] })
}

// maxShortMajor bounds the first of two numbers: above it they are a date or a
// build, as in 20240101.1, and would outrank every version.
const maxShortMajor = 4 // digits

// versionOf reads a tag as a version.
func versionOf(tag string) (Version, bool) {
	parsed, ok := parseTag(tag)
	if !ok {
		return Version{}, false
	}
	return tagged{tag, parsed}.version(), true
}

// parseTag reads a tag as a version. A single number is none: dates and build
// numbers are tagged so; nor is what no registry could be asked for.
func parseTag(tag string) (version.Version, bool) {
	if !beginsVersion(tag) || !strings.Contains(tag, ".") || !registry.ValidTag(tag) {
		return version.Version{}, false
	}
	parsed, err := version.Parse(registry.VersionOfTag(tag))
	if err != nil || parsed.IsShort() && strings.Index(parsed.Series(), ".") > maxShortMajor {
		return version.Version{}, false
	}
	return parsed, true
}

// beginsVersion tells most tags that are none, such as latest and those of
// signatures, before they are read.
func beginsVersion(tag string) bool {
	return tag != "" && (tag[0] == 'v' || tag[0] >= '0' && tag[0] <= '9')
}
