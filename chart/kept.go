package chart

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
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
// one of that reference whose archive the cache holds since it was pushed or
// pulled. It matches registry.ErrNotFound when there is none, or none with the
// digest of ref where that has one. It is there to be pushed: the client's
// Verifier is not asked, as it is for what comes from a registry. The caller
// closes it.
//
// A chart that was packed here costs no request. Of one that was pulled, the
// config and the provenance file may never have been asked for: each that is
// missing costs one GET, and is a *NotCachedError offline. Whoever opens it
// to push it on vouches for it, so it is read to its end and held against its
// config, with the errors of Pulled.Check.
func (c *Client) Kept(ctx context.Context, ref registry.Reference) (*Packed, error) {
	if ref.Tag == "" {
		return nil, &registry.Error{Op: "open packed chart", Reference: ref, Kind: registry.ErrInvalidReference,
			Err: errors.New("no tag"), Hint: "name the version that was packed, as in " + ref.Name() + ":1.0.0"}
	}
	src := c.cache.Through(nil, ref, c.policy)
	root, err := c.cache.Pinned(ctx, ref)
	packedHere := err == nil
	if errors.Is(err, registry.ErrNotFound) {
		if root, err = src.Resolve(ctx, ref.Tag); err == nil && !c.policy.Offline {
			src, err = c.source(ref)
		}
	}
	if err == nil && ref.Digest != "" && root.Digest != ref.Digest {
		err = registry.ErrNotFound
	}
	if errors.Is(err, registry.ErrNotFound) {
		return nil, noneKept(ref)
	}
	var packed *Packed
	if err == nil {
		packed, err = c.openKept(ctx, src, root)
	}
	if packedHere && (err == errNoArchive || errors.Is(err, registry.ErrNotFound)) {
		return nil, lostKept(ref)
	}
	if err == errNoArchive {
		return nil, noneKept(ref)
	}
	if err == nil && !packedHere {
		if err = packed.check(ctx); err != nil {
			err = errors.Join(err, packed.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("packed chart %s: %w", ref, err)
	}
	return packed, nil
}

// errNoArchive: the cache knows the chart, and has not its archive.
var errNoArchive = errors.New("archive is not in the cache")

func noneKept(ref registry.Reference) error {
	return &registry.Error{Op: "open packed chart", Reference: ref, Kind: registry.ErrNotFound,
		Err: errors.New("no chart was packed under this reference"), Hint: "package its directory under it first, or push the directory"}
}

// lostKept is the error of what was packed here and never pushed: no registry
// has it, and to fetch it from one would be in vain.
func lostKept(ref registry.Reference) error {
	return &registry.Error{Op: "open packed chart", Reference: ref, Kind: registry.ErrNotFound,
		Err: errors.New("a part of it is lost from the cache, and no registry has it"), Hint: "package it again"}
}

// check holds the archive against the config.
func (p *Packed) check(ctx context.Context) error {
	m, err := p.archive.readMetadata(limit.WithContext(ctx, p.archive.section()))
	if err != nil {
		return err
	}
	return sameMetadata(p.Metadata, m)
}

// Release ends the keeping of a chart under ref by Keep, after a Push say. From
// then on the cache may forget it like any other content. What was imported is
// released by cache.Store.Release. Errors as for cache.Store.Unpin.
func (c *Client) Release(ctx context.Context, ref registry.Reference) error {
	return c.cache.Unpin(ctx, ref)
}

// openKept opens what the cache holds of a chart, and reads from src what is
// small and not there. Without the archive there is nothing to open: a listing
// leaves manifests and configs behind.
func (c *Client) openKept(ctx context.Context, src *cache.Source, root ocispec.Descriptor) (*Packed, error) {
	p := &Packed{Manifest: root}
	var err error
	if p.manifest, err = readSmall(ctx, src, root); err != nil {
		return nil, err
	}
	layers, err := ReadManifest(p.manifest, root.MediaType)
	if err != nil {
		return nil, err
	}
	p.Config, p.Layer, p.Provenance = layers.Config, layers.Chart, layers.Provenance
	content, err := c.cache.Open(ctx, p.Layer)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, errNoArchive
	}
	if err != nil {
		return nil, err
	}
	if err := p.complete(ctx, src); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	p.archive, err = NewArchive(content, content.Size(), &c.archives)
	return p, err
}

// complete reads what goes with the archive.
func (p *Packed) complete(ctx context.Context, src *cache.Source) (err error) {
	of := registry.Reference{Digest: p.Manifest.Digest}
	var next []MissingPart
	if p.Provenance != nil {
		next = []MissingPart{missingPart(PartProvenance, *p.Provenance)}
	}
	if p.config, err = readSmall(ctx, src, p.Config); err != nil {
		return notCached(ctx, err, src, of, missingPart(PartConfig, p.Config), next...)
	}
	if p.Metadata, err = ParseConfig(p.config); err != nil || p.Provenance == nil {
		return err
	}
	p.provenance, err = readSmall(ctx, src, *p.Provenance)
	return notCached(ctx, err, src, of, next[0])
}
