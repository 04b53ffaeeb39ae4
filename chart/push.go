package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// PushOptions are for one Push.
type PushOptions struct {
	// Force puts the chart where something else stands: other content under
	// the same version, or an image.
	Force bool
	// Tags are further tags for the same manifest, one PUT each. They are
	// moved if they name something else, unless that is no chart.
	Tags []string
}

// Pushed tells what a Push did.
type Pushed struct {
	// Reference is where the chart is now: tag and digest set. Where it was
	// there already, the digest is that of the manifest that was found.
	Reference registry.Reference
	// Manifest describes that manifest.
	Manifest ocispec.Descriptor
	// Tags are the further tags that were set.
	Tags []string
	// Exists tells that the chart was there already and nothing was sent.
	Exists bool
	// Sent counts the bytes of manifests and blobs that were uploaded.
	Sent int64
}

// smallBlob is the size up to which a blob is sent without asking whether it
// is there. Within the time of that question at 20 ms, a line of 25 Mbit/s
// sends 64 KiB.
const smallBlob = 64 << 10

// parallelBlobs is how many blobs of one chart are sent at a time. A chart has
// two or three.
const parallelBlobs = 3

// Push sends a packed chart to ref. A reference without a tag gets that of
// the chart's version; one with a digest must name the manifest that is sent.
// A new chart costs one HEAD for the tag, POST and PUT for each blob, a HEAD
// before them for blobs of more than 64 KiB, and the PUT of the manifest;
// the same chart again costs one HEAD. Blobs are streamed.
//
// A version that holds the same config and layers already, under whatever
// manifest, exists: nothing is sent. One that holds something else is left
// alone and the error matches registry.ErrExists; so is a tag that is no
// version and names something that is no chart. Force sends all the same. A
// tag that reads as another version than the chart's own is
// registry.ErrInvalidReference.
func (c *Client) Push(ctx context.Context, packed *Packed, ref registry.Reference, options PushOptions) (*Pushed, error) {
	target, err := pushReference(packed, ref)
	if err != nil {
		return nil, err
	}
	repo, err := c.registry.Repository(target)
	if err != nil {
		return nil, err
	}
	p := &pusher{packed: packed, options: options, progress: c.progress,
		repo: repo.WithActions(registry.ActionPull, registry.ActionPush)}
	done, err := p.push(ctx, target)
	if err != nil {
		return nil, err
	}
	c.remember(ctx, packed, done)
	return done, nil
}

// remember tells the cache what the tags name now. The push stands whether or
// not the cache takes it: a tag it missed is confirmed again by policy.
func (c *Client) remember(ctx context.Context, packed *Packed, done *Pushed) {
	if done.Manifest.Digest == packed.Manifest.Digest {
		_ = c.keepContent(ctx, packed, packed.Manifest)
	}
	src := c.cache.Through(nil, done.Reference, c.policy)
	for _, tag := range append([]string{done.Reference.Tag}, done.Tags...) {
		_ = src.Record(ctx, tag, done.Manifest)
	}
}

// pushReference completes the reference by the chart, or refuses it.
func pushReference(packed *Packed, ref registry.Reference) (registry.Reference, error) {
	refuse := func(format string, args ...any) (registry.Reference, error) {
		return ref, &registry.Error{Op: "push", Reference: ref, Kind: registry.ErrInvalidReference, Err: fmt.Errorf(format, args...)}
	}
	if ref.Digest != "" && ref.Digest != packed.Manifest.Digest {
		return refuse("the chart's manifest is %s", packed.Manifest.Digest)
	}
	if ref.Tag == "" {
		ref = ref.WithTag(packed.Metadata.Version)
	} else if tagged, ok := versionOf(ref.Tag); ok {
		own, err := version.Parse(packed.Metadata.Version)
		if err != nil || !version.SameVersion(tagged.parsed, own) {
			return refuse("the tag is another version than the chart's own, %s", packed.Metadata.Version)
		}
	}
	return ref.WithDigest(packed.Manifest.Digest), nil
}

// pusher is one Push.
type pusher struct {
	packed   *Packed
	options  PushOptions
	progress Progress
	repo     *registry.Repository
	sent     atomic.Int64
}

func (p *pusher) push(ctx context.Context, target registry.Reference) (*Pushed, error) {
	found, err := p.look(ctx, target)
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
		if err := p.addTag(ctx, done, registry.TagOfVersion(tag)); err != nil {
			return nil, err
		}
		done.Tags = append(done.Tags, registry.TagOfVersion(tag))
	}
	done.Sent = p.sent.Load()
	return done, nil
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
	layers, err := p.read(ctx, there)
	switch {
	case err == nil && p.same(layers):
		return &there, nil
	case p.options.Force:
		return nil, nil
	case errors.Is(err, ErrNotChart), errors.Is(err, ErrInvalidManifest):
		return nil, occupied(target, there, err.Error(), "push to another repository or tag, or force it")
	case err != nil:
		return nil, err
	}
	if _, ok := versionOf(target.Tag); ok {
		return nil, occupied(target, there, "this version holds another chart", "raise the version, or force it")
	}
	return nil, nil // a tag such as latest moves
}

func occupied(target registry.Reference, there ocispec.Descriptor, what, hint string) error {
	return &registry.Error{Op: "push", Reference: target, Kind: registry.ErrExists,
		Err: fmt.Errorf("%s (%s)", what, there.Digest), Hint: hint}
}

// read reads the chart manifest that stands in the repository.
func (p *pusher) read(ctx context.Context, desc ocispec.Descriptor) (*Layers, error) {
	rc, err := p.repo.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	content, err := limit.ReadAll(rc, maxManifest)
	if err != nil {
		return nil, err
	}
	return ReadManifest(content, desc.MediaType)
}

// same tells whether a manifest holds this chart: Helm stamps every push, so
// that manifests of one chart differ.
func (p *pusher) same(l *Layers) bool {
	equal := func(a, b *ocispec.Descriptor) bool {
		return (a == nil) == (b == nil) && (a == nil || a.Digest == b.Digest)
	}
	return l.Config.Digest == p.packed.Config.Digest && l.Chart.Digest == p.packed.Layer.Digest &&
		equal(l.Provenance, p.packed.Provenance)
}

func (p *pusher) sendBlobs(ctx context.Context) error {
	blobs := []ocispec.Descriptor{p.packed.Layer, p.packed.Config}
	if p.packed.Provenance != nil {
		blobs = append(blobs, *p.packed.Provenance)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlobs)
	for _, desc := range slices.CompactFunc(blobs, func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest }) {
		g.Go(func() error { return p.sendBlob(ctx, desc) })
	}
	return g.Wait()
}

func (p *pusher) sendBlob(ctx context.Context, desc ocispec.Descriptor) error {
	if desc.Size > smallBlob {
		ok, err := p.repo.Exists(ctx, desc)
		if ok || err != nil {
			return err
		}
	}
	return p.send(ctx, desc, func(r io.Reader) error { return p.repo.Push(ctx, desc, r) })
}

func (p *pusher) sendManifest(ctx context.Context, tag string) error {
	desc := p.packed.Manifest
	return p.send(ctx, desc, func(r io.Reader) error { return p.repo.PushReference(ctx, desc, r, tag) })
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
	if err := put(watch(rc, desc, p.progress)); err != nil {
		return err
	}
	p.sent.Add(desc.Size)
	return nil
}

// watch reports what is read of an upload, and keeps it rewindable.
func watch(rc io.ReadCloser, desc ocispec.Descriptor, progress Progress) io.Reader {
	if progress == nil {
		return rc
	}
	w := watched{rc, desc, progress}
	if s, ok := rc.(io.Seeker); ok {
		return struct {
			watched
			io.Seeker
		}{w, s}
	}
	return w
}

type watched struct {
	r        io.Reader
	desc     ocispec.Descriptor
	progress Progress
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.progress.Moved("upload", w.desc, int64(n))
	}
	return n, err
}
