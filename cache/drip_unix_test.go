//go:build unix

package cache_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/lockfile"
)

// TestEndlessDownload: a process that holds the turn, and lets its file grow
// beyond the content, or come anew for ever, delays a read for no longer than
// one that hangs.
func TestEndlessDownload(t *testing.T) {
	for _, tt := range []struct {
		name string
		next func(size int64) int64
	}{
		{"grows", func(size int64) int64 { return size + 1 }},
		{"comes and goes", func(size int64) int64 { return 9 - size }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			s, err := cache.Open(dir, &cache.Options{Patience: 400 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			f := newFake()
			_, layer := f.add("1.0.0", []byte("ten bytes."))
			sum := sha256.Sum256([]byte("default\x00" + layer.Digest.String()))
			turn := hex.EncodeToString(sum[:]) + ".0"
			for _, part := range []string{"locks", "ingest"} {
				if err := os.MkdirAll(filepath.Join(dir, part), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			claim, err := lockfile.TryClaim(filepath.Join(dir, "locks", turn))
			if err != nil || claim == nil {
				t.Fatal(claim, err)
			}
			defer claim.Release()
			file, err := os.Create(filepath.Join(dir, "ingest", turn))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var growing sync.WaitGroup
			done := make(chan struct{})
			growing.Go(func() {
				for size := int64(0); ; size = tt.next(size) {
					file.Truncate(size)
					select {
					case <-done:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			})
			began := time.Now()
			got, err := fetch(t.Context(), s.Through(fullSource{f}, v1, cache.Policy{}), layer)
			if took := time.Since(began); err != nil || !bytes.Equal(got, f.content[layer.Digest]) || took > 20*time.Second {
				t.Errorf("%q after %s, %v", got, took, err)
			}
			close(done)
			growing.Wait()
		})
	}
}
