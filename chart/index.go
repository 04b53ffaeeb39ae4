package chart

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
)

// maxUntold is how many manifests of one index are read to learn what they
// are, or what their charts are called. Each costs a request, one after the
// other, and up to 4 MiB of memory, one at a time. Indexes that tools write
// today say artifactType; those that do not hold one chart beside an image,
// whose manifests are known by their platform, and a few artifacts: 16 is some
// five times as many.
const maxUntold = 16

// attestation marks the manifests that BuildKit adds for each platform of an
// image (BuildKit documentation, Attestation storage).
const attestation = "vnd.docker.reference.type"

// indexed is what an image index says of its charts.
type indexed struct {
	charts []ocispec.Descriptor // those that it calls so
	untold []ocispec.Descriptor // of which it says nothing, and which have no platform
	nested int                  // indexes in it
}

// readIndex finds the manifests of an image index that are, or may be,
// charts'. Only image manifests count; of one that is there twice, the first.
// Each has a valid digest and size. What the index says of itself (subject,
// artifactType, annotations) does not matter.
//
// A manifest that has a platform to run on is an image (OCI image spec 1.1,
// Image Index); "unknown" is how BuildKit says that there is none.
//
// The error matches ErrInvalidManifest.
func readIndex(indexJSON []byte) (*indexed, error) {
	m, err := ocijson.Parse(indexJSON)
	if err != nil {
		return nil, fmt.Errorf("%w: image index %s", ErrInvalidManifest, shown(err.Error()))
	}
	// See ReadManifest: nothing is two kinds of document.
	if m.MediaType != "" && m.MediaType != ocispec.MediaTypeImageIndex || m.Has("config") || m.Has("layers") || m.Has("fsLayers") {
		return nil, fmt.Errorf("%w: is both an image index and something else", ErrInvalidManifest)
	}
	var in indexed
	var last []ocispec.Descriptor // without a platform, by saying that it is unknown
	seen := map[digest.Digest]bool{}
	for _, d := range m.Manifests {
		if d.MediaType == ocispec.MediaTypeImageIndex {
			in.nested++
		}
		told := d.ArtifactType != "" && d.ArtifactType != ConfigMediaType
		if d.MediaType != ocispec.MediaTypeImageManifest || told || seen[d.Digest] {
			continue
		}
		if err := checkDescriptor(d); err != nil {
			return nil, err
		}
		seen[d.Digest] = true
		switch {
		case d.ArtifactType == ConfigMediaType:
			in.charts = append(in.charts, d)
		case d.Annotations[attestation] != "":
		case d.Platform == nil:
			in.untold = append(in.untold, d)
		case unknown(d.Platform.OS) && unknown(d.Platform.Architecture):
			last = append(last, d)
		}
	}
	in.untold = slices.Concat(in.untold, last)
	return &in, nil
}

func unknown(s string) bool { return s == "" || s == "unknown" }
