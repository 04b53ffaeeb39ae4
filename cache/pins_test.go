package cache_test

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// keepAll puts a chart of f into s: manifest, config and layer.
func keepAll(t *testing.T, s *cache.Store, f *fakeSource) {
	t.Helper()
	for _, data := range f.content {
		put(t, s, describe("", data), data)
	}
}

func TestPins(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	keepAll(t, s, f)
	if _, err := s.Pinned(t.Context(), v1); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Pinned before Pin: %v", err)
	}
	for range 2 {
		if err := s.Pin(t.Context(), v1, manifest); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []registry.Reference{v1, v1.WithDigest(manifest.Digest)} {
		got, err := s.Pinned(t.Context(), ref)
		if err != nil || got.Digest != manifest.Digest || got.Size != manifest.Size || got.MediaType != manifest.MediaType {
			t.Errorf("Pinned(%s) = %+v, %v", ref, got, err)
		}
	}
	other := describe("", []byte("other")).Digest
	for _, ref := range []registry.Reference{team.WithTag("1.0.1"), v1.WithDigest(other)} {
		if _, err := s.Pinned(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Pinned(%s): %v", ref, err)
		}
	}
	// A pin is no answer of the registry.
	if _, err := s.Through(nil, v1, cache.Policy{}).Resolve(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Resolve: %v", err)
	}
	for range 2 {
		if err := s.Unpin(t.Context(), v1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Pinned(t.Context(), v1); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Pinned after Unpin: %v", err)
	}
	if _, err := s.Open(t.Context(), manifest); err != nil {
		t.Errorf("Unpin removed content: %v", err)
	}
	wantClean(t, s.Dir())
}

func TestPinRefuses(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, layer := f.add("1.0.0", []byte("layer"))
	keepAll(t, s, f)
	otherDigest := v1.WithDigest(layer.Digest)
	if err := s.Pin(t.Context(), team, manifest); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("without a tag: %v", err)
	}
	if err := s.Pin(t.Context(), otherDigest, manifest); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("with another digest: %v", err)
	}
	if err := s.Pin(t.Context(), v1, ocispec.Descriptor{Digest: manifest.Digest, Size: manifest.Size}); err == nil {
		t.Error("without a media type")
	}
	flip(t, blobPath(s, layer))
	if err := s.Pin(t.Context(), v1, manifest); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), layer.Digest.String()) {
		t.Errorf("with a bad layer: %v", err)
	}
	if _, err := s.Pinned(t.Context(), v1); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("it is pinned: %v", err)
	}
}

func TestEntries(t *testing.T) {
	s, log := newStore(t, "")
	f := newFake()
	layer := noise(1000, 12)
	first, layerDesc := f.add("1.0.0", layer)
	second, _ := f.add("2.0.0", layer)
	other := registry.Reference{Host: "a.example.com", Repository: "z"}
	for _, ref := range []registry.Reference{team.WithTag("2.0.0"), v1, other.WithTag("1.0.0")} {
		mustPull(t, s.Through(fullSource{f}, ref, cache.Policy{}), ref.Tag, layer)
	}
	packed := newFake()
	third, _ := packed.add("3.0.0", []byte("three"))
	repacked, _ := packed.add("2.0.0", []byte("another two"))
	keepAll(t, s, packed)
	for tag, desc := range map[string]ocispec.Descriptor{"3.0.0": third, "2.0.0": repacked} {
		if err := s.Pin(t.Context(), team.WithTag(tag), desc); err != nil {
			t.Fatal(err)
		}
	}
	lost, _ := f.add("4.0.0", layer)
	mustPull(t, s.Through(fullSource{f}, team, cache.Policy{}), "4.0.0", layer)
	flip(t, blobPath(s, lost))

	type row struct {
		ref              string
		root             ocispec.Descriptor
		size             int64
		complete, pinned bool
	}
	partial := func(root ocispec.Descriptor) int64 { return root.Size + layerDesc.Size }
	want := []row{
		{"a.example.com/z:1.0.0", first, partial(first), false, false},
		{v1.String(), first, partial(first), false, false},
		// complete: the repacked one has the same config
		{team.WithTag("2.0.0").String(), second, sizeOf(second, "2.0.0", string(layer)), true, false},
		{team.WithTag("2.0.0").String(), repacked, sizeOf(repacked, "2.0.0", "another two"), true, true},
		{team.WithTag("3.0.0").String(), third, sizeOf(third, "3.0.0", "three"), true, true},
	}
	var got []row
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row{e.Reference.String(), e.Descriptor, e.Size, e.Complete, e.Pinned})
		if e.Fetched.IsZero() || e.Confirmed.IsZero() != e.Pinned {
			t.Errorf("%s: fetched %s, confirmed %s", e.Reference, e.Fetched, e.Confirmed)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d: %+v", len(got), len(want), got)
	}
	slices.SortStableFunc(got, func(a, b row) int { return cmp.Compare(a.ref, b.ref) }) // a pin stays behind its tag
	for i := range want {
		if got[i].ref != want[i].ref || got[i].root.Digest != want[i].root.Digest || got[i].size != want[i].size || got[i].complete != want[i].complete || got[i].pinned != want[i].pinned {
			t.Errorf("entry %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if !strings.Contains(log.String(), lost.Digest.String()) {
		t.Errorf("the log does not tell of the bad manifest: %s", log)
	}
	for range s.Entries(t.Context()) {
		break // must not go on
	}

	if err := s.Pin(t.Context(), v1, first); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Pin of what is here in part: %v", err)
	}
	unreadable, _ := newStore(t, regularFile(t))
	n := 0
	for _, err := range unreadable.Entries(t.Context()) {
		if err == nil {
			t.Error("an entry in a file")
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d errors, want one", n)
	}
}

// A pushed chart whose pin is still there is one entry.
func TestEntryPinnedAndPushed(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	keepAll(t, s, f)
	if err := s.Pin(t.Context(), v1, manifest); err != nil {
		t.Fatal(err)
	}
	if err := s.Through(f, v1, cache.Policy{}).Record(t.Context(), "1.0.0", manifest); err != nil {
		t.Fatal(err)
	}
	os.Remove(blobPath(s, describe("", f.content[manifest.Digest]))) // a broken pin shows
	n := 0
	for e, err := range s.Entries(t.Context()) {
		if err != nil || !e.Pinned || e.Confirmed.IsZero() || e.Complete || e.Size != 0 {
			t.Errorf("%+v, %v", e, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// sizeOf adds up a chart of which all is here.
func sizeOf(root ocispec.Descriptor, version, layer string) int64 {
	config := `{"name":"app","version":"` + version + `","apiVersion":"v2"}`
	return root.Size + int64(len(config)+len(layer))
}
