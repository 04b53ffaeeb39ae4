package chart

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// Registry returns the client that c speaks to registries with, for what is
// asked of a host beside charts.
func (c *Client) Registry() *registry.Client { return c.registry }

// Adopt takes in a packaged chart that is kept elsewhere than in a registry,
// and makes of it what a registry would hold, as PackArchive does: the same
// archive gets the same manifest wherever it came from. layer is the archive's
// digest, and empty where nobody told it.
//
// An archive that the cache holds is not fetched again. fetch opens it
// otherwise; Adopt reads what it answers to its end, into the cache or, without
// one, into a temporary file, and closes it. Archive, manifest and config are
// in the cache then, where a later Pull finds them; what cannot be kept is no
// error. An empty layer is always fetched.
//
// opts may be nil; of its limits, zero ones are the client's. Errors: those of
// fetch, as they are; registry.ErrDigestMismatch when the archive is not layer,
// registry.ErrInvalidReference when layer is malformed; ErrTooLarge when it has
// more bytes than an archive within the limits can; those of PackArchive;
// ErrVerification, or any other of the client's Verifier. The caller closes the
// result.
//
// A registry.Progress is told of the bytes that fetch gave, under a descriptor
// without a size.
func (c *Client) Adopt(ctx context.Context, layer digest.Digest, fetch func(context.Context) (io.ReadCloser, error), opts *PackOptions) (*Packed, error) {
	o := PackOptions{}
	if opts != nil {
		o = *opts
	}
	archives := c.archives
	archives.Lenient = archives.Lenient || o.Lenient
	if o.Limits != (Limits{}) {
		archives.Limits = o.Limits
	}
	limits, err := archives.Limits.resolve(archives.Lenient)
	if err != nil {
		return nil, err
	}
	content, err := c.adoptContent(ctx, layer, fetch, limits)
	if err != nil {
		return nil, err
	}
	a, err := NewArchive(content, content.Size(), &archives)
	if err != nil {
		return nil, err
	}
	packed, err := PackArchive(ctx, a, &o)
	if err != nil {
		return nil, err
	}
	if _, err = c.verify(ctx, packed.subject()); err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	for _, desc := range packed.Descriptors() {
		if desc.Digest != packed.Layer.Digest {
			_ = c.keepContent(ctx, packed, desc) // a cache that takes nothing fails no read
		}
	}
	return packed, nil
}

// adoptContent opens the archive, from the cache if it is there.
func (c *Client) adoptContent(ctx context.Context, layer digest.Digest, fetch func(context.Context) (io.ReadCloser, error), limits Limits) (*cache.Content, error) {
	if layer != "" {
		content, err := c.cache.OpenDigest(ctx, layer)
		if !errors.Is(err, registry.ErrNotFound) {
			return content, err
		}
	}
	body, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	most := limits.packed()
	desc := ocispec.Descriptor{MediaType: LayerMediaType, Digest: layer}
	r, ended := registry.WatchTransfer(ctx, registry.Transfer{Descriptor: desc}, limit.NewReader(body, most))
	defer ended()
	content, err := c.cache.Take(ctx, layer, r)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, &ArchiveError{Problem: fmt.Sprintf("is larger than any archive of %d bytes of files", limits.Total), Err: ErrTooLarge}
	}
	return content, err
}
