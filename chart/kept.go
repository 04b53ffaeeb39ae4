package chart

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// Keep stores a packed chart in the cache under its reference, as docker build
// keeps an image: Kept finds it there, to be pushed when the time has come. A
// reference without a tag gets that of the chart's version. It returns the
// reference under which the chart is kept.
//
// Errors: those of Push for a reference that does not fit the chart, of the
// cache's directory; a client without a cache is registry.ErrUnsupported.
func (c *Client) Keep(ctx context.Context, packed *Packed, ref registry.Reference) (registry.Reference, error) {
	ref, err := pushReference("keep", packed, ref)
	if err != nil {
		return ref, err
	}
	for _, desc := range packed.Descriptors() {
		if err := c.keepContent(ctx, packed, desc); err != nil {
			return ref, fmt.Errorf("keep %s: %w", ref, err)
		}
	}
	if err := c.cache.Pin(ctx, ref, packed.Manifest); err != nil {
		return ref, fmt.Errorf("keep %s: %w", ref, err)
	}
	return ref, nil
}

func (c *Client) keepContent(ctx context.Context, packed *Packed, desc ocispec.Descriptor) error {
	rc, err := packed.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer rc.Close()
	return c.cache.Put(ctx, desc, rc)
}

// Kept opens the chart that Keep stored under ref, whose tag is required, or
// one of that reference which the cache holds whole since it was pushed or
// pulled. It makes no request, and matches registry.ErrNotFound when there is
// none, or none with the digest of ref where that has one. It is there to be
// pushed: the client's Verifier is not asked, as it is for what comes from a
// registry. The caller closes it.
func (c *Client) Kept(ctx context.Context, ref registry.Reference) (*Packed, error) {
	if ref.Tag == "" {
		return nil, &registry.Error{Op: "open packed chart", Reference: ref, Kind: registry.ErrInvalidReference,
			Err: errors.New("no tag"), Hint: "name the version that was packed, as in " + ref.Name() + ":1.0.0"}
	}
	root, err := c.cache.Pinned(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) {
		root, err = c.cache.Through(nil, ref, c.policy).Resolve(ctx, ref.Tag)
	}
	if err == nil && ref.Digest != "" && root.Digest != ref.Digest {
		err = registry.ErrNotFound
	}
	var packed *Packed
	if err == nil {
		packed, err = c.openKept(ctx, root)
	}
	if errors.Is(err, registry.ErrNotFound) {
		return nil, &registry.Error{Op: "open packed chart", Reference: ref, Kind: registry.ErrNotFound,
			Err: errors.New("no chart was packed under this reference"), Hint: "package its directory under it first, or push the directory"}
	}
	if err != nil {
		return nil, fmt.Errorf("packed chart %s: %w", ref, err)
	}
	return packed, nil
}

// Release ends the keeping of a chart under ref, after a Push say. From then
// on the cache may forget it like any other content.
func (c *Client) Release(ctx context.Context, ref registry.Reference) error {
	return c.cache.Unpin(ctx, ref)
}

func (c *Client) openKept(ctx context.Context, root ocispec.Descriptor) (*Packed, error) {
	p := &Packed{Manifest: root}
	var err error
	if p.manifest, err = c.small(ctx, root); err != nil {
		return nil, err
	}
	layers, err := ReadManifest(p.manifest, root.MediaType)
	if err != nil {
		return nil, err
	}
	p.Config, p.Layer, p.Provenance = layers.Config, layers.Chart, layers.Provenance
	if p.config, err = c.small(ctx, p.Config); err != nil {
		return nil, err
	}
	if p.Metadata, err = ParseConfig(p.config); err != nil {
		return nil, err
	}
	if p.Provenance != nil {
		if p.provenance, err = c.small(ctx, *p.Provenance); err != nil {
			return nil, err
		}
	}
	content, err := c.cache.Open(ctx, p.Layer)
	if err != nil {
		return nil, err
	}
	p.archive, err = NewArchive(content, content.Size(), &c.archives)
	return p, err
}

// small reads content of the cache that fits in memory.
func (c *Client) small(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	content, err := c.cache.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return limit.ReadAll(io.Reader(content), maxManifest)
}
