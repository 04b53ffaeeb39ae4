//go:build unix

package cache_test

import (
	"bytes"
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
)

// TestHugeFile: a file that would take minutes to hash, where a small one
// belongs, holds no read up, and is replaced.
func TestHugeFile(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, layer := f.add("1.0.0", noise(1000, 1))
	src := s.Through(fullSource{f}, v1, cache.Policy{})
	mustPull(t, src, "1.0.0", f.content[layer.Digest])
	const huge = 64 << 30 // without a block on the disk
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, desc := range []ocispec.Descriptor{manifest, layer} {
		if err := os.Truncate(blobPath(s, desc), huge); err != nil {
			t.Fatal(err)
		}
	}
	if desc, err := src.Resolve(ctx, manifest.Digest.String()); err != nil || desc.Digest != manifest.Digest {
		t.Errorf("by digest: %v, %v", desc, err)
	}
	if got, err := fetch(ctx, src, layer); err != nil || !bytes.Equal(got, f.content[layer.Digest]) {
		t.Errorf("the layer: %d bytes, %v", len(got), err)
	}
	if _, _, err := src.FetchManifest(ctx, manifest.Digest.String()); err != nil {
		t.Error(err)
	}
	faultsWant(t, s, cache.VerifyOptions{})
}

// TestPipeComes puts pipes in the place of a file while it is being opened:
// that waits for nobody.
func TestPipeComes(t *testing.T) {
	s, _ := newStore(t, "")
	layer := gcChart(t, s, "1.0.0", 1000, 0)[1]
	path := blobPath(s, layer)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var swapping sync.WaitGroup
	defer swapping.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	swapping.Go(func() {
		for ctx.Err() == nil {
			syscall.Mkfifo(path+".pipe", 0o666)
			os.Rename(path+".pipe", path)
			os.WriteFile(path+".file", good, 0o666)
			os.Rename(path+".file", path)
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 30_000 {
			if c, err := s.Open(ctx, layer); err == nil {
				c.Close()
			}
		}
		cancel()
	}()
	<-ctx.Done()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("a read waits for the pipe")
	}
}
