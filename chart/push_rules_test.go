package chart_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestPushOfWhatIsThere: a chart is its config and layers, whoever wrote the
// manifest around them.
func TestPushOfWhatIsThere(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	h.put(t, packed)
	stamped := h.putManifest(t, "1.0.0", ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		Config: packed.Config, Layers: []ocispec.Descriptor{packed.Layer}, Annotations: map[string]string{ocispec.AnnotationCreated: "2024-02-29T12:00:00Z"}})
	for _, options := range []chart.PushOptions{{}, {Force: true}, {Tags: []string{"latest", "1.0"}}, {Tags: []string{"latest", "1.0"}}} {
		h.Reset()
		pushed, err := h.client.Push(t.Context(), packed, h.repo, options)
		if err != nil {
			t.Fatal(err)
		}
		if !pushed.Exists || pushed.Manifest.Digest != stamped.Digest || pushed.Sent != 0 || !slices.Equal(pushed.Tags, options.Tags) {
			t.Errorf("%+v: %+v, want that %s exists", options, pushed, stamped.Digest)
		}
		for _, tag := range options.Tags {
			if r, err := h.newClient(t, cache.Policy{}).Resolve(t.Context(), h.repo.WithTag(tag), chart.Selector{}); err != nil || r.Reference.Digest != stamped.Digest {
				t.Errorf("tag %s: %+v, %v", tag, r, err)
			}
		}
	}
}

// TestPushSendsNothingItMustNot: one tag that may not be set keeps the whole
// push back, and so does what stands there broken.
func TestPushSendsNothingItMustNot(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	image(t, h, "broken", chart.ConfigMediaType, 2)
	h.index(t, "index", h.runnable(t, "{}"))
	for _, tags := range [][]string{{"broken"}, {"latest", "index"}, {"latest", "2.0.0"}} {
		h.Reset()
		_, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{Tags: tags})
		if !errors.Is(err, registry.ErrExists) && !errors.Is(err, registry.ErrInvalidReference) {
			t.Errorf("%v: %v", tags, err)
		}
		if c := h.Cost(); c.Received != 0 {
			t.Errorf("%v: %s", tags, c)
		}
		if _, err := h.client.Resolve(t.Context(), h.repo.WithTag("1.0.0"), chart.Selector{}); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%v: the version is there: %v", tags, err)
		}
	}
	pushed, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{Force: true, Tags: []string{"broken", "index"}})
	if err != nil || !slices.Equal(pushed.Tags, []string{"broken", "index"}) {
		t.Errorf("forced: %+v, %v", pushed, err)
	}
}
