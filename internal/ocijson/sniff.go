package ocijson

import (
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifestTypes are what registries serve as manifests: those of the image
// spec, and those from before the OCI.
var manifestTypes = []string{
	ocispec.MediaTypeImageManifest,
	ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.artifact.manifest.v1+json",
}

// IsManifest tells the media types of manifests and indexes from those of
// blobs.
func IsManifest(mediaType string) bool { return slices.Contains(manifestTypes, mediaType) }

// Sniff tells the media type of a manifest from its bytes: its own word, else
// its shape, since the manifests of Helm say nothing. What says nothing and has
// the shape of two is no manifest (CVE-2021-41190), and neither is other JSON,
// nor what two readers of JSON take for two manifests.
func Sniff(data []byte) (mediaType string, ok bool) {
	m, err := Parse(data)
	if err != nil {
		return "", false
	}
	image := m.Config != nil || m.Layers != nil
	index := m.Manifests != nil
	switch {
	case IsManifest(m.MediaType):
		return m.MediaType, true
	case m.MediaType != "" || m.SchemaVersion != 2 || image == index:
		return "", false
	case image:
		return ocispec.MediaTypeImageManifest, true
	}
	return ocispec.MediaTypeImageIndex, true
}

// Children lists what the document names, directly, in the order in which it
// does. The subject is not part of what names it.
func (m *Manifest) Children() []ocispec.Descriptor {
	var all []ocispec.Descriptor
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	return append(append(append(all, m.Layers...), m.Manifests...), m.Blobs...)
}

// RefersTo tells whether the document's subject is that manifest.
func (m *Manifest) RefersTo(d digest.Digest) bool { return m.Subject != nil && m.Subject.Digest == d }
