package chart

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// cosignTags end the tags under which cosign keeps what belongs to a manifest,
// unless it is told to use referrers (sigstore/cosign, SIGNATURE_SPEC.md).
var cosignTags = []string{".sig", ".att", ".sbom"}

// referrers copies what refers to the manifests of this copy, and lists it.
func (x *copier) referrers(ctx context.Context, root *copyRoot) ([]ocispec.Descriptor, error) {
	subjects := []ocispec.Descriptor{root.desc}
	if isIndex(root.desc.MediaType) {
		m, err := ocijson.Parse(root.data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", ErrInvalidManifest, shown(err.Error()))
		}
		subjects = append(subjects, m.Manifests...)
	}
	if len(subjects) > maxCopied {
		return nil, fmt.Errorf("copy: index of %d manifests: %w", len(subjects)-1, ErrTooLarge)
	}
	for _, subject := range subjects {
		if err := checkDescriptor(subject); err != nil {
			return nil, err
		}
	}
	var all []ocispec.Descriptor
	for _, subject := range subjects {
		found, err := x.referrersOf(ctx, subject, 1)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	for _, subject := range subjects {
		for _, suffix := range cosignTags {
			found, err := x.cosign(ctx, registry.ReferrersTag(subject.Digest)+suffix)
			if err != nil {
				return nil, err
			}
			if found != nil {
				all = append(all, *found)
			}
		}
	}
	return all, nil
}

// referrersOf copies the referrers of one manifest, and theirs.
func (x *copier) referrersOf(ctx context.Context, subject ocispec.Descriptor, depth int) ([]ocispec.Descriptor, error) {
	if depth > maxCopyDepth {
		return nil, fmt.Errorf("%s is a referrer of referrers, more than %d deep: %w", subject.Digest, maxCopyDepth, ErrTooLarge)
	}
	lister, ok := x.src.(registry.ReferrerLister)
	if !ok {
		return nil, nil
	}
	var list []ocispec.Descriptor
	for d, err := range registry.Referrers(ctx, lister, subject, "") {
		if err != nil {
			return nil, wrapEnd("list referrers", x.from.WithDigest(subject.Digest), err)
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		return nil, nil
	}
	listed, err := x.listed(ctx, subject)
	if err != nil {
		return nil, err
	}
	var all []ocispec.Descriptor
	for _, d := range list {
		taken, err := x.referrer(ctx, subject, d, listed[d.Digest])
		if err != nil {
			return nil, err
		}
		if !taken {
			continue
		}
		all = append(all, d)
		below, err := x.referrersOf(ctx, d, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// listed are the referrers that the target knows of already. One that it has
// and does not list was interrupted, and is sent again.
func (x *copier) listed(ctx context.Context, subject ocispec.Descriptor) (map[digest.Digest]bool, error) {
	found := map[digest.Digest]bool{}
	lister, ok := x.dst.(registry.ReferrerLister)
	if !ok {
		return found, nil
	}
	for d, err := range registry.Referrers(ctx, lister, subject, "") {
		if errors.Is(err, registry.ErrNotFound) {
			break // the repository is not there before its first manifest
		}
		if err != nil {
			return nil, wrapEnd("list referrers", x.to.WithDigest(subject.Digest), err)
		}
		found[d.Digest] = true
	}
	return found, nil
}

// referrer copies one referrer, unless the target lists it. What does not say
// itself that it refers to the subject is left: the list is anybody's word.
func (x *copier) referrer(ctx context.Context, subject, desc ocispec.Descriptor, listed bool) (taken bool, err error) {
	if first, err := x.first(desc.Digest); !first || err != nil {
		return false, err
	}
	if listed {
		x.existed.Add(desc.Size)
		return true, nil
	}
	data, err := x.read(ctx, x.src, x.from, desc)
	if err != nil {
		return false, err
	}
	m, err := ocijson.Parse(data)
	if err != nil || !m.RefersTo(subject.Digest) {
		return false, nil
	}
	if err := x.below(ctx, desc, data, 1); err != nil {
		return false, err
	}
	return true, x.put(ctx, desc, data, "")
}

// cosign copies what a tag of cosign names, if there is such a tag.
func (x *copier) cosign(ctx context.Context, tag string) (*ocispec.Descriptor, error) {
	desc, err := x.src.Resolve(ctx, tag)
	if err != nil {
		if err = wrapEnd("resolve", x.from.WithTag(tag), err); errors.Is(err, registry.ErrNotFound) {
			err = nil
		}
		return nil, err
	}
	there, err := x.dst.Resolve(ctx, tag)
	if err = wrapEnd("resolve", x.to.WithTag(tag), err); err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	if err == nil && there.Digest == desc.Digest {
		x.existed.Add(desc.Size)
		return &desc, nil
	}
	data, rerr := x.read(ctx, x.src, x.from, desc)
	if rerr != nil {
		return nil, rerr
	}
	if err == nil && !x.options.Force {
		if err := x.keeps(ctx, tag, data, there); err != nil {
			return nil, err
		}
	}
	if _, err := x.first(desc.Digest); err != nil {
		return nil, err
	}
	if err := x.below(ctx, desc, data, 1); err != nil {
		return nil, err
	}
	return &desc, x.put(ctx, desc, data, tag)
}

// keeps refuses to replace signatures by others: each is a layer, and the
// source must have them all.
func (x *copier) keeps(ctx context.Context, tag string, data []byte, there ocispec.Descriptor) error {
	old, err := x.read(ctx, x.dst, x.to, there)
	if err != nil {
		return err
	}
	was, err := ocijson.Parse(old)
	if err == nil {
		var is *ocijson.Manifest
		if is, err = ocijson.Parse(data); err == nil && coversAll(is, was) {
			return nil
		}
	}
	return x.refuse(x.to.WithTag(tag), registry.ErrExists,
		fmt.Errorf("it has signatures that the source does not have (%s)", there.Digest), "force it to replace them")
}

// coversAll tells whether every layer of one manifest is in the other.
func coversAll(all, some *ocijson.Manifest) bool {
	has := map[digest.Digest]bool{}
	for _, d := range all.Layers {
		has[d.Digest] = true
	}
	for _, d := range some.Layers {
		if !has[d.Digest] {
			return false
		}
	}
	return len(some.Layers) > 0
}
