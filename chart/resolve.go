package chart

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// Resolved is what a reference and a selector name at this moment.
type Resolved struct {
	// Reference is pinned: its digest is set, and its tag where one was
	// chosen.
	Reference registry.Reference `json:"reference"`
	// Version is the tag read as a version; empty where a digest decided, and
	// for a tag that is no version.
	Version string `json:"version,omitempty"`
	// Manifest describes what Reference is pinned to: a manifest, or an image
	// index where the tag names one.
	Manifest ocispec.Descriptor `json:"-"`
	// Index is the digest of the image index in which the chart was found that
	// Selector.Chart names; empty: none was looked into.
	Index digest.Digest `json:"index,omitempty"`
	// How is one of ByDigest, ByTag, ByVersion, ByRange, ByNewest.
	How string `json:"how"`
	// From tells whether the registry or the cache answered; cache.FromStale: the
	// cache, because the registry did not, be it for the tag or for the list that
	// it was chosen from.
	From cache.Origin `json:"from"`
	// TagMirror is the mirror that answered for the registry, which may have
	// moved the tag since. Empty: no mirror was asked.
	TagMirror string `json:"tagMirror,omitempty"`
	// Confirmed is when it last said so; zero for a digest.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// Listed is when the registry gave the tag list that the version was chosen
	// from. Zero: from none, or offline from what is in the cache.
	Listed time.Time `json:"listed,omitzero"`
	// Moved is set when the tag is a version's and named another manifest when
	// the cache last heard of it; see cache.Policy.Moved.
	Moved *cache.TagMoved `json:"moved,omitempty"`
}

// Resolve answers what ref means now: its digest, its tag, or the version
// that selector chooses. It does not look at whether that is a chart, nor
// whether anybody vouches for it: Pull of the reference that it returns asks
// the client's Verifier about that very digest, and that version. A tag
// costs one HEAD, a range or nothing the tag list besides, a digest that the
// cache holds nothing; within Policy.MaxAge, tag and list cost nothing too.
//
// A Selector.Chart makes it look, with the requests of Pull less that for the
// archive. For a chart in an image index, Reference is then pinned to the
// chart's own manifest, and has no tag, since the tag names the index.
//
// Errors: *NoMatchError; offline *NotCachedError where the cache knows the tag
// and has not its manifest; with Selector.Chart those of Pull for what stands
// there; registry.ErrInvalidReference for a selector that is
// no range or contradicts the reference; those of registry.Repository.
func (c *Client) Resolve(ctx context.Context, ref registry.Reference, selector Selector) (*Resolved, error) {
	src, err := c.source(ref)
	if err != nil {
		return nil, err
	}
	ctx, told := noteAnswers(ctx)
	resolved, err := resolve(ctx, src, ref, selector)
	if err != nil {
		return nil, c.told(err)
	}
	resolved.TagMirror = told.tagMirror()
	return resolved, nil
}

func resolve(ctx context.Context, src *cache.Source, ref registry.Reference, selector Selector) (resolved *Resolved, err error) {
	if selector.Chart != "" {
		return resolveChart(ctx, src, ref, selector)
	}
	err = choose(ctx, src, ref, selector, func(ch choice) error {
		res, err := src.Lookup(ctx, ch.object)
		if err != nil {
			return manifestNotCached(ctx, err, src, ref, ch)
		}
		resolved = newResolved(ref, ch, res)
		return nil
	})
	return resolved, err
}

// resolveChart pins a chart by its name, also within an image index.
func resolveChart(ctx context.Context, src *cache.Source, ref registry.Reference, selector Selector) (*Resolved, error) {
	there, err := stands(ctx, src, ref, selector)
	if err != nil {
		return nil, err
	}
	at, err := there.chart(ctx, selector.Chart)
	if err != nil {
		return nil, err
	}
	resolved := newResolved(ref, there.choice, there.res)
	if at.index != "" {
		resolved.Reference = ref.Repo().WithDigest(at.manifest.Digest)
		resolved.Manifest, resolved.Index = at.manifest, at.index
	}
	return resolved, nil
}

func newResolved(ref registry.Reference, ch choice, res cache.Resolution) *Resolved {
	pinned := ch.in(ref)
	r := &Resolved{
		Reference: pinned.WithDigest(res.Descriptor.Digest),
		Manifest:  res.Descriptor,
		How:       ch.how,
		From:      res.Origin,
	}
	if ch.how == ByDigest {
		return r // its tag, if any, is a remark that nobody checked
	}
	r.Confirmed, r.Moved, r.Listed = res.Confirmed, res.Moved, ch.listing.Listed
	if ch.listing.Origin == cache.FromStale {
		r.From = cache.FromStale
	}
	if v, ok := versionOf(pinned.Tag); ok {
		r.Version = v.Version
	}
	return r
}

// CheckTag asks whether the tag of ref still names the digest beside it, with
// one HEAD of the origin, whatever the cache's policy and the mirrors. It matches registry.ErrTagMoved when
// it does not; a tag that is gone, or a registry that does not answer or may
// not be asked, is an error as well. A reference without both is
// registry.ErrInvalidReference.
func (c *Client) CheckTag(ctx context.Context, ref registry.Reference) error {
	if ref.Tag == "" || ref.Digest == "" {
		return &registry.Error{Op: "check tag", Reference: ref, Kind: registry.ErrInvalidReference,
			Err: errors.New("needs a tag and a digest")}
	}
	if c.policy.Offline {
		return &registry.Error{Op: "check tag", Reference: ref, Kind: registry.ErrUnavailable,
			Err: errors.New("only the registry knows, and this client is offline")}
	}
	repo, err := c.registry.Repository(ref)
	if err != nil {
		return err
	}
	desc, err := repo.AtOrigin().Resolve(ctx, ref.Tag)
	if err != nil {
		return err
	}
	if now := desc.Digest; now != ref.Digest {
		return &registry.Error{Op: "check tag", Reference: ref, Kind: registry.ErrTagMoved,
			Err: fmt.Errorf("tag %s is now %s", ref.Tag, now)}
	}
	return nil
}

// Layers reads the manifest that ref names, by its tag or its digest, and
// answers with the chart's parts; no other byte of it is read. It goes through
// the cache: a tag whose manifest is there costs one HEAD, a digest nothing.
// Errors as for Resolve; ErrNotChart and ErrInvalidManifest besides.
func (c *Client) Layers(ctx context.Context, ref registry.Reference) (*Layers, *Resolved, error) {
	if ref.Object() == "" {
		return nil, nil, &registry.Error{Op: "read manifest", Reference: ref, Kind: registry.ErrInvalidReference, Err: errors.New("no tag and no digest")}
	}
	src, err := c.source(ref)
	if err != nil {
		return nil, nil, err
	}
	there, err := stands(ctx, src, ref, Selector{})
	if err != nil {
		return nil, nil, c.told(err)
	}
	at, err := there.chart(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	return at.layers, newResolved(ref, there.choice, there.res), nil
}
