package cache_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry/layout"
)

// TestCarryHeap: what is carried never lies in memory.
func TestCarryHeap(t *testing.T) {
	const size = 64 << 20
	carryBundles(t, func(t *testing.T, b carryBundle) {
		src := newCarry()
		src.add("1.0.0", noise(size, 9))
		here, _ := newStore(t, "")
		there, _ := newStore(t, "")
		for _, step := range []struct {
			name string
			run  func()
		}{
			{"export", func() {
				b.export(t, here, cache.ExportOptions{}, cache.ExportRoot{Reference: v1, From: src})
			}},
			{"import", func() {
				if in, err := there.Import(t.Context(), b.open(t), cache.ImportOptions{}); err != nil || in.Written < size {
					t.Fatalf("%+v, %v", in, err)
				}
			}},
		} {
			if grown := heap.Growth(step.run); grown > 16<<20 {
				t.Errorf("%s: the heap grew by %d bytes", step.name, grown)
			}
		}
	})
}

// BenchmarkCarry carries a thousand charts.
func BenchmarkCarry(b *testing.B) {
	const charts = 1000
	src := newCarry()
	var roots []cache.ExportRoot
	for i := range charts {
		tag := fmt.Sprintf("1.0.%d", i)
		src.add(tag, noise(16<<10, uint64(i)))
		roots = append(roots, cache.ExportRoot{Reference: team.WithTag(tag), From: src})
	}
	for b.Loop() {
		here, _ := newStore(b, "")
		there, _ := newStore(b, "")
		path := filepath.Join(b.TempDir(), "bundle")
		start := time.Now()
		grown := heap.Growth(func() { carryOnce(b, here, path, roots) })
		b.ReportMetric(time.Since(start).Seconds(), "s/export")
		b.ReportMetric(float64(grown>>20), "MiB/export")
		start = time.Now()
		grown = heap.Growth(func() { carryBack(b, there, path, charts) })
		b.ReportMetric(time.Since(start).Seconds(), "s/import")
		b.ReportMetric(float64(grown>>20), "MiB/import")
	}
}

func carryOnce(b *testing.B, s *cache.Store, path string, roots []cache.ExportRoot) {
	to, err := layout.Create(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	if _, err := s.Export(b.Context(), to, roots, cache.ExportOptions{}); err != nil {
		b.Fatal(err)
	}
}

func carryBack(b *testing.B, s *cache.Store, path string, charts int) {
	from, err := layout.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	if in, err := s.Import(b.Context(), from, cache.ImportOptions{}); err != nil || len(in.Roots) != charts {
		b.Fatalf("%+v, %v", in, err)
	}
}
