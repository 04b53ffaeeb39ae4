package ocijson_test

import (
	"encoding/json"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
)

func TestSniff(t *testing.T) {
	const (
		list     = "application/vnd.docker.distribution.manifest.list.v2+json"
		artifact = "application/vnd.oci.artifact.manifest.v1+json"
	)
	tests := []struct {
		name, data, want string // want "": no manifest
	}{
		{"Helm's, without a media type", `{"schemaVersion":2,"config":{},"layers":[]}`, ocispec.MediaTypeImageManifest},
		{"an index without one", `{"schemaVersion":2,"manifests":[]}`, ocispec.MediaTypeImageIndex},
		{"with one", `{"schemaVersion":2,"mediaType":"` + list + `","manifests":[]}`, list},
		{"an artifact manifest", `{"mediaType":"` + artifact + `","blobs":[]}`, artifact},
		{"its word counts", `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `","manifests":[],"layers":[]}`, ocispec.MediaTypeImageManifest},
		{"of two shapes", `{"schemaVersion":2,"manifests":[],"layers":[]}`, ""},
		{"of no shape", `{"schemaVersion":2}`, ""},
		{"schema 1", `{"schemaVersion":1,"layers":[]}`, ""},
		{"foreign media type", `{"schemaVersion":2,"mediaType":"application/json","layers":[]}`, ""},
		{"a chart's config", `{"name":"app","version":"1.0.0","apiVersion":"v2"}`, ""},
		{"a list", `[]`, ""},
		{"null", `null`, ""},
		{"no JSON", "\x1f\x8b", ""},
		{"two", `{"schemaVersion":2,"layers":[]} {}`, ""},
		{"a key twice", `{"schemaVersion":2,"layers":[],"layers":[{}]}`, ""},
		{"a key in upper case", `{"schemaVersion":2,"layers":[],"LAYERS":[]}`, ""},
		{"a key that folds to another", `{"schemaVersion":2,"layerſ":[]}`, ""},
		{"a key twice in a layer", `{"schemaVersion":2,"layers":[{"size":1,"size":2}]}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := ocijson.Sniff([]byte(tt.data)); got != tt.want || ok != (tt.want != "") {
				t.Errorf("ocijson.Sniff = %q, %t, want %q", got, ok, tt.want)
			}
		})
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"x"},"layers":[]}`))
	f.Add([]byte(`{"mediaType":"application/vnd.oci.image.index.v1+json"}`))
	f.Add([]byte(`{"layers":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		mediaType, ok := ocijson.Sniff(data)
		if ok != ocijson.IsManifest(mediaType) {
			t.Fatalf("%q, %t", mediaType, ok)
		}
		if ok && !json.Valid(data) {
			t.Fatal("a manifest that is no JSON")
		}
	})
}
