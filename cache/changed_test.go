package cache_test

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// TestManifestChanges: whoever made a file of a shared directory can write to it
// at any moment, also after it was verified. A manifest is never taken from it.
func TestManifestChanges(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, _ := f.add("1.0.0", noise(1000, 1))
	good := f.content[manifest.Digest]
	src := s.Through(fullSource{f}, v1, cache.Policy{})
	if _, _, err := src.FetchManifest(t.Context(), "1.0.0"); err != nil {
		t.Fatal(err)
	}
	bad := append(bytes.Clone(good[:len(good)-1]), ' ')
	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			file, err := os.OpenFile(blobPath(s, manifest), os.O_WRONLY, 0)
			if err != nil {
				continue // removed, and not yet fetched again
			}
			for range 20 {
				file.WriteAt(bad, 0)
				file.WriteAt(good, 0)
			}
			file.Close()
		}
	})
	for range 3000 {
		data, _, err := src.FetchManifest(t.Context(), manifest.Digest.String())
		if err != nil || !bytes.Equal(data, good) {
			t.Errorf("%q, %v", data, err)
			break
		}
	}
	close(done)
	writing.Wait()
}
