package cache_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/lockfile"
	"github.com/portolan-oci/portolan/registry/layout"
)

// removing calls a function before it gives content.
type removing struct {
	cache.ImportSource
	before func(ocispec.Descriptor)
}

func (r removing) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r.before(desc)
	return r.ImportSource.Fetch(ctx, desc)
}

// removedLayout is a layout with one chart.
func removedLayout(t *testing.T) *layout.Tar {
	t.Helper()
	f := newFaultsSource(t)
	from, _ := newStore(t, "")
	path := filepath.Join(t.TempDir(), "layout.tar")
	to, err := layout.CreateTar(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := from.Export(t.Context(), to, []cache.ExportRoot{{Reference: v1, From: f}}, cache.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := to.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := layout.OpenTar(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Between its last look and its names, an import lets nobody remove anything.
func TestImportWaitsForRemovals(t *testing.T) {
	l := removedLayout(t)
	s, _ := newStore(t, "")
	locks := filepath.Join(s.Dir(), "locks")
	if err := os.MkdirAll(locks, 0o777); err != nil {
		t.Fatal(err)
	}
	claim, err := lockfile.TryClaim(filepath.Join(locks, "remove"))
	if err != nil || claim == nil {
		t.Fatal(claim, err)
	}
	defer claim.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := s.Import(ctx, l, cache.ImportOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	claim.Release()
	if _, err := s.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
		t.Error(err)
	}
}

// An import takes long enough for what came first to be collected before the
// last has come: it names nothing then, and says so.
func TestImportRemovedMeanwhile(t *testing.T) {
	l := removedLayout(t)
	s, _ := newStore(t, "")
	removed := ""
	src := removing{l, func(ocispec.Descriptor) {
		if all, _ := filepath.Glob(filepath.Join(s.Dir(), "blobs", "sha256", "*")); removed == "" && len(all) > 1 {
			removed = all[0]
			if err := os.Remove(removed); err != nil {
				t.Error(err)
			}
		}
	}}
	_, err := s.Import(t.Context(), src, cache.ImportOptions{})
	if removed == "" || err == nil || !strings.Contains(err.Error(), filepath.Base(removed)) {
		t.Errorf("%q was removed, and the error is %v", removed, err)
	}
	if _, err := s.Through(nil, team, cache.Policy{}).Resolve(t.Context(), "1.0.0"); err == nil {
		t.Error("the tag names what is not here")
	}
	if held, _ := filepath.Glob(filepath.Join(s.Dir(), "parts", "default", "held", "*", "*")); len(held) > 0 {
		t.Errorf("held: %v", held)
	}
	if _, err := s.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
		t.Errorf("once more: %v", err)
	}
}
