package chart

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	_ "github.com/portolan-oci/portolan/internal/verify" // go-digest wants its algorithms linked in
)

// The media types of a chart in a registry (HIP-0006; helm/helm pkg/registry).
const (
	ConfigMediaType      = "application/vnd.cncf.helm.config.v1+json"            // Metadata as JSON
	LayerMediaType       = "application/vnd.cncf.helm.chart.content.v1.tar+gzip" // the archive, byte for byte
	LegacyLayerMediaType = "application/tar+gzip"                                // the archive, as pushed before Helm 3.7; read, never written
	ProvenanceMediaType  = "application/vnd.cncf.helm.chart.provenance.v1.prov"  // the .prov file, byte for byte
)

// buildManifest writes the manifest that "helm push" writes for these parts.
// In its bytes nothing is free: there is no mediaType, layers are sorted by
// digest, and <, > and & are escaped.
func buildManifest(m *Metadata, config ocispec.Descriptor, layers []ocispec.Descriptor, created string) ([]byte, error) {
	layers = slices.SortedFunc(slices.Values(layers), func(a, b ocispec.Descriptor) int {
		return strings.Compare(string(a.Digest), string(b.Digest))
	})
	data, err := json.Marshal(ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		Config:      config,
		Layers:      layers,
		Annotations: annotations(m, created),
	})
	if err == nil && len(data) > maxManifest {
		err = &ArchiveError{
			Problem: fmt.Sprintf("its manifest has %d bytes, and registries take %d; the annotations in Chart.yaml are part of it", len(data), maxManifest),
			Err:     ErrTooLarge,
		}
	}
	return data, err
}

// annotations derives those of the manifest from the metadata: blank values
// are left out, then the chart's own annotations are added and win, blank or
// not, over all but title and version.
func annotations(m *Metadata, created string) map[string]string {
	all := map[string]string{
		ocispec.AnnotationDescription: m.Description,
		ocispec.AnnotationTitle:       m.Name,
		ocispec.AnnotationVersion:     m.Version,
		ocispec.AnnotationURL:         m.Home,
		ocispec.AnnotationCreated:     created,
		ocispec.AnnotationAuthors:     authors(m.Maintainers),
	}
	if len(m.Sources) > 0 {
		all[ocispec.AnnotationSource] = m.Sources[0]
	}
	for k, v := range all {
		if strings.TrimSpace(v) == "" {
			delete(all, k)
		}
	}
	for k, v := range m.Annotations {
		if k != ocispec.AnnotationTitle && k != ocispec.AnnotationVersion {
			all[k] = v
		}
	}
	return all
}

// authors joins the maintainers as "Name (email), Name"; one without a name
// or address leaves its place empty, as in Helm.
func authors(maintainers []*Maintainer) string {
	list := make([]string, len(maintainers))
	for i, p := range maintainers {
		list[i] = p.Name
		if p.Email != "" {
			list[i] += " (" + p.Email + ")"
		}
	}
	return strings.Join(list, ", ")
}

func describe(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}
