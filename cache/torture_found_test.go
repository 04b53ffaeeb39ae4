package cache_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/lockfile"
)

// What TestTorture has found, each in a test that finds it every time.

// A directory that is removed while it is listed, as a collection does with one
// that it has emptied, is no error: it has no more.
func TestVanishingDirectory(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	put(t, s, manifest, f.content[manifest.Digest])
	src := s.Through(f, team, cache.Policy{})
	const tags = 1500 // listings read 512 names at a time
	for i := range tags {
		if err := src.Record(t.Context(), fmt.Sprintf("1.0.%d", i), manifest); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			os.RemoveAll(filepath.Join(s.Dir(), "parts"))
		}
	}
	if n < 10 || n == tags {
		t.Errorf("%d entries: nothing vanished", n)
	}
}

// What was carried here with a chart because it refers to it is kept as the
// chart is.
func TestCollectKeepsWhatRefersToImports(t *testing.T) {
	_, order := tortureGround(t)
	w, err := newTortureWorker(order)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 { // until each layout has been taken
		if err := w.load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tortureAgeAll(order.Dir)
	if _, err := w.store.Collect(t.Context(), cache.Limits{MaxAge: 24 * time.Hour}, cache.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.checkHeld(t.Context(), order.Stock[1].Tag); err != nil {
		t.Error(err)
	}
}

// Content that a collection takes away while it is verified has not been used in
// time: it is not said to be here.
func TestRemovedWhileVerified(t *testing.T) {
	s, _ := newStore(t, "")
	data := noise(24<<20, 21) // some 15 ms to hash
	desc := describe("", data)
	for i := range 5 {
		put(t, s, desc, data)
		then := time.Now().Add(-72 * time.Hour)
		if err := os.Chtimes(blobPath(s, desc), then, then); err != nil {
			t.Fatal(err)
		}
		var removed atomic.Bool
		remove := time.AfterFunc(time.Duration(i+1)*time.Millisecond, func() {
			os.Remove(blobPath(s, desc))
			removed.Store(true)
		})
		c, err := s.Open(t.Context(), desc)
		if err == nil {
			c.Close()
			if removed.Load() {
				t.Error("opened, and not here")
			}
		}
		remove.Stop()
	}
}

// A collection that hangs while it removes content keeps nobody from packing.
func TestPinBesideAHangingCollection(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s, err := cache.Open(dir, &cache.Options{Patience: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	for _, data := range f.content {
		put(t, s, describe("", data), data)
	}
	if err := os.MkdirAll(filepath.Join(dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	claim, err := lockfile.TryClaim(filepath.Join(dir, "locks", "remove"))
	if err != nil || claim == nil {
		t.Fatal(claim, err)
	}
	defer claim.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Pin(ctx, v1, manifest); err != nil {
		t.Error(err)
	}
}
