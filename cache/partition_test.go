package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func openPartition(t testing.TB, dir, name string) *cache.Store {
	t.Helper()
	s, err := cache.Open(dir, &cache.Options{Partition: name})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPartitions shows that content which one identity has pulled is not there
// for another on the same directory, by whatever way it asks, until its own
// registry has given it to it; and that it is on the disk once.
func TestPartitions(t *testing.T) {
	names := []string{"", "default", "tenant-a", "Tenant-A", "a/../b", "con", "team ü", strings.Repeat("x", 300)}
	dir := filepath.Join(t.TempDir(), "cache")
	ref := v1
	f := newFake()
	content := []byte("the layer of the first")
	manifest, layer := f.add("1.0.0", content)

	owner := openPartition(t, dir, "owner")
	mustPull(t, owner.Through(fullSource{f}, ref, cache.Policy{}), "1.0.0", content)
	for _, data := range f.content { // the config, which a pull needs not
		put(t, owner, describe("", data), data)
	}
	if err := owner.Pin(t.Context(), ref, manifest); err != nil {
		t.Fatal(err)
	}
	f.spent()

	for _, name := range names {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			other := openPartition(t, dir, name)
			ctx := t.Context()
			if _, err := other.Open(ctx, layer); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("Open: %v", err)
			}
			if _, err := other.OpenDigest(ctx, layer.Digest); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("OpenDigest: %v", err)
			}
			if here, err := other.Exists(ctx, layer); here || err != nil {
				t.Errorf("Exists: %v, %v", here, err)
			}
			if _, err := other.Pinned(ctx, ref); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("Pinned: %v", err)
			}
			for e, err := range other.Entries(ctx) {
				t.Errorf("Entries: %v, %v", e, err)
			}
			offline := other.Through(nil, ref, cache.Policy{})
			for _, reference := range []string{"1.0.0", manifest.Digest.String()} {
				if _, err := offline.Resolve(ctx, reference); !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("offline Resolve of %s: %v", reference, err)
				}
			}
			if _, err := fetch(ctx, offline, layer); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("offline Fetch: %v", err)
			}

			denied := newFake()
			denied.fetchErr = registry.ErrDenied
			if _, err := fetch(ctx, other.Through(fullSource{denied}, ref, cache.Policy{}), layer); !errors.Is(err, registry.ErrDenied) {
				t.Errorf("Fetch from a registry that denies it: %v", err)
			}

			// Its own registry gives it the chart: then it is here, with its
			// own reference, without another request.
			source := other.Through(fullSource{f}, ref, cache.Policy{})
			f.spent()
			mustPull(t, source, manifest.Digest.String(), content)
			if got := f.spent(); got != "Fetch FetchReference" {
				t.Errorf("the first pull asked for %q", got)
			}
			mustPull(t, source, manifest.Digest.String(), content)
			if got := f.spent(); got != "" {
				t.Errorf("the second pull asked for %q", got)
			}
			if blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256")); err != nil || len(blobs) != 3 {
				t.Errorf("%d files of content, %v, want 3", len(blobs), err)
			}
			if _, err := other.Through(nil, ref, cache.Policy{}).Resolve(ctx, "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("a tag that only the owner has asked for: %v", err)
			}
		})
	}
	parts, err := os.ReadDir(filepath.Join(dir, "parts"))
	if err != nil || len(parts) != len(names)+1 {
		t.Errorf("%d directories of partitions, %v, want %d", len(parts), err, len(names)+1)
	}
	if above, err := os.ReadDir(dir); err != nil || len(above) != 4 {
		t.Errorf("%v, %v beside blobs, ingest, locks and parts", above, err)
	}
}

// TestPartitionsAtOnce has two identities pull charts of their own, and ask
// for those of the other, through one directory at the same time.
func TestPartitionsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	ref := v1
	const charts = 8
	type tenant struct {
		store     *cache.Store
		source    *fakeSource
		manifests []ocispec.Descriptor
		layers    []ocispec.Descriptor
	}
	var tenants [2]tenant
	for i := range tenants {
		tn := &tenants[i]
		tn.store, tn.source = openPartition(t, dir, fmt.Sprint("tenant-", i)), newFake()
		for n := range charts {
			m, l := tn.source.add(fmt.Sprintf("1.0.%d", n), fmt.Appendf(nil, "canary of tenant %d, chart %d", i, n))
			tn.manifests, tn.layers = append(tn.manifests, m), append(tn.layers, l)
		}
	}
	var group sync.WaitGroup
	for i := range tenants {
		own, other := &tenants[i], &tenants[1-i]
		for range 4 {
			group.Go(func() {
				source := own.store.Through(fullSource{own.source}, ref, cache.Policy{})
				for round := range 5 * charts {
					n := round % charts
					got, _, err := pull(context.Background(), source, fmt.Sprintf("1.0.%d", n))
					if want := fmt.Sprintf("canary of tenant %d, chart %d", i, n); err != nil || string(got) != want {
						t.Errorf("tenant %d pulled %q, %v", i, got, err)
					}
					if data, err := fetch(context.Background(), source, other.layers[n]); !errors.Is(err, registry.ErrNotFound) {
						t.Errorf("tenant %d got %q of the other, %v", i, data, err)
					}
					if _, err := source.Lookup(context.Background(), other.manifests[n].Digest.String()); !errors.Is(err, registry.ErrNotFound) {
						t.Errorf("tenant %d sees a manifest of the other: %v", i, err)
					}
				}
			})
		}
	}
	group.Wait()
}
