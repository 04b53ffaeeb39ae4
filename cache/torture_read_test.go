package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// read asks for something in one of the ways that there are. The registry has
// all of it, and answers: no error is right but that of asking offline for what
// is not here.
func (w *tortureWorker) read(ctx context.Context) error {
	c := w.anyChart()
	policy := []cache.Policy{{}, {MaxAge: time.Hour}, {StaleIfError: time.Hour}}[w.lots.IntN(3)]
	src := w.through(policy)
	fail := func(what string, err error) error {
		if err != nil {
			err = fmt.Errorf("%s of %s under %+v: %w", what, c.Tag, policy, err)
		}
		return err
	}
	switch w.lots.IntN(12) {
	default:
		return fail("pull", w.pulls(ctx, src, c.Tag, c.Tag))
	case 0:
		return fail("pull", w.pulls(ctx, src, tortureMoving, tortureMoving))
	case 1, 2:
		return fail("pull by digest", w.pulls(ctx, src, c.Manifest.Digest.String(), c.Tag))
	case 3:
		layer, err := fetch(ctx, src, c.Layer)
		if err == nil {
			err = w.right(c.Tag, layer)
		}
		return fail("fetch", err)
	case 4:
		err := w.pulls(ctx, w.through(cache.Policy{Offline: true}), c.Tag, c.Tag)
		if errors.Is(err, registry.ErrNotFound) {
			err = nil
		}
		return fail("offline pull", err)
	case 5:
		return fail("tags", w.lists(ctx, src))
	case 6:
		return fail("referrers", w.refers(ctx, src, c))
	case 7:
		for _, err := range w.store.Entries(ctx) {
			if err != nil {
				return fail("entries", err)
			}
		}
		return nil
	case 8:
		_, err := src.Resolve(ctx, "9999.0.0")
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		return fail("look for a tag that is not there", fmt.Errorf("found, or %w", err))
	}
}

// pulls pulls the chart of a tag by reference.
func (w *tortureWorker) pulls(ctx context.Context, src *cache.Source, reference, tag string) error {
	layer, _, err := pull(ctx, src, reference)
	if err != nil {
		return err
	}
	return w.right(tag, layer)
}

// lists wants all tags of the stock: writers add others.
func (w *tortureWorker) lists(ctx context.Context, src *cache.Source) error {
	var tags []string
	err := src.Tags(ctx, "", func(page []string) error {
		tags = append(tags, page...)
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range w.Stock {
		if !slices.Contains(tags, c.Tag) {
			return fmt.Errorf("%s is missing in %q", c.Tag, tags)
		}
	}
	return nil
}

func (w *tortureWorker) refers(ctx context.Context, src *cache.Source, c tortureChart) error {
	var got []ocispec.Descriptor
	err := src.Referrers(ctx, c.Manifest, "", func(page []ocispec.Descriptor) error {
		got = append(got, page...)
		return nil
	})
	if err != nil {
		return err
	}
	want := 0
	if c.Referrer.Digest != "" {
		want = 1
	}
	if len(got) != want || want == 1 && got[0].Digest != c.Referrer.Digest {
		return fmt.Errorf("%v, want %v", got, c.Referrer)
	}
	return nil
}
