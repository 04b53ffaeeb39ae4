package cache_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// TestCarryReferrers: what refers to a manifest is known offline as the
// registry told it, also that nothing does, and is carried on from there.
func TestCarryReferrers(t *testing.T) {
	src := newCarry()
	first, _ := src.add("1.0.0", []byte("first"))
	bare, _ := src.add("2.0.0", []byte("second"))
	signature := src.sign(first, "signature")
	list := func(s *cache.Store, subject ocispec.Descriptor) (all []ocispec.Descriptor, err error) {
		for desc, err := range registry.Referrers(t.Context(), s.Through(nil, team, cache.Policy{}), subject, "") {
			if err != nil {
				return nil, err
			}
			all = append(all, desc)
		}
		return all, nil
	}
	roots := []cache.ExportRoot{{Reference: v1, From: src}, {Reference: team.WithTag("2.0.0"), From: src}}
	store, _ := newStore(t, "")
	for _, hop := range []string{"one", "two"} { // the second is carried on without a registry
		b := carryBundle{path: filepath.Join(t.TempDir(), hop)}
		b.export(t, store, cache.ExportOptions{Referrers: true}, roots...)
		store, _ = newStore(t, "")
		if _, err := store.Import(t.Context(), b.open(t), cache.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		want := signature
		want.ArtifactType, want.Annotations = "application/vnd.example.signature", map[string]string{"note": "signature"}
		got, err := list(store, first)
		if diff := cmp.Diff([]ocispec.Descriptor{want}, got); err != nil || diff != "" {
			t.Errorf("hop %s: %v\n%s", hop, err, diff)
		}
		for _, subject := range []ocispec.Descriptor{bare, signature} {
			if got, err := list(store, subject); err != nil || len(got) != 0 {
				t.Errorf("hop %s: of what has none: %v, %v", hop, got, err)
			}
		}
		roots = []cache.ExportRoot{{Reference: v1}, {Reference: team.WithTag("2.0.0")}}
	}
	b := carryBundle{path: filepath.Join(t.TempDir(), "without")}
	b.export(t, store, cache.ExportOptions{}, roots...)
	store, _ = newStore(t, "")
	if _, err := store.Import(t.Context(), b.open(t), cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := list(store, bare); err == nil {
		t.Errorf("not to have carried them is no news that there are none: %v", got)
	}
}
