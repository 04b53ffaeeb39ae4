package cache

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

const (
	// maxCarried bounds the contents of one closure, and of one bundle, each of
	// which is remembered in some 300 bytes: 20,000 × 300 bytes = 6 MiB. It is
	// as many as a layout in a tar file may have, and five thousand charts.
	maxCarried = 20_000
	// maxNesting bounds how deep indexes lie in indexes, and referrers refer to
	// referrers; each level holds the list of one manifest in memory, 2.4 MiB at
	// most. The deepest in use is three: a signature of the attestation of an
	// index's chart.
	maxNesting = 4
)

// closure gathers what manifests name, directly and through others, each
// content once and before what names it.
type closure struct {
	// bring makes content be where it is wanted, verified, and returns it if it
	// is a manifest. What it does not find matches registry.ErrNotFound.
	bring func(ctx context.Context, desc ocispec.Descriptor) (manifest []byte, err error)
	// found hears of each manifest, before what it names.
	found func(desc ocispec.Descriptor, m *ocijson.Manifest)

	seen    sighted
	all     []ocispec.Descriptor
	missing []Missing
}

// add gathers the closure of root, for ref. What is missing is noted, and is no
// error.
func (c *closure) add(ctx context.Context, ref registry.Reference, root ocispec.Descriptor) error {
	return c.walk(ctx, ref, root, 0)
}

func (c *closure) walk(ctx context.Context, ref registry.Reference, desc ocispec.Descriptor, depth int) error {
	if c.seen == nil {
		c.seen = sighted{}
	}
	first, fresh := c.seen.meet(desc)
	switch {
	case !fresh:
		return nil
	case len(c.seen) > maxCarried:
		return fmt.Errorf("%s: %w of %d contents", ref, limit.ErrExceeded, maxCarried)
	case depth > maxNesting:
		return fmt.Errorf("%s: manifest %s: %w of %d manifests within each other", ref, desc.Digest, limit.ErrExceeded, maxNesting)
	}
	data, err := c.bring(ctx, desc)
	if errors.Is(err, registry.ErrNotFound) {
		c.missing = append(c.missing, Missing{Reference: ref, Digest: desc.Digest, What: kindOf(desc.MediaType)})
		return nil
	}
	if err != nil {
		return err
	}
	if ocijson.IsManifest(desc.MediaType) {
		if err := c.below(ctx, ref, desc, data, depth); err != nil {
			return err
		}
	}
	if first {
		c.all = append(c.all, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	}
	return nil
}

// below gathers what a manifest names.
func (c *closure) below(ctx context.Context, ref registry.Reference, desc ocispec.Descriptor, data []byte, depth int) error {
	m, err := ocijson.Parse(data)
	if err != nil {
		return &registry.Error{Op: "read", Reference: ref.WithDigest(desc.Digest), Err: fmt.Errorf("manifest %w", err)}
	}
	if c.found != nil {
		c.found(desc, m)
	}
	for _, child := range m.Children() {
		if err := checkDescriptor(child); err != nil {
			return &registry.Error{Op: "read", Reference: ref.WithDigest(desc.Digest), Err: err}
		}
		if err := c.walk(ctx, ref, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}
