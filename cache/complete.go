package cache

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// Complete fetches what is not here of the manifest root and of all that it
// names, directly and through other manifests: a pull leaves behind what it
// does not need. What is here is verified whole. What refers to the manifest is
// not part of it.
//
// The error is an *IncompleteError, which matches registry.ErrNotFound, when
// the source lacks content, or when it is not here and the policy is offline:
// it names all of it, and what could be had has been kept. Content that cannot
// be kept is an error, unlike in reads, as are manifests that cannot be read,
// that name more than 20,000 contents, or that are nested more than four deep.
// Others are those of Fetch.
func (s *Source) Complete(ctx context.Context, root ocispec.Descriptor) error {
	c := &closure{bring: s.bring}
	if err := c.add(ctx, s.ref.WithDigest(root.Digest), root); err != nil {
		return err
	}
	if len(c.missing) > 0 {
		return &IncompleteError{Op: "complete", Missing: c.missing, offline: s.policy.Offline}
	}
	return nil
}

// bring makes content be here, verified.
func (s *Source) bring(ctx context.Context, desc ocispec.Descriptor) (manifest []byte, err error) {
	if err := checkDescriptor(desc); err != nil {
		return nil, err
	}
	if ocijson.IsManifest(desc.MediaType) {
		manifest, err = s.manifest(ctx, s.ref.WithDigest(desc.Digest), desc)
	} else {
		var content *Content
		if content, err = s.Open(ctx, desc); err == nil {
			err = content.Close()
		}
	}
	if err == nil && !s.store.has(desc) {
		err = s.unkept(desc)
	}
	return manifest, err
}

// unkept is the error of content that was fetched and is not here all the same.
// The log says why.
func (s *Source) unkept(desc ocispec.Descriptor) error {
	err := errors.New("the cache cannot be written")
	if s.store.dir == "" {
		err = errNone
	}
	return registry.WrapError("keep", s.ref.WithDigest(desc.Digest), err)
}
