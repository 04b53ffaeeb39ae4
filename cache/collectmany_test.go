package cache

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
)

// gcRefs is how many references the tests of large caches have; the numbers in
// their comments are those of 100,000.
var gcRefs = flag.Int("gcrefs", 500, "references in the tests of collection")

// gcFill makes a cache with n charts in n/20 repositories, each with a manifest
// and a layer of its own, last used one minute apart from each other, the first
// one now. It does not take the long way through Put.
func gcFill(tb testing.TB, n int, held bool) *Store {
	tb.Helper()
	s, err := Open(filepath.Join(tb.TempDir(), "cache"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	now := time.Now()
	write := func(data []byte, used time.Time) ocispec.Descriptor {
		desc := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
		path := s.blobPath(desc.Digest)
		must(s.withParent(path, func() error { return os.WriteFile(path, data, 0o666) }))
		must(os.Chtimes(path, used, used))
		must(s.learn(desc.Digest))
		must(os.Chtimes(s.knownPath(desc.Digest), used, used))
		return desc
	}
	for i := range n {
		used := now.Add(-time.Duration(i) * time.Minute)
		layer := write(fmt.Appendf(nil, "layer %d", i), used)
		manifest := write(fmt.Appendf(nil, `{"schemaVersion":2,"layers":[{"digest":%q,"size":%d}],"annotations":{"a":"%0200d"}}`, layer.Digest, layer.Size, i), used)
		manifest.MediaType = ocispec.MediaTypeImageManifest
		ref := registry.Reference{Host: "registry.example.com", Repository: fmt.Sprint("team/app", i/20), Tag: fmt.Sprint("1.0.", i)}
		r := newRecord(ref, manifest, used, used)
		must(s.writeRef(r))
		if held {
			must(s.writeRecord(s.heldPath(ref), r, false))
		}
		must(os.Chtimes(s.refPath(ref), used, used))
	}
	return s
}

// A collection of 100,000 references takes less than 16 MiB and 30 s, also
// where all of them are held.
func TestCollectMany(t *testing.T) {
	n := *gcRefs
	for _, tt := range []struct {
		name    string
		held    bool
		options CollectOptions
		kept    int
	}{
		{"held", true, CollectOptions{}, 2 * n},
		{"dry run", false, CollectOptions{DryRun: true}, n},
		{"half of them", false, CollectOptions{}, n},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := gcFill(t, n, tt.held)
			limits := Limits{MaxAge: time.Duration(n/2) * time.Minute, MaxSize: 1 << 40, MinFree: 1}
			var c Collection
			var err error
			began := time.Now()
			grown := heap.Growth(func() { c, err = s.Collect(t.Context(), limits, tt.options) })
			t.Logf("%d references: %s, heap %.1f MiB", n, time.Since(began).Round(time.Millisecond), float64(grown)/(1<<20))
			if err != nil || c.Kept < tt.kept || c.Kept > tt.kept+300 || c.Kept+c.Removed != 2*n || 2*c.References != c.Removed {
				t.Errorf("%+v, %v", c, err)
			}
			if grown > 16<<20 || time.Since(began) > 30*time.Second {
				t.Errorf("it took %s and %d bytes", time.Since(began), grown)
			}
		})
	}
}

// To open a large cache reads nothing, to resolve a tag one note, and to list it
// takes no more memory than a small one.
func TestEntriesMany(t *testing.T) {
	n := *gcRefs
	s := gcFill(t, n, false)
	before := gcTimes(t, s)
	listed := 0
	grown := heap.Growth(func() {
		for e, err := range s.Entries(t.Context()) {
			if err != nil || !e.Complete {
				t.Fatalf("%+v, %v", e, err)
			}
			listed++
		}
	})
	t.Logf("%d references: heap %.1f MiB", listed, float64(grown)/(1<<20))
	if listed != n || grown > 8<<20 {
		t.Errorf("listed %d with %d bytes", listed, grown)
	}
	reached := time.Now()
	for range s.Entries(t.Context()) {
		break
	}
	if d := time.Since(reached); d > time.Second {
		t.Errorf("the first entry took %s", d)
	}
	if gcTimes(t, s) != before {
		t.Error("to be listed counts as use")
	}
}

// gcTimes sums up when content was used.
func gcTimes(t *testing.T, s *Store) (sum int64) {
	t.Helper()
	c := newCollector(s, Limits{}, CollectOptions{})
	err := c.eachContent(t.Context(), func(_ string, _ digest.Digest, info os.FileInfo) error {
		sum += info.ModTime().UnixNano()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
