package cache_test

import (
	"errors"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// sightedLayout has a chart that its index names twice: in one manifest as a
// blob, and then as the manifest that it is.
func sightedLayout(config, layer ocispec.Descriptor) (l carryLayout, chart ocispec.Descriptor) {
	l = carryLayout{fakeSource: newFake()}
	two := specs.Versioned{SchemaVersion: 2}
	chart = l.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: two, Config: config, Layers: []ocispec.Descriptor{layer}})
	blob := chart
	blob.MediaType = "application/octet-stream"
	wrapper := l.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: two, Config: blob, Layers: []ocispec.Descriptor{blob}})
	root := l.put(ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: two, Manifests: []ocispec.Descriptor{wrapper, chart}})
	l.list(root, carryName, v1.String())
	return l, chart
}

// sightedOther is another partition of the same directory.
func sightedOther(t *testing.T, s *cache.Store) *cache.Store {
	t.Helper()
	other, err := cache.Open(s.Dir(), &cache.Options{Partition: "other"})
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// TestBlobAndManifest: what a manifest names belongs to its closure, although
// another one has called it a blob before; it is not to be had by that either.
func TestBlobAndManifest(t *testing.T) {
	owner, log := newStore(t, "")
	other := sightedOther(t, owner)
	config := describe("application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"app"}`))
	layer := describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", []byte("secret"))
	l, _ := sightedLayout(config, layer)
	l.content[config.Digest], l.content[layer.Digest] = []byte(`{"name":"app"}`), []byte("secret")
	in, err := owner.Import(t.Context(), l, cache.ImportOptions{})
	if err != nil || in.Contents != 5 {
		t.Fatalf("%+v, %v", in, err)
	}
	gcAge(t, 40*gcDay, owner.Dir())
	if c, _ := gcCollect(t, owner, cache.Limits{MaxAge: gcDay}); c.Removed > 0 || c.Rooted != 5 {
		t.Errorf("%+v", c)
	}

	delete(l.content, layer.Digest)
	if in, err := other.Import(t.Context(), l, cache.ImportOptions{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("without a layer: %+v, %v", in, err)
	}
	faultsWant(t, other, cache.VerifyOptions{})
	if has, err := other.Exists(t.Context(), layer); has || err != nil {
		t.Errorf("the other partition has got the layer, %v", err)
	}
	if log.String() != "" {
		t.Error(log)
	}
}

// TestHeldTagMoves: what a tag names that has moved since it was imported is
// not promised to anybody, and nothing of it is given to who does not know it.
func TestHeldTagMoves(t *testing.T) {
	owner, _ := newStore(t, "")
	other := sightedOther(t, owner)
	secret := newFake()
	_, layer := secret.add("1.0.0", []byte("secret"))
	keepAll(t, owner, secret)

	l := carryLayout{fakeSource: newFake()}
	desc, _ := l.add("1.0.0", []byte("theirs"))
	l.list(desc, carryName, v1.String())
	if _, err := other.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	moved := carryLayout{fakeSource: f}
	f.tags["1.0.0"] = moved.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: layer, Layers: []ocispec.Descriptor{layer}})
	for _, policy := range []cache.Policy{{}, {Moved: cache.WarnMoved}} {
		if _, _, err := other.Through(fullSource{f}, v1, policy).FetchManifest(t.Context(), "1.0.0"); err != nil {
			t.Fatal(err)
		}
		faultsWant(t, other, cache.VerifyOptions{})
		if has, err := other.Exists(t.Context(), layer); has || err != nil {
			t.Errorf("the other partition has got the layer, %v", err)
		}
	}
}
