package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/heap"
)

func TestVerifyNothing(t *testing.T) {
	missing, log := newStore(t, "")
	faultsWant(t, missing, cache.VerifyOptions{})
	faultsWant(t, cache.None(), cache.VerifyOptions{})
	if _, err := os.Stat(missing.Dir()); err == nil || log.String() != "" {
		t.Errorf("Verify has made something: %v, %s", err, log)
	}
	file, _ := newStore(t, regularFile(t))
	n := 0
	for fault, err := range file.Verify(t.Context(), cache.VerifyOptions{}) {
		if n++; err == nil {
			t.Errorf("of a file: %+v", fault)
		}
	}
	if n != 1 {
		t.Errorf("%d errors of a file", n)
	}
}

// Verify looks at all partitions, and takes nothing from one for another.
func TestVerifyPartitions(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	var others []*cache.Store
	for _, name := range []string{"tenant", "Another Tenant"} {
		other, err := cache.Open(s.Dir(), &cache.Options{Partition: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.use(t.Context(), other), f.pack(t.Context(), other)); err != nil {
			t.Fatal(err)
		}
		others = append(others, other)
	}
	faultsWant(t, s, cache.VerifyOptions{})
	files, _ := faultsFiles(t, filepath.Join(s.Dir(), "parts"))
	var spoilt []string
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			flip(t, path)
			spoilt = append(spoilt, path)
		}
	}
	if len(spoilt) < 6 {
		t.Fatalf("%q", spoilt)
	}
	faultsWant(t, others[0], cache.VerifyOptions{KeepBad: true}, spoilt...)
	faultsWant(t, others[1], cache.VerifyOptions{}, spoilt...)
	faultsWant(t, s, cache.VerifyOptions{})
	for _, path := range spoilt {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

// What a partition has pinned it knows, whatever became of the file that says
// so; what another one has pinned it does not.
func TestVerifyRestoresMarkers(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	other, err := cache.Open(s.Dir(), &cache.Options{Partition: "tenant"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.use(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"default", "tenant"} {
		if err := os.RemoveAll(filepath.Join(s.Dir(), "parts", part, "known")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(t.Context(), f.layer); err == nil {
		t.Fatal("the layer is known")
	}
	for _, keep := range []bool{true, false} {
		found := faultsFound(t, s, cache.VerifyOptions{KeepBad: keep})
		if len(found) != 3 {
			t.Errorf("%+v", found)
		}
		for _, fault := range found {
			if fault.Kind != cache.FaultMarker || fault.Restored == keep || fault.Removed || fault.Lost || fault.Reference != faultsPin {
				t.Errorf("%+v", fault)
			}
		}
	}
	faultsWant(t, s, cache.VerifyOptions{})
	if c, err := s.Open(t.Context(), f.layer); err != nil {
		t.Errorf("the pinned layer: %v", err)
	} else {
		c.Close()
	}
	if _, err := other.Open(t.Context(), f.layer); err == nil {
		t.Error("another partition knows the layer by this one's pin")
	}
}

// Of a manifest that is bad Verify cannot tell what it has named: that is told
// when it was packed again.
func TestVerifyLost(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	for _, desc := range []ocispec.Descriptor{f.manifest, f.layer} {
		if err := os.Remove(blobPath(s, desc)); err != nil {
			t.Fatal(err)
		}
	}
	for _, lost := range []ocispec.Descriptor{f.manifest, f.layer} {
		found := faultsFound(t, s, cache.VerifyOptions{})
		if len(found) != 1 || found[0].Kind != cache.FaultContent || found[0].Digest != lost.Digest ||
			!found[0].Lost || found[0].Removed || found[0].Reference != faultsPin {
			t.Errorf("without %s: %+v", lost.Digest, found)
		}
		put(t, s, lost, f.content[lost.Digest])
	}
	faultsWant(t, s, cache.VerifyOptions{})
	if err := s.Unpin(t.Context(), faultsPin); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(blobPath(s, f.layer)); err != nil {
		t.Fatal(err)
	}
	faultsWant(t, s, cache.VerifyOptions{}) // the registry has it
}

// Verify ends where it is told to, and does not count as a use.
func TestVerifyEnds(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	old := time.Now().Add(-100 * time.Hour).Truncate(time.Second)
	for _, desc := range []ocispec.Descriptor{f.manifest, f.config, f.layer} {
		if err := os.Chtimes(blobPath(s, desc), old, old); err != nil {
			t.Fatal(err)
		}
	}
	faultsWant(t, s, cache.VerifyOptions{})
	for _, desc := range []ocispec.Descriptor{f.manifest, f.config, f.layer} {
		if info, err := os.Stat(blobPath(s, desc)); err != nil || !info.ModTime().Equal(old) {
			t.Errorf("used at %v, %v", info.ModTime(), err)
		}
		flip(t, blobPath(s, desc))
	}
	n := 0
	for range s.Verify(t.Context(), cache.VerifyOptions{KeepBad: true}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d faults", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n = 0
	var last error
	for _, err := range s.Verify(ctx, cache.VerifyOptions{KeepBad: true}) {
		n, last = n+1, err
		cancel()
	}
	if n != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d, the last of which %v", n, last)
	}
}

// Verify may run beside those who use the cache, and finds nothing there that
// they have just made.
func TestVerifyBesideOthers(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, "")
	done := make(chan error, 1)
	go func() {
		for i := range 40 {
			f := newFaultsSource(t)
			f.manifest, f.layer = f.add("1.0.0", noise(1000, uint64(i)))
			if err := errors.Join(f.use(context.Background(), s), f.pack(context.Background(), s), s.Unpin(context.Background(), faultsPin)); err != nil {
				done <- fmt.Errorf("round %d: %w", i, err)
				return
			}
		}
		done <- nil
	}()
	for {
		faultsWant(t, s, cache.VerifyOptions{})
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

// The heap does not grow with the cache.
func TestVerifyHeap(t *testing.T) {
	s, _ := newStore(t, "")
	put(t, s, describe("", noise(64<<20, 5)), noise(64<<20, 5))
	for i := range 500 {
		data := []byte(fmt.Sprint(i))
		put(t, s, describe("", data), data)
	}
	most := int64(16 << 20)
	if sparse > 1 {
		most += 8 << 20 // under the race detector a pool throws a part of its buffers away
	}
	if grown := heap.Growth(func() { faultsWant(t, s, cache.VerifyOptions{}) }); grown > most {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
