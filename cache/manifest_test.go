package cache

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestSniffManifest(t *testing.T) {
	tests := []struct {
		name, data, want string // want "": no manifest
	}{
		{"Helm's, without a media type", `{"schemaVersion":2,"config":{},"layers":[]}`, ocispec.MediaTypeImageManifest},
		{"an index without one", `{"schemaVersion":2,"manifests":[]}`, ocispec.MediaTypeImageIndex},
		{"with one", `{"schemaVersion":2,"mediaType":"` + dockerManifestList + `","manifests":[]}`, dockerManifestList},
		{"an artifact manifest", `{"mediaType":"` + ociArtifact + `","blobs":[]}`, ociArtifact},
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
			if got, ok := sniffManifest([]byte(tt.data)); got != tt.want || ok != (tt.want != "") {
				t.Errorf("sniffManifest = %q, %t, want %q", got, ok, tt.want)
			}
		})
	}
}

func TestChildrenReadOneWay(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	for _, text := range []string{
		`{"layers":[{"digest":"` + string(a) + `"}],"layers":[{"digest":"` + string(b) + `"}]}`,
		`{"layers":[{"digest":"` + string(a) + `"}],"Layers":[{"digest":"` + string(b) + `"}]}`,
		`{"layers":[{"digest":"` + string(a) + `","digeſt":"` + string(b) + `"}]}`,
	} {
		if below, err := children([]byte(text)); err == nil {
			t.Errorf("children(%s) = %v", text, below)
		}
	}
}

func FuzzSniffManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../..","size":-1}]}`))
	f.Add([]byte(`{"mediaType":"application/vnd.oci.image.index.v1+json"}`))
	f.Add([]byte(`{"layers":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		mediaType, ok := sniffManifest(data)
		if ok != isManifest(mediaType) {
			t.Fatalf("%q, %t", mediaType, ok)
		}
		if ok && !json.Valid(data) {
			t.Fatal("a manifest that is no JSON")
		}
		below, err := children(data)
		if err != nil {
			return
		}
		for _, desc := range below {
			if desc.Digest.Validate() != nil || desc.Size < 0 {
				t.Fatalf("child %+v", desc)
			}
		}
	})
}
