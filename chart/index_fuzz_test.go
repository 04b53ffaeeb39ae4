package chart

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzReadIndex: what is found in an index is well-formed, is one thing once,
// and was not called something else.
func FuzzReadIndex(f *testing.F) {
	child := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("a"), Size: 7}
	chart, image, attested, other, nested := child, child, child, child, child
	chart.ArtifactType, chart.Digest = ConfigMediaType, digest.FromString("b")
	image.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	attested.Annotations = map[string]string{attestation: "attestation-manifest"}
	other.ArtifactType = "application/vnd.acme+json"
	nested.MediaType = ocispec.MediaTypeImageIndex
	for _, children := range [][]ocispec.Descriptor{nil, {child}, {image, chart}, {child, child, chart, chart}, {attested, other, nested}} {
		data, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: children})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"manifests":[null,{}],"config":{}}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:x","size":-1}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json"}],"Manifests":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := readIndex(data)
		if err != nil {
			if !errors.Is(err, ErrInvalidManifest) {
				t.Errorf("error %v matches no sentinel", err)
			}
			return
		}
		if _, err := ReadManifest(data, ocispec.MediaTypeImageManifest); err == nil {
			t.Error("it is a manifest as well")
		}
		seen := map[digest.Digest]bool{}
		for i, d := range append(in.charts, in.untold...) {
			if d.MediaType != ocispec.MediaTypeImageManifest || d.Digest.Validate() != nil || d.Size < 0 || seen[d.Digest] {
				t.Errorf("%+v", d)
			}
			if called := d.ArtifactType == ConfigMediaType; called != (i < len(in.charts)) || !called && d.ArtifactType != "" {
				t.Errorf("%+v is in the wrong list", d)
			}
			seen[d.Digest] = true
		}
	})
}
