package chart_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// pushManifest pushes a manifest whose config has that type and which names so
// many chart layers.
func pushManifest(t *testing.T, repo *registry.Repository, tag, configType string, charts int) {
	t.Helper()
	push := func(mediaType string, content []byte) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: push(configType, []byte("{}")), Layers: []ocispec.Descriptor{}}
	for i := range charts {
		m.Layers = append(m.Layers, push(chart.LayerMediaType, []byte{byte(i)}))
	}
	content, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if err := repo.PushReference(t.Context(), desc, bytes.NewReader(content), tag); err != nil {
		t.Fatal(err)
	}
}
