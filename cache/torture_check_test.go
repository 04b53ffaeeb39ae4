package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
)

// tortureCheck is the fresh process: it has all that the registry has and all
// that was promised, right, in each partition.
func tortureCheck(ctx context.Context, order tortureOrder) error {
	for _, partition := range torturePartitions {
		order.Partition = partition
		w, err := newTortureWorker(order)
		if err != nil {
			return err
		}
		err = errors.Join(w.verify(ctx), w.checkPulls(ctx), w.checkPromises(ctx), w.complaint())
		if err != nil {
			return fmt.Errorf("partition %q: %w", partition, err)
		}
	}
	return nil
}

// checkPulls pulls everything, and what it has pulled once more without the
// registry.
func (w *tortureWorker) checkPulls(ctx context.Context) error {
	src, offline := w.through(cache.Policy{}), w.through(cache.Policy{Offline: true})
	for _, c := range w.Stock {
		if err := w.pulls(ctx, src, c.Tag, c.Tag); err != nil {
			return fmt.Errorf("pull %s: %w", c.Tag, err)
		}
		if err := w.pulls(ctx, offline, c.Tag, c.Tag); err != nil && !w.Spoiled {
			return fmt.Errorf("pull %s offline: %w", c.Tag, err)
		}
		if err := w.refers(ctx, src, c); err != nil {
			return fmt.Errorf("referrers of %s: %w", c.Tag, err)
		}
	}
	if err := w.pulls(ctx, src, tortureMoving, tortureMoving); err != nil {
		return err
	}
	return w.lists(ctx, src)
}

// checkPromises wants what the journal says. Others go on meanwhile: what is
// missing may have been given up since.
func (w *tortureWorker) checkPromises(ctx context.Context) error {
	if w.Spoiled {
		return nil
	}
	promises, err := w.journal().standing()
	if err != nil {
		return err
	}
	for p, want := range promises {
		if p.partition != w.Partition {
			continue
		}
		err := w.checkPromise(ctx, p, want)
		if err == nil {
			continue
		}
		now, again := w.journal().standing()
		if again != nil {
			return again
		}
		if _, still := now[p]; still {
			return fmt.Errorf("%s %s is lost: %w", p.kind, p.tag, err)
		}
	}
	return nil
}

func (w *tortureWorker) checkPromise(ctx context.Context, p torturePromise, want digest.Digest) error {
	if p.kind == "held" {
		return w.checkHeld(ctx, p.tag)
	}
	desc, err := w.store.Pinned(ctx, w.packed().WithTag(p.tag))
	if err != nil {
		return err
	}
	if desc.Digest != want {
		return fmt.Errorf("it is %s, not %s", desc.Digest, want)
	}
	manifest, err := w.manifest(ctx, desc)
	if err != nil {
		return err
	}
	for _, part := range append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...) {
		if _, err := w.here(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// manifest reads a manifest that is in the cache.
func (w *tortureWorker) manifest(ctx context.Context, desc ocispec.Descriptor) (m ocispec.Manifest, err error) {
	data, err := w.here(ctx, desc)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(data, &m)
}

// here reads content that is in the cache.
func (w *tortureWorker) here(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	c, err := w.store.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(c)
	return data, errors.Join(err, c.Close())
}
