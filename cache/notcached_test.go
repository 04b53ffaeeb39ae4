package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// TestNotCached: offline, what is not here is told from what is not there, and
// a tag whose manifest was lost by the digest that it takes.
func TestNotCached(t *testing.T) {
	ref := registry.Reference{Host: "registry.example.com", Repository: "team/app"}
	dir := t.TempDir()
	store, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	remote := newFake()
	manifest, _ := remote.add("1.0.0", []byte("a packed chart"))
	online := store.Through(fullSource{remote}, ref, cache.Policy{})
	if _, _, err := online.FetchManifest(t.Context(), "1.0.0"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "blobs", "sha256", manifest.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	offline := store.Through(fullSource{remote}, ref, cache.Policy{Offline: true})
	for tag, want := range map[string]registry.Reference{
		"1.0.0": ref.WithTag("1.0.0").WithDigest(manifest.Digest),
		"2.0.0": ref.WithTag("2.0.0"),
	} {
		_, err := offline.Resolve(t.Context(), tag)
		e, ok := errors.AsType[*registry.Error](err)
		if !ok || e.Reference != want || !errors.Is(err, cache.ErrNotCached) || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v, want %s", tag, err, want)
		}
	}
	if _, err := offline.Fetch(t.Context(), manifest); !errors.Is(err, cache.ErrNotCached) {
		t.Errorf("by digest: %v", err)
	}
	if _, err := online.Resolve(t.Context(), "2.0.0"); !errors.Is(err, registry.ErrNotFound) || errors.Is(err, cache.ErrNotCached) {
		t.Errorf("the registry's answer: %v", err)
	}
}
