package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// export writes charts of the stock into a layout of its own, a directory or a
// tar, in which all of them are right.
func (w *tortureWorker) export(ctx context.Context) error {
	var roots []cache.ExportRoot
	var charts []tortureChart
	for range 1 + w.lots.IntN(3) {
		c := w.anyChart()
		charts = append(charts, c)
		roots = append(roots, cache.ExportRoot{Reference: w.ref.WithTag(c.Tag), From: w.repo})
	}
	path := filepath.Join(w.Scratch, fmt.Sprintf("layout-%s", w.unique()))
	defer os.RemoveAll(path)
	from, err := tortureExport(ctx, w.store, path, roots, w.lots.IntN(2) == 0)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer from.Close()
	for _, c := range charts {
		layer, err := fetch(ctx, from, c.Layer)
		if err == nil {
			err = w.right(c.Tag, layer)
		}
		if err != nil {
			return fmt.Errorf("read the export of %s: %w", c.Tag, err)
		}
	}
	return nil
}

// tortureLayout is a layout to read.
type tortureLayout interface {
	registry.Source
	cache.ImportSource
	Close() error
}

// tortureExport makes a layout and opens it.
func tortureExport(ctx context.Context, s *cache.Store, path string, roots []cache.ExportRoot, tar bool) (tortureLayout, error) {
	options := cache.ExportOptions{Referrers: true}
	if !tar {
		dir, err := layout.Create(ctx, path)
		if err != nil {
			return nil, err
		}
		if _, err := s.Export(ctx, dir, roots, options); err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		return dir, nil
	}
	to, err := layout.CreateTar(ctx, path)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if _, err := s.Export(ctx, to, roots, options); err != nil {
		return nil, err
	}
	if err := to.Commit(ctx); err != nil {
		return nil, err
	}
	return layout.OpenTar(path)
}

// load imports a layout of some charts, or gives up what was imported.
func (w *tortureWorker) load(ctx context.Context) error {
	promises, err := w.journal().standing()
	if err != nil {
		return err
	}
	for p := range promises {
		if p.kind == "held" && p.partition == w.Partition && len(promises) > 2*torturePins {
			if err := w.journal().note("unheld", p.partition, p.tag); err != nil {
				return err
			}
			_, err := w.store.Release(ctx, w.imported().WithTag(p.tag))
			return err
		}
	}
	from, err := layout.OpenTar(filepath.Join(w.Scratch, fmt.Sprintf("stock-%d.tar", w.lots.IntN(tortureTars))))
	if err != nil {
		return err
	}
	defer from.Close()
	got, err := w.store.Import(ctx, from, cache.ImportOptions{})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	for _, root := range got.Roots {
		if err := w.journal().note("held", w.Partition, root.Reference.Tag, root.Descriptor.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

// imported is a repository of which the registry has never heard.
func (o tortureOrder) imported() registry.Reference {
	return registry.Reference{Host: "elsewhere.example.com", Repository: "team/app"}
}

// tortureTars is how many layouts there are to import, with two charts each.
const tortureTars = 3

// torturePackTars makes them, by means of another cache.
func torturePackTars(t *testing.T, order tortureOrder) {
	order.Dir = filepath.Join(order.Scratch, "cache")
	w, err := newTortureWorker(order)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tortureTars {
		var roots []cache.ExportRoot
		for _, c := range []tortureChart{order.Stock[i], order.Stock[i+1]} {
			roots = append(roots, cache.ExportRoot{Reference: order.imported().WithTag(c.Tag), From: w.repo})
		}
		l, err := tortureExport(t.Context(), w.store, filepath.Join(order.Scratch, fmt.Sprintf("stock-%d.tar", i)), roots, true)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	os.RemoveAll(order.Dir)
}

// checkHeld wants all of what was imported, without a registry.
func (w *tortureWorker) checkHeld(ctx context.Context, tag string) error {
	src := w.store.Through(nil, w.imported(), cache.Policy{})
	if err := w.pulls(ctx, src, tag, tag); err != nil {
		return err
	}
	for _, c := range w.Stock {
		if c.Tag != tag {
			continue
		}
		parts := []ocispec.Descriptor{c.Config}
		if c.Referrer.Digest != "" {
			parts = append(parts, c.Referrer)
		}
		for _, part := range parts {
			if _, err := w.here(ctx, part); err != nil {
				return err
			}
		}
		if err := w.refers(ctx, src, c); c.Referrer.Digest != "" {
			return err
		}
		return nil // not to have asked is no news that there are none
	}
	return fmt.Errorf("no chart %s", tag)
}
