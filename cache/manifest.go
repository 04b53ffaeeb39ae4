package cache

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// maxManifest bounds manifests: registries should accept 4 MiB (OCI
// distribution spec 1.1, Pushing Manifests), many accept no more. It is 3000
// times the size of a chart's.
const maxManifest = ocijson.MaxSize

// children returns what a manifest names. A subject is not part of what names
// it.
func children(data []byte) ([]ocispec.Descriptor, error) {
	m, err := ocijson.Parse(data)
	if err != nil {
		return nil, err
	}
	all := m.Children()
	for _, desc := range all {
		if err := checkDescriptor(desc); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readManifest reads a manifest that is here, which does not count as its use.
// Errors as for Open.
func (s *Store) readManifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxManifest {
		return nil, tooLarge(desc)
	}
	data, _, err := s.readBlob(ctx, desc.Digest, maxManifest)
	if err != nil {
		return nil, err
	}
	return data, ofSize(data, desc)
}

// useManifest is readManifest as a use. The size is whatever is found.
func (s *Store) useManifest(ctx context.Context, d digest.Digest) ([]byte, error) {
	data, info, err := s.readBlob(ctx, d, maxManifest)
	if err == nil && !used(s.blobPath(d), info) {
		return nil, missing(d)
	}
	return data, err
}

// ofSize refuses good content of another size than its descriptor says.
func ofSize(data []byte, desc ocispec.Descriptor) error {
	if size := int64(len(data)); size != desc.Size {
		return fmt.Errorf("cache: %w", &verify.Error{Want: desc.Digest, WantSize: desc.Size, GotSize: size})
	}
	return nil
}

// describeManifest is what the cache would answer for the digest of a manifest
// that is here, if it is one.
func (s *Store) describeManifest(d digest.Digest, data []byte) (Resolution, error) {
	mediaType, ok := ocijson.Sniff(data)
	if !ok {
		return Resolution{}, missing(d)
	}
	since, _ := s.knows(d)
	return Resolution{
		Descriptor: ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))},
		Origin:     FromCache,
		Fetched:    since,
		Confirmed:  since,
	}, nil
}

// walk calls visit with root and with all that it names, directly and through
// manifests that are here; here tells whether it is. Each digest comes once.
// An error of visit ends the walk and is returned.
func (s *Store) walk(ctx context.Context, root ocispec.Descriptor, visit func(desc ocispec.Descriptor, here bool) error) error {
	here := false
	return eachBelow(ctx, root, func(desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if here = s.has(desc); !here || !ocijson.IsManifest(desc.MediaType) {
			return nil, nil
		}
		data, err := s.readManifest(ctx, desc)
		if here = err == nil; !here {
			return nil, ctx.Err()
		}
		below, err := children(data)
		if err != nil {
			return nil, &registry.Error{Op: "read", Reference: registry.Reference{Digest: desc.Digest}, Err: err}
		}
		return below, nil
	}, func(desc ocispec.Descriptor) error { return visit(desc, here) })
}
