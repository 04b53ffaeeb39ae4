package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
)

// benchTags is how many versions each repository of a large cache has.
const benchTags = 100

// benchTag is one of n references of a large cache.
func benchTag(n int) registry.Reference {
	return registry.Reference{
		Host: "registry.example.com", Repository: fmt.Sprintf("team/app-%04d", n/benchTags),
	}.WithTag(fmt.Sprintf("1.%d.0", n%benchTags))
}

// benchFill makes a cache that has the manifests of so many references: each
// another one, in the shape of Helm's, whose config and archive nobody has
// pulled yet.
func benchFill(tb testing.TB, s *cache.Store, references int) {
	tb.Helper()
	ctx := context.Background()
	next := make(chan int)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range next {
				data := benchManifest(n)
				desc := describe(ocispec.MediaTypeImageManifest, data)
				ref := benchTag(n)
				err := s.Put(ctx, desc, bytes.NewReader(data))
				if err == nil {
					err = s.Through(nil, ref, cache.Policy{}).Record(ctx, ref.Tag, desc)
				}
				if err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for n := range references {
		next <- n
	}
	close(next)
	all.Wait()
}

func benchManifest(n int) []byte {
	content := []byte(fmt.Sprint(n))
	return fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		"application/vnd.cncf.helm.config.v1+json", describe("", append(content, 'c')).Digest, len(content)+1,
		"application/vnd.cncf.helm.chart.content.v1.tar+gzip", describe("", append(content, 'l')).Digest, len(content)+1)
}

// benchLarge fills a cache once for all that is measured in it.
func benchLarge(b *testing.B, references int) (dir string) {
	b.Helper()
	dir = filepath.Join(b.TempDir(), "cache")
	s, _ := newStore(b, dir)
	start := time.Now()
	benchFill(b, s, references)
	b.Logf("%d references took %s to make", references, time.Since(start).Round(time.Millisecond))
	return dir
}

// What a cache of ten references costs, and one of a hundred thousand.
func BenchmarkReferences(b *testing.B) {
	for _, references := range []int{10, 100_000} {
		b.Run(fmt.Sprint(references), func(b *testing.B) {
			dir := benchLarge(b, references)
			b.Run("open", func(b *testing.B) { benchOpen(b, dir) })
			b.Run("resolve", func(b *testing.B) { benchResolve(b, dir, references) })
			b.Run("list", func(b *testing.B) { benchList(b, dir, references) })
		})
	}
}

func benchOpen(b *testing.B, dir string) {
	b.ReportAllocs()
	count := benchCounting(b)
	for b.Loop() {
		if _, err := cache.Open(dir, nil); err != nil {
			b.Fatal(err)
		}
	}
	count()
}

// benchResolve opens the store for each answer, as a program does.
func benchResolve(b *testing.B, dir string, references int) {
	b.ReportAllocs()
	count := benchCounting(b)
	for n := 0; b.Loop(); n++ {
		s, err := cache.Open(dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		ref := benchTag(n * 7919 % references)
		if _, err := s.Through(nil, ref, cache.Policy{}).Lookup(b.Context(), ref.Tag); err != nil {
			b.Fatal(err)
		}
	}
	count()
}

func benchList(b *testing.B, dir string, references int) {
	var first time.Duration
	var grown int64
	count := benchCounting(b)
	for b.Loop() {
		s, _ := newStore(b, dir)
		grown = max(grown, heap.Growth(func() {
			n, start := 0, time.Now()
			for _, err := range s.Entries(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				if n++; n == 1 {
					first = time.Since(start)
				}
			}
			if n != references {
				b.Fatalf("%d entries, want %d", n, references)
			}
		}))
	}
	count()
	b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
}

// Resolving reads one small file and looks at no other reference, however many
// there are; opening the store reads nothing.
func TestReferencesCostTheSame(t *testing.T) {
	for _, references := range []int{10, 1000} {
		t.Run(fmt.Sprint(references), func(t *testing.T) {
			s, _ := newStore(t, "")
			benchFill(t, s, references)
			opened := benchOpened(t, s.Dir())
			if s, err := cache.Open(s.Dir(), nil); err != nil || s.Dir() == "" {
				t.Fatal(err)
			}
			if got := opened(); len(got) > 0 {
				t.Errorf("opening the store opened %q", got)
			}
			ref := benchTag(references / 2)
			res, err := s.Through(nil, ref, cache.Policy{}).Lookup(t.Context(), ref.Tag)
			if err != nil || res.Descriptor.Digest != describe("", benchManifest(references/2)).Digest {
				t.Fatal(res, err)
			}
			got := opened()
			if len(got) != 1 {
				t.Fatalf("resolving one opened %q, want one file", got)
			}
			if info, err := os.Stat(filepath.Join(s.Dir(), got[0])); err != nil || info.Size() > 1<<10 {
				t.Errorf("%s: %v, %v, want a small file", got[0], info, err)
			}
		})
	}
}
