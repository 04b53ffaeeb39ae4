package cache_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func TestNoneKeepsNothing(t *testing.T) {
	ctx := t.Context()
	t.Chdir(t.TempDir()) // where a name without a directory would end up
	s := cache.None()
	content := []byte("{}")
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: 2}
	ref := registry.Reference{Host: "r.example", Repository: "a", Tag: "1"}
	for name, err := range map[string]error{
		"Put":    s.Put(ctx, desc, bytes.NewReader(content)),
		"Record": s.Through(nil, ref, cache.Policy{}).Record(ctx, "1", desc),
	} {
		if !errors.Is(err, registry.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, open := s.Open(ctx, desc)
	_, pinned := s.Pinned(ctx, ref)
	for name, err := range map[string]error{"Open": open, "Pinned": pinned, "Pin": s.Pin(ctx, ref, desc)} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Unpin(ctx, ref); err != nil {
		t.Errorf("Unpin: %v", err)
	}
	for e, err := range s.Entries(ctx) {
		t.Errorf("entry %v, %v", e, err)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("made %v, %v", left, err)
	}
}
