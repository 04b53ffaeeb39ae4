package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/registry"
)

// smallBlob is the size up to which a blob is sent without asking whether it
// is there. Within the time of that question at 20 ms, a line of 25 Mbit/s
// sends 64 KiB.
const smallBlob = 64 << 10

// parallelBlobs is how many blobs of one chart are sent at a time. A chart has
// two or three.
const parallelBlobs = 3

// pusher is one Push.
type pusher struct {
	packed  *Packed
	options PushOptions
	repo    *registry.Repository
	sent    atomic.Int64
}

func (p *pusher) push(ctx context.Context, target registry.Reference) (*Pushed, error) {
	found, err := p.look(ctx, target)
	if err != nil {
		return nil, err
	}
	set, err := p.lookAtTags(ctx, target)
	if err != nil {
		return nil, err
	}
	done := &Pushed{Reference: target, Manifest: p.packed.Manifest}
	if found != nil {
		done.Exists, done.Manifest = true, *found
		done.Reference = target.WithDigest(found.Digest)
	} else {
		if err := p.sendBlobs(ctx); err != nil {
			return nil, err
		}
		if err := p.sendManifest(ctx, target.Tag); err != nil {
			return nil, err
		}
	}
	for _, tag := range p.options.Tags {
		if set[tag] != done.Manifest.Digest {
			if err = p.addTag(ctx, done, tag); err != nil {
				break
			}
		}
		done.Tags = append(done.Tags, tag)
	}
	done.Sent = p.sent.Load()
	return done, err
}

// lookAtTags finds, before anything is sent, which of the further tags name
// this manifest already, and refuses those that may not be moved.
func (p *pusher) lookAtTags(ctx context.Context, target registry.Reference) (set map[string]digest.Digest, err error) {
	set = map[string]digest.Digest{}
	for _, tag := range p.options.Tags {
		there, err := p.look(ctx, target.WithTag(tag))
		if err != nil {
			return nil, err
		}
		if there != nil {
			set[tag] = there.Digest
		}
	}
	return set, nil
}

// look finds what stands at the tag: the manifest of this very chart, or
// nothing that forbids to push. Anything else is an error.
func (p *pusher) look(ctx context.Context, target registry.Reference) (*ocispec.Descriptor, error) {
	there, err := p.repo.Resolve(ctx, target.Tag)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if there.Digest == p.packed.Manifest.Digest {
		return &there, nil
	}
	content, err := readSmall(ctx, p.repo, there)
	var layers *Layers
	if err == nil {
		layers, err = ReadManifest(content, there.MediaType)
	}
	switch {
	case err == nil && sameChart(p.packed.layers(), layers):
		return &there, nil
	case p.options.Force:
		return nil, nil
	case errors.Is(err, ErrNotChart), errors.Is(err, ErrInvalidManifest):
		return nil, occupied(target, there, err.Error(), "push to another repository or tag, or force it")
	case err != nil:
		return nil, err
	}
	if v, ok := versionOf(target.Tag); ok && (!v.parsed.IsShort() || v.Version == p.packed.Metadata.Version) {
		return nil, occupied(target, there, "this version holds another chart", "raise the version, or force it")
	}
	return nil, nil // a tag such as latest moves
}

func occupied(target registry.Reference, there ocispec.Descriptor, what, hint string) error {
	return &registry.Error{Op: "push", Reference: target, Kind: registry.ErrExists,
		Err: fmt.Errorf("%s (%s)", what, there.Digest), Hint: hint}
}

func (p *pusher) sendBlobs(ctx context.Context) error {
	return parallel(ctx, p.blobs(), func(ctx context.Context, desc ocispec.Descriptor) error {
		if desc.Size > smallBlob {
			ok, err := p.repo.Exists(ctx, desc)
			if ok || err != nil {
				return err
			}
		}
		return p.sendBlob(ctx, desc)
	})
}

func (p *pusher) blobs() []ocispec.Descriptor {
	blobs := []ocispec.Descriptor{p.packed.Layer, p.packed.Config}
	if p.packed.Provenance != nil {
		blobs = append(blobs, *p.packed.Provenance)
	}
	return slices.CompactFunc(blobs, func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest })
}

// parallel does one thing with each blob of a chart.
func parallel(ctx context.Context, blobs []ocispec.Descriptor, do func(context.Context, ocispec.Descriptor) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlobs)
	for _, desc := range blobs {
		g.Go(func() error { return do(ctx, desc) })
	}
	return g.Wait()
}

func (p *pusher) sendBlob(ctx context.Context, desc ocispec.Descriptor) error {
	return p.send(ctx, desc, func(r io.Reader) error { return p.repo.Push(ctx, desc, r) })
}

// sendManifest stores the manifest under a tag. A registry that misses a blob,
// though it may have said that it is there, is sent that blob once more.
func (p *pusher) sendManifest(ctx context.Context, tag string) error {
	desc := p.packed.Manifest
	put := func() error {
		return p.send(ctx, desc, func(r io.Reader) error { return p.repo.PushReference(ctx, desc, r, tag) })
	}
	err := put()
	missing, ok := errors.AsType[*registry.MissingError](err)
	if !ok {
		return err
	}
	if err := parallel(ctx, missing.Among(p.blobs()), p.sendBlob); err != nil {
		return err
	}
	return put()
}

// addTag puts the manifest that Push left at its reference under a further
// tag.
func (p *pusher) addTag(ctx context.Context, done *Pushed, tag string) error {
	if done.Manifest.Digest == p.packed.Manifest.Digest {
		return p.sendManifest(ctx, tag)
	}
	return p.repo.Tag(ctx, done.Manifest, tag)
}

func (p *pusher) send(ctx context.Context, desc ocispec.Descriptor, put func(io.Reader) error) error {
	rc, err := p.packed.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer rc.Close()
	if err := put(rc); err != nil {
		return err
	}
	p.sent.Add(desc.Size)
	return nil
}
