package cache_test

import (
	"fmt"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
)

// A pull of a chart that is here: manifest, confirmation, verified layer. What
// the caller then reads of it is the caller's.
func BenchmarkWarmPull(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			f := newFake()
			_, layer := f.add("1.0.0", noise(size, 16))
			s, _ := newStore(b, "")
			src := s.Through(fullSource{f}, v1, cache.Policy{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			benchPull(b, src, layer)
			f.spent()
			count := benchCounting(b)
			for b.Loop() {
				benchPull(b, src, layer)
			}
			count()
			b.ReportMetric(float64(len(strings.Fields(f.spent())))/float64(b.N), "requests/op")
		})
	}
}

func benchPull(b *testing.B, src *cache.Source, layer ocispec.Descriptor) {
	if _, _, err := src.FetchManifest(b.Context(), "1.0.0"); err != nil {
		b.Fatal(err)
	}
	c, err := src.Open(b.Context(), layer)
	if err != nil {
		b.Fatal(err)
	}
	c.Close()
}
