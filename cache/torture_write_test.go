package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// torturePins is about how many pins there are at a time: each is looked at
// after each kill.
const torturePins = 12

// write does one of the things that fill a cache.
func (w *tortureWorker) write(ctx context.Context) error {
	switch w.lots.IntN(8) {
	default:
		return w.pin(ctx)
	case 0, 1:
		return w.read(ctx)
	case 2:
		return w.push(ctx)
	case 3:
		return w.move(ctx)
	case 4:
		c := w.anyChart()
		layer, err := fetch(ctx, w.repo, c.Layer)
		if err != nil {
			return err
		}
		return w.store.Put(ctx, c.Layer, bytes.NewReader(layer))
	}
}

// packed is a repository in which nothing is ever pushed.
func (w *tortureWorker) packed() registry.Reference {
	ref := w.ref
	ref.Repository += "-packed"
	return ref
}

// pin packs a chart under a tag of its own, or gives one up.
func (w *tortureWorker) pin(ctx context.Context) error {
	promises, err := w.journal().standing()
	if err != nil {
		return err
	}
	if len(promises) > torturePins {
		return w.unpin(ctx, promises)
	}
	tag := w.unique()
	manifest, err := w.pack(ctx, tag)
	if err != nil {
		return err
	}
	if err := w.store.Pin(ctx, w.packed().WithTag(tag), manifest); err != nil {
		return err
	}
	return w.journal().note("pin", w.Partition, tag, manifest.Digest.String())
}

// pack brings content to pin: new content, or some that others use as well.
func (w *tortureWorker) pack(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	if w.lots.IntN(3) == 0 {
		c := w.anyChart()
		return c.Manifest, w.whole(ctx, c)
	}
	f := newFake()
	manifest, _ := f.add(tag, noise(500+w.lots.IntN(30_000), uint64(w.lots.IntN(1<<16))))
	for _, data := range f.content {
		if err := w.store.Put(ctx, describe("", data), bytes.NewReader(data)); err != nil {
			return manifest, err
		}
	}
	return manifest, nil
}

// whole makes all of a chart of the stock be here.
func (w *tortureWorker) whole(ctx context.Context, c tortureChart) error {
	src := w.through(cache.Policy{})
	for _, part := range []ocispec.Descriptor{c.Manifest, c.Config, c.Layer} {
		if _, err := fetch(ctx, src, part); err != nil {
			return err
		}
	}
	return nil
}

// unpin gives up a pin of the own partition, whoever made it.
func (w *tortureWorker) unpin(ctx context.Context, promises map[torturePromise]digest.Digest) error {
	for p := range promises {
		if p.kind != "pin" || p.partition != w.Partition {
			continue
		}
		if err := w.journal().note("unpin", p.partition, p.tag); err != nil {
			return err
		}
		return w.store.Unpin(ctx, w.packed().WithTag(p.tag))
	}
	return nil
}

// push gives a chart of the stock a new tag, as a push of it does that tells
// the cache: from then on the tag is there, whatever was known before.
func (w *tortureWorker) push(ctx context.Context) error {
	src := w.through(cache.Policy{MaxAge: time.Hour})
	tag, c := w.unique(), w.anyChart()
	if _, err := src.Resolve(ctx, tag); err == nil {
		return fmt.Errorf("%s is there before its push", tag)
	}
	if err := w.repo.Tag(ctx, c.Manifest, tag); err != nil {
		return err
	}
	if err := src.Record(ctx, tag, c.Manifest); err != nil {
		return err
	}
	if err := w.pulls(ctx, src, tag, c.Tag); err != nil {
		return fmt.Errorf("pull of %s, which was just pushed: %w", tag, err)
	}
	return nil
}

// move lets the moving tag name another chart.
func (w *tortureWorker) move(ctx context.Context) error {
	c := w.anyChart()
	if err := w.repo.Tag(ctx, c.Manifest, tortureMoving); err != nil {
		return err
	}
	return w.through(cache.Policy{}).Record(ctx, tortureMoving, c.Manifest)
}
