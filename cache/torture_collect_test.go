package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
)

// collect removes what is old, or more. What is in use or promised stays.
func (w *tortureWorker) collect(ctx context.Context) error {
	time.Sleep(time.Duration(w.lots.IntN(20)) * time.Millisecond)
	before, err := w.journal().standing()
	if err != nil {
		return err
	}
	limits := cache.Limits{
		MaxAge:  []time.Duration{0, 24 * time.Hour}[w.lots.IntN(2)],
		MaxSize: []int64{0, 1, 1 << 20}[w.lots.IntN(3)],
	}
	var removed []cache.Removal
	options := cache.CollectOptions{
		DryRun:  w.lots.IntN(8) == 0,
		Removed: func(r cache.Removal) { removed = append(removed, r) },
	}
	if w.lots.IntN(8) == 0 {
		_, _, err = w.store.CollectIfDue(ctx, limits, time.Second, cache.CollectOptions{})
	} else {
		_, err = w.store.Collect(ctx, limits, options)
	}
	if err != nil {
		return fmt.Errorf("collect with %+v: %w", limits, err)
	}
	after, err := w.journal().standing()
	if err != nil {
		return err
	}
	for _, r := range removed {
		if r.Kind == cache.RemovedContent && time.Since(r.LastUsed) < time.Hour {
			return fmt.Errorf("%s is removed for %q, used at %s", r.Path, r.Reason, r.LastUsed)
		}
		for p, d := range before {
			if r.Kind == cache.RemovedContent && d == r.Digest && after[p] == d {
				return fmt.Errorf("%s is removed for %q, which was promised by %v", r.Path, r.Reason, p)
			}
		}
	}
	return nil
}

// tortureFinish collects when nobody is at work and all is old: litter goes
// with a collection that has no limits, and after one that leaves nothing
// unused there is what is promised, and no more.
func tortureFinish(t *testing.T, order tortureOrder) {
	w, err := newTortureWorker(order)
	if err != nil {
		t.Fatal(err)
	}
	for _, limits := range []cache.Limits{{}, {MaxAge: 24 * time.Hour}} {
		tortureAgeAll(order.Dir)
		if _, err := w.store.Collect(t.Context(), limits, cache.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		if order.Spoiled {
			continue // there are strangers' files
		}
		for _, path := range tortureUnneeded(t, order.Dir) {
			t.Errorf("after a collection with %+v there is %s", limits, path)
		}
	}
	if order.Spoiled {
		return
	}
	promised, rooted, err := order.promised(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := tortureNames(t, order.Dir, "blobs")
	for d := range left {
		if !rooted[d] {
			t.Errorf("%s is left, and nothing that is kept names it", d)
		}
	}
	for d := range promised {
		if !left[d] {
			t.Errorf("%s was promised, and is gone", d)
		}
	}
	t.Logf("%d promises kept %d of content", len(promised), len(left))
}

func tortureAgeAll(dir string) {
	then := time.Now().Add(-30 * 24 * time.Hour)
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		os.Chtimes(path, then, then)
		return nil
	})
}

// promised returns all that promises name, directly and through manifests, and
// what is kept besides: a process may be killed between a pin and its promise.
func (o tortureOrder) promised(ctx context.Context) (promised, rooted map[digest.Digest]bool, err error) {
	promises, err := tortureJournal(o.Journal).standing()
	if err != nil {
		return nil, nil, err
	}
	promised, rooted = map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, o.Partition = range torturePartitions {
		w, err := newTortureWorker(o)
		if err != nil {
			return nil, nil, err
		}
		for p, d := range promises {
			if p.partition != o.Partition {
				continue
			}
			if err := w.closure(ctx, d, p.kind == "held", promised, rooted); err != nil {
				return nil, nil, fmt.Errorf("%v: %w", p, err)
			}
		}
		for e, err := range w.store.Entries(ctx) {
			if err == nil && (e.Pinned || e.Held) {
				err = w.closure(ctx, e.Descriptor.Digest, e.Held, rooted)
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return promised, rooted, nil
}

// closure adds a manifest and what it names, and what refers to it.
func (w *tortureWorker) closure(ctx context.Context, d digest.Digest, referrers bool, to ...map[digest.Digest]bool) error {
	c, err := w.store.OpenDigest(ctx, d)
	if err != nil {
		return err
	}
	desc := c.Descriptor()
	c.Close()
	m, err := w.manifest(ctx, desc)
	if err != nil {
		return err
	}
	for _, part := range append([]ocispec.Descriptor{desc, m.Config}, m.Layers...) {
		for _, all := range to {
			all[part.Digest] = true
		}
	}
	for _, chart := range w.Stock {
		if referrers && chart.Manifest.Digest == d && chart.Referrer.Digest != "" {
			return w.closure(ctx, chart.Referrer.Digest, false, to...)
		}
	}
	return nil
}

// tortureUnneeded returns what a collection should have removed: files that are
// on their way, of processes that were killed, and notes about content that is
// gone.
func tortureUnneeded(t *testing.T, dir string) []string {
	here, known := tortureNames(t, dir, "blobs"), map[digest.Digest]bool{}
	parts, err := os.ReadDir(filepath.Join(dir, "parts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		maps.Copy(known, tortureNames(t, dir, "parts", part.Name(), "known"))
	}
	var all []string
	for _, d := range slices.Sorted(maps.Keys(here)) {
		if !known[d] {
			all = append(all, "content that nobody knows: "+d.String())
		}
	}
	for _, d := range slices.Sorted(maps.Keys(known)) {
		if !here[d] {
			all = append(all, "a note that somebody knows "+d.String())
		}
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (filepath.Base(filepath.Dir(path)) == "ingest" || strings.HasPrefix(d.Name(), ".")) {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// tortureNames returns the digests that name files in the directories of a
// directory.
func tortureNames(t *testing.T, dir string, elem ...string) map[digest.Digest]bool {
	all := map[digest.Digest]bool{}
	root := filepath.Join(append([]string{dir}, elem...)...)
	algorithms, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, a := range algorithms {
		files, err := os.ReadDir(filepath.Join(root, a.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			all[digest.NewDigestFromEncoded(digest.Algorithm(a.Name()), f.Name())] = true
		}
	}
	return all
}
