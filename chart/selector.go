package chart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// Selector chooses among the versions of a repository, where the reference
// does not say it all. The zero Selector is the newest stable version.
type Selector struct {
	// Version is a version ("1.2.3", "v1.2.3"), a range of them in Helm's
	// syntax ("^1.2", ">=1, <2", "1.x"), or, where it is neither, a tag such as
	// "latest". A version is taken as a tag first and then looked for in other
	// spellings; of a short one ("1.2", "1") that is no tag, the newest of its
	// series is taken, as from a classic repository.
	Version string
	// Prereleases lets pre-releases match a range that names none.
	Prereleases bool
	// Chart is the name that the chart must have, by the title of its manifest
	// (annotation org.opencontainers.image.title). It chooses where a tag names
	// an image index with several charts; elsewhere it only checks, and passes a
	// manifest that says no name. Empty: any.
	Chart string
}

// How a reference and a selector were resolved.
const (
	ByDigest  = "digest"  // the reference's digest decided
	ByTag     = "tag"     // the reference's tag, or the selector's version as a tag
	ByVersion = "version" // a tag that spells the selector's version otherwise
	ByRange   = "range"   // the newest version in the selector's range
	ByNewest  = "newest"  // the newest version
)

// choice is an object, a tag or a digest, how it was chosen, and, where that was
// from the tag list, where that came from.
type choice struct {
	object, how string
	listing     cache.Listing
}

// in returns ref with what was chosen.
func (ch choice) in(ref registry.Reference) registry.Reference {
	if ch.how == ByDigest {
		return ref
	}
	return ref.WithTag(ch.object)
}

// choose finds the object that ref and sel mean and calls use with it. use
// makes the requests, so that a tag which exists costs none of its own; when
// it does not find a version's tag, its other spellings are looked for.
func choose(ctx context.Context, src registry.TagLister, ref registry.Reference, sel Selector, use func(choice) error) error {
	registry.TellStep(ctx, registry.Step{Kind: registry.StepResolve, Reference: ref, Host: ref.Host})
	if v := registry.VersionOfTag(sel.Version); version.IsExact(v) {
		sel.Version = v // a version may be spelled as its tag
	}
	switch {
	case ref.Digest != "":
		if sel.Version != "" {
			return conflict(ref, sel, "a digest leaves nothing to select")
		}
		return use(choice{object: ref.Digest.String(), how: ByDigest})
	case ref.Tag != "":
		if err := checkTagAgainst(ref, sel); err != nil {
			return err
		}
		err := use(choice{object: ref.Tag, how: ByTag})
		return withVersions(ctx, src, ref, ref.Tag, err)
	case version.IsExact(sel.Version):
		return chooseVersion(ctx, src, ref, sel, use)
	case isTag(sel.Version):
		tag := registry.TagOfVersion(sel.Version)
		return withVersions(ctx, src, ref, tag, use(choice{object: tag, how: ByTag}))
	}
	found, err := newest(ctx, src, ref, sel)
	if err != nil {
		return err
	}
	return use(found)
}

// isTag tells what can only be a tag.
func isTag(text string) bool {
	_, err := version.ParseConstraint(text)
	return err != nil && registry.ValidTag(registry.TagOfVersion(text))
}

// chooseVersion tries the version as a tag; only if there is none are the
// tags listed for the same version in another spelling, or, for a short one,
// for those that it begins.
func chooseVersion(ctx context.Context, src registry.TagLister, ref registry.Reference, sel Selector, use func(choice) error) error {
	tag := registry.TagOfVersion(sel.Version)
	err := error(registry.ErrNotFound)
	if registry.ValidTag(tag) {
		err = use(choice{object: tag, how: ByTag})
	}
	if !errors.Is(err, registry.ErrNotFound) || isPartly(err) {
		return err
	}
	wanted, perr := version.Parse(sel.Version)
	if perr != nil {
		return perr
	}
	in, how := func(v version.Version) bool { return version.SameVersion(v, wanted) }, ByVersion
	if begins(sel.Version) {
		how = ByRange
		if in, perr = inRange(sel.Version, sel.Prereleases); perr != nil {
			return perr
		}
	}
	fits := func(t tagged) bool { return in(t.parsed) && t.tag != tag }
	all, listing, lerr := search(ctx, src, fits)
	if lerr != nil {
		return err
	}
	sorted := newestFirst(all)
	for _, candidate := range sorted {
		if fits(tagged{candidate.Tag, candidate.parsed}) {
			return use(choice{candidate.Tag, how, listing})
		}
	}
	return &NoMatchError{Reference: ref.Repo(), Wanted: sel.Version, Versions: sorted}
}

// begins tells a version of one or two numbers alone: 1, v1.2.
func begins(text string) bool {
	return strings.Trim(text, "v0123456789.") == "" && strings.Count(text, ".") < 2
}

// newest finds the newest version in the selector's range.
func newest(ctx context.Context, src registry.TagLister, ref registry.Reference, sel Selector) (choice, error) {
	in, err := inRange(sel.Version, sel.Prereleases)
	if err != nil {
		return choice{}, err
	}
	all, listing, err := search(ctx, src, func(t tagged) bool { return in(t.parsed) })
	if err != nil {
		return choice{}, err
	}
	var found tagged
	for _, t := range all {
		if version.Compare(found.parsed, t.parsed) < 0 && in(t.parsed) {
			found = t
		}
	}
	if found.parsed.IsZero() {
		return choice{}, &NoMatchError{Reference: ref.Repo(), Wanted: sel.Version, Versions: newestFirst(all)}
	}
	how := ByNewest
	if sel.Version != "" {
		how = ByRange
	}
	return choice{found.tag, how, listing}, nil
}

// inRange reads a range, empty for all stable versions.
func inRange(text string, prereleases bool) (func(version.Version) bool, error) {
	constraint, err := version.ParseConstraint(text)
	if err != nil {
		return nil, &registry.Error{Op: "select", Kind: registry.ErrInvalidReference, Err: err}
	}
	if prereleases {
		constraint = constraint.WithPrereleases()
	}
	return constraint.Check, nil
}

// checkTagAgainst refuses a selector that contradicts the tag beside it.
func checkTagAgainst(ref registry.Reference, sel Selector) error {
	if sel.Version == "" {
		return nil
	}
	if registry.TagOfVersion(sel.Version) == ref.Tag {
		return nil
	}
	tagged, err := version.Parse(registry.VersionOfTag(ref.Tag))
	if err != nil {
		return conflict(ref, sel, "its tag is no version")
	}
	in, err := inRange(sel.Version, true)
	if err != nil {
		return err
	}
	if !in(tagged) {
		return conflict(ref, sel, "its tag is another version")
	}
	return nil
}

func conflict(ref registry.Reference, sel Selector, why string) error {
	return &registry.Error{Op: "select", Reference: ref, Kind: registry.ErrInvalidReference,
		Err: fmt.Errorf("version %q beside it: %s", sel.Version, why), Hint: "give one of the two"}
}

// withVersions turns a tag that was not found into an error that names what
// exists. When the list cannot be had either, the first error stands.
func withVersions(ctx context.Context, src registry.TagLister, ref registry.Reference, wanted string, err error) error {
	if !errors.Is(err, registry.ErrNotFound) || isPartly(err) {
		return err
	}
	all, lerr := listVersions(ctx, src)
	if lerr != nil || len(all) == 0 {
		return err
	}
	return &NoMatchError{Reference: ref.Repo(), Wanted: wanted, Versions: all}
}
