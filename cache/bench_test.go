package cache_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// A pull of a chart that is here: manifest, confirmation, verified layer.
func BenchmarkWarmPull(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			f := newFake()
			_, layer := f.add("1.0.0", noise(size, 16))
			s, _ := newStore(b, "")
			src := s.Through(fullSource{f}, v1, cache.Policy{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := src.FetchManifest(b.Context(), "1.0.0"); err != nil {
					b.Fatal(err)
				}
				c, err := src.Open(b.Context(), layer)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, c); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
