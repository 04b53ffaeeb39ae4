package chart_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// repository opens the repository beneath all clients.
func (h *harbour) repository(t *testing.T) *registry.Repository {
	t.Helper()
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository(h.repo)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// put stores a chart under its digest alone, as a child of indexes.
func (h *harbour) put(t *testing.T, packed *chart.Packed) ocispec.Descriptor {
	t.Helper()
	repo := h.repository(t)
	for _, desc := range packed.Descriptors() {
		rc, err := packed.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		if err := repo.Push(t.Context(), desc, rc); err != nil {
			t.Fatal(err)
		}
	}
	return packed.Manifest
}

// putManifest stores a manifest of any kind under a tag, or under its digest.
func (h *harbour) putManifest(t *testing.T, tag, mediaType string, manifest any) ocispec.Descriptor {
	t.Helper()
	content, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if tag == "" {
		tag = string(desc.Digest)
	}
	if err := h.repository(t).PushReference(t.Context(), desc, bytes.NewReader(content), tag); err != nil {
		t.Fatal(err)
	}
	return desc
}

// index stores an image index of these children under a tag.
func (h *harbour) index(t *testing.T, tag string, children ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	return h.putManifest(t, tag, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children})
}

// runnable stores the manifest of a container image.
func (h *harbour) runnable(t *testing.T, content string) ocispec.Descriptor {
	t.Helper()
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromString(content), Size: int64(len(content))}
	if err := h.repository(t).Push(t.Context(), config, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return h.putManifest(t, "", ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{}})
}

// as says more of a child.
func as(desc ocispec.Descriptor, artifactType, platform, title string) ocispec.Descriptor {
	desc.ArtifactType = artifactType
	if os, arch, ok := strings.Cut(platform, "/"); ok {
		desc.Platform = &ocispec.Platform{OS: os, Architecture: arch}
	}
	if title != "" {
		desc.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	}
	return desc
}

// chartNamed packs a chart of another name.
func chartNamed(t *testing.T, name, version string) *chart.Packed {
	t.Helper()
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n"})
	packed, err := chart.Pack(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return packed
}
