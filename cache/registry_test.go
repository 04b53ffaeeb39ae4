package cache_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// stocked returns a registry with a chart, and its repository.
func stocked(t *testing.T, f *fakeSource) (*registrytest.Server, *registry.Repository, registry.Reference) {
	t.Helper()
	server := registrytest.New(nil)
	t.Cleanup(server.Close)
	client, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := registry.ParseReference(server.Host + "/team/app:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	pushTo(t, repo, f)
	server.Reset()
	return server, repo, ref
}

// pushTo copies all that the tags of f name.
func pushTo(t *testing.T, to registry.Target, f *fakeSource) {
	t.Helper()
	for tag, desc := range f.tags {
		var m ocispec.Manifest
		if err := json.Unmarshal(f.content[desc.Digest], &m); err != nil {
			t.Fatal(err)
		}
		for _, part := range []ocispec.Descriptor{m.Config, m.Layers[0], desc} {
			if err := to.Push(t.Context(), part, bytes.NewReader(f.content[part.Digest])); err != nil {
				t.Fatal(err)
			}
		}
		if err := to.Tag(t.Context(), desc, tag); err != nil {
			t.Fatal(err)
		}
	}
}

// What pulls cost on the wire.
func TestRequestsOnTheWire(t *testing.T) {
	f := newFake()
	layer := noise(100_000, 14)
	manifest, _ := f.add("1.0.0", layer)
	server, repo, ref := stocked(t, f)
	s, _ := newStore(t, "")
	for _, step := range []struct{ name, reference, want string }{
		{"cold", "1.0.0", "GET GET"},
		{"warm", "1.0.0", "HEAD"},
		{"by digest", manifest.Digest.String(), ""},
	} {
		server.Reset()
		mustPull(t, s.Through(repo, ref, cache.Policy{}), step.reference, layer)
		if got := server.Cost(); got.Methods() != step.want {
			t.Errorf("%s: %s, want %q", step.name, got, step.want)
		} else if step.want == "HEAD" && got.Sent != 0 {
			t.Errorf("%s: a body of %d bytes", step.name, got.Sent)
		}
	}
	server.Close()
	mustPull(t, s.Through(repo, ref, cache.Policy{Offline: true}), "1.0.0", layer)
	if _, _, err := pull(t.Context(), s.Through(repo, ref, cache.Policy{}), "1.0.0"); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("a registry that is down: %v", err)
	}
}

func TestCorruptRegistry(t *testing.T) {
	f := newFake()
	layer := noise(100_000, 15)
	_, desc := f.add("1.0.0", layer)
	server, repo, ref := stocked(t, f)
	s, _ := newStore(t, "")
	server.SetFaults(&registrytest.Faults{Match: registrytest.Blobs, Corrupt: true})
	src := s.Through(repo, ref, cache.Policy{})
	if _, _, err := pull(t.Context(), src, "1.0.0"); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("corrupt blobs: %v", err)
	}
	if ok, _ := s.Exists(t.Context(), desc); ok {
		t.Error("a corrupt blob was kept")
	}
	wantClean(t, s.Dir())
	server.SetFaults(nil)
	mustPull(t, src, "1.0.0", layer)
}

// Sources of oras-go fit as they are, and this one fits its copy.
func TestForeignSource(t *testing.T) {
	f := newFake()
	layer := []byte("layer")
	manifest, _ := f.add("1.0.0", layer)
	foreign := memory.New()
	pushTo(t, foreign, f)
	s, _ := newStore(t, "")
	src := s.Through(foreign, team, cache.Policy{})
	if _, err := src.Resolve(t.Context(), "absent"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Resolve of what is not there: %v", err)
	}
	for _, src := range []*cache.Source{src, s.Through(nil, team, cache.Policy{})} {
		to := memory.New()
		got, err := oras.Copy(t.Context(), src, "1.0.0", to, "", oras.DefaultCopyOptions)
		if err != nil || got.Digest != manifest.Digest {
			t.Fatalf("copy: %s, %v", got.Digest, err)
		}
		if ok, err := to.Exists(t.Context(), manifest); !ok || err != nil {
			t.Errorf("copy: %t, %v", ok, err)
		}
	}
	for e, err := range s.Entries(t.Context()) {
		if err != nil || !e.Complete || e.Descriptor.MediaType != ocispec.MediaTypeImageManifest {
			t.Errorf("%+v, %v", e, err)
		}
	}
}
