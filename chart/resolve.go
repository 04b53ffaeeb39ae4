package chart

import (
	"context"
	"errors"
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// Resolved is what a reference and a selector name at this moment.
type Resolved struct {
	// Reference is pinned: its digest is set, and its tag where one was
	// chosen.
	Reference registry.Reference `json:"reference"`
	// Version is the tag read as a version; empty where there is no tag, or
	// none that is a version.
	Version string `json:"version,omitempty"`
	// Manifest describes the manifest.
	Manifest ocispec.Descriptor `json:"-"`
	// How is one of ByDigest, ByTag, ByVersion, ByRange, ByNewest.
	How string `json:"how"`
	// From tells whether the registry or the cache answered.
	From cache.Origin `json:"origin"`
	// Confirmed is when the registry last said so; zero for a digest.
	Confirmed time.Time `json:"confirmed,omitzero"`
}

// Resolve answers what ref means now: its digest, its tag, or the version
// that selector chooses. It does not look at whether that is a chart. A tag
// costs one HEAD, a range or nothing the tag list besides, a digest that the
// cache holds nothing.
//
// Errors: *NoMatchError; registry.ErrInvalidReference for a selector that is
// no range or contradicts the reference; those of registry.Repository.
func (c *Client) Resolve(ctx context.Context, ref registry.Reference, selector Selector) (*Resolved, error) {
	src, err := c.source(ref)
	if err != nil {
		return nil, err
	}
	var resolved *Resolved
	err = choose(ctx, src, ref, selector, func(ch choice) error {
		res, err := src.Lookup(ctx, ch.object)
		if err != nil {
			return err
		}
		resolved = newResolved(ref, ch, res)
		return nil
	})
	return resolved, err
}

func newResolved(ref registry.Reference, ch choice, res cache.Resolution) *Resolved {
	pinned := ch.in(ref)
	r := &Resolved{
		Reference: pinned.WithDigest(res.Descriptor.Digest),
		Manifest:  res.Descriptor,
		How:       ch.how,
		From:      res.Origin,
		Confirmed: res.Confirmed,
	}
	if v, ok := versionOf(pinned.Tag); ok {
		r.Version = v.Version
	}
	return r
}

// CheckTag asks whether the tag of ref still names the digest beside it, with
// one HEAD. It matches registry.ErrTagMoved when it does not; a tag that is
// gone, or a registry that does not answer, is an error as well. A reference
// without both is registry.ErrInvalidReference.
func (c *Client) CheckTag(ctx context.Context, ref registry.Reference) error {
	if ref.Tag == "" || ref.Digest == "" {
		return &registry.Error{Op: "check tag", Reference: ref, Kind: registry.ErrInvalidReference,
			Err: errors.New("needs a tag and a digest")}
	}
	src, err := c.source(ref)
	if err != nil {
		return err
	}
	res, err := src.Lookup(ctx, ref.Tag)
	if err != nil {
		return err
	}
	if now := res.Descriptor.Digest; now != ref.Digest {
		return &registry.Error{Op: "check tag", Reference: ref, Kind: registry.ErrTagMoved,
			Err: fmt.Errorf("tag %s is now %s", ref.Tag, now)}
	}
	return nil
}
