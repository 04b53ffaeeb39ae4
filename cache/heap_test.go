package cache_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// 64 MiB go through the cache in every way with less than 16 MiB of heap.
func TestHeapBound(t *testing.T) {
	s, _ := newStore(t, "")
	const size = 64 << 20
	f := newFake()
	data := noise(size, 5)
	desc := describe("", data)
	f.content[desc.Digest] = data
	blocked, _ := newStore(t, filepath.Join(regularFile(t), "cache"))
	var start, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&start)
	for _, step := range []struct {
		name string
		src  *cache.Source
	}{{"cold", s.Through(f, team, cache.Policy{})}, {"warm", s.Through(f, team, cache.Policy{})}, {"not writable", blocked.Through(f, team, cache.Policy{})}} {
		c, err := step.src.Open(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&now)
		if grown := int64(now.TotalAlloc - start.TotalAlloc); grown > 16<<20 {
			t.Errorf("%s: %d bytes allocated", step.name, grown)
		}
		if c.Size() != size {
			t.Errorf("%s: size %d", step.name, c.Size())
		}
		c.Close()
	}
	if got := f.spent(); got != "Fetch Fetch" {
		t.Errorf("asked the source for %q", got)
	}
}
