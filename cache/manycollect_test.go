package cache_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/heap"
)

// benchHeap is by how much a collection of any size may grow the heap.
const benchHeap = 16 << 20

// A collection of a hundred thousand references: where nothing has to go, and
// where the half has, with their manifests and notes. Run it with -benchtime 1x:
// the second half is smaller.
func BenchmarkCollect(b *testing.B) {
	const references = 100_000
	dir := benchLarge(b, references)
	size := benchAge(b, dir)
	for _, tt := range []struct {
		name    string
		limits  cache.Limits
		options cache.CollectOptions
		removes int
	}{
		{"nothing to do", cache.Limits{MaxAge: 1000 * time.Hour, MaxSize: size}, cache.CollectOptions{}, 0},
		{"dry run", cache.Limits{MaxSize: size / 2}, cache.CollectOptions{DryRun: true}, references / 2},
		{"half", cache.Limits{MaxSize: size / 2}, cache.CollectOptions{}, references / 2},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var grown int64
			count := benchCounting(b)
			for n := 0; b.Loop(); n++ {
				s, log := newStore(b, dir)
				var did cache.Collection
				var err error
				grown = max(grown, heap.Growth(func() { did, err = s.Collect(b.Context(), tt.limits, tt.options) }))
				if err != nil || log.String() != "" {
					b.Fatalf("%v; log: %s", err, log)
				}
				if n == 0 && (did.Removed < tt.removes-references/100 || did.Removed > tt.removes+references/100) {
					b.Errorf("%+v, want about %d removed", did, tt.removes)
				}
			}
			count()
			b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
			if grown >= benchHeap {
				b.Errorf("the heap grew by %d bytes, budget %d", grown, benchHeap)
			}
		})
	}
	s, _ := newStore(b, dir)
	left := 0
	for _, err := range s.Entries(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		left++
	}
	if left < references*49/100 || left > references*51/100 {
		b.Errorf("%d references are left of %d, want half", left, references)
	}
}

// benchAge makes all content old enough to go, each piece of another time within
// thirty days, and returns how many bytes there are. What is said about it was
// written as long ago.
func benchAge(b *testing.B, dir string) (size int64) {
	b.Helper()
	n := 0
	now := time.Now().Add(-24 * time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		if rel, _ := filepath.Rel(dir, path); strings.HasPrefix(rel, "blobs") {
			info, err := d.Info()
			if err != nil {
				return err
			}
			size += info.Size()
		}
		at := now.Add(-time.Duration(n*7919%(30*24)) * time.Hour)
		return os.Chtimes(path, time.Time{}, at)
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
