package chart

import (
	"encoding/json"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	_ "github.com/portolan-oci/portolan/internal/verify" // links the algorithms that digest.Validate knows
)

// Layers are the parts of a chart that its manifest names.
type Layers struct {
	Config     ocispec.Descriptor  // ConfigMediaType
	Chart      ocispec.Descriptor  // LayerMediaType or LegacyLayerMediaType
	Provenance *ocispec.Descriptor // ProvenanceMediaType; nil where there is none
	// Annotations are the manifest's: description, version, and whatever
	// Chart.yaml lists. They are a remark of whoever pushed; the config and the
	// archive decide.
	Annotations map[string]string
}

// knownTypes says in words what stands where a chart was expected, by config
// or manifest media type.
var knownTypes = map[string]string{
	ocispec.MediaTypeImageConfig:                                "a container image",
	"application/vnd.docker.container.image.v1+json":            "a container image",
	"application/vnd.docker.distribution.manifest.v2+json":      "a Docker image",
	"application/vnd.docker.distribution.manifest.v1+prettyjws": "a Docker image",
	"application/vnd.docker.distribution.manifest.list.v2+json": "a Docker manifest list",
	ocispec.MediaTypeImageIndex:                                 "an image index",
	"application/vnd.helm.plugin.v1+json":                       "a Helm plugin",
	"application/vnd.cncf.openpolicyagent.config.v1+json":       "an OPA policy",
	"application/vnd.wasm.config.v0+json":                       "a WebAssembly module",
	"application/vnd.cncf.flux.config.v1+json":                  "a Flux artifact",
	"application/vnd.oci.empty.v1+json":                         "an artifact of another kind",
}

// ReadManifest finds the parts of a chart in a manifest. mediaType is that of
// its descriptor or its Content-Type; empty means that the manifest speaks for
// itself. Layers are found by type, in any order; others are ignored
// (helm#30890), and so are annotations.
//
// The error matches ErrNotChart where something else was pushed under this
// name, an index included, and says what; ErrInvalidManifest for one that
// calls itself a chart's and has no chart layer or several (HIP-0006, where
// Helm 4 takes whichever comes last), a part without a valid digest or size,
// more than 4 MiB, 10,000 layers or 100,000 values in all, or content that no
// two readers would understand alike: a key that comes twice, or one of the
// image spec's in another case ("LAYERS").
func ReadManifest(manifestJSON []byte, mediaType string) (*Layers, error) {
	if mediaType != "" && mediaType != ocispec.MediaTypeImageManifest {
		return nil, notChart(mediaType)
	}
	m, err := ocijson.Parse(manifestJSON)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidManifest, shown(err.Error()))
	}
	if m.MediaType != "" && m.MediaType != ocispec.MediaTypeImageManifest {
		return nil, notChart(m.MediaType)
	}
	var config ocispec.Descriptor
	if m.Config != nil {
		config = *m.Config
	}
	// A document that is a manifest to one reader and an index to another hides
	// content from one of them (OCI image spec 1.1, security advisory
	// GHSA-77vh-xpmg-72qh).
	if m.Has("manifests") || m.Has("fsLayers") {
		if config.MediaType == "" {
			return nil, notChart(ocispec.MediaTypeImageIndex)
		}
		return nil, fmt.Errorf("%w: is both an image manifest and something else", ErrInvalidManifest)
	}
	if config.MediaType != ConfigMediaType {
		return nil, notChart(config.MediaType)
	}
	l := &Layers{Config: config, Annotations: m.Annotations}
	if err := l.pick(m.Layers); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Layers) pick(layers []ocispec.Descriptor) error {
	if err := checkDescriptor(l.Config); err != nil {
		return err
	}
	charts := 0
	for _, d := range layers {
		switch d.MediaType {
		case LayerMediaType, LegacyLayerMediaType:
			charts++
			l.Chart = d
		case ProvenanceMediaType:
			if l.Provenance != nil {
				return fmt.Errorf("%w: has more than one provenance layer", ErrInvalidManifest)
			}
			l.Provenance = &d
		default:
			continue
		}
		if err := checkDescriptor(d); err != nil {
			return err
		}
	}
	if charts != 1 {
		return fmt.Errorf("%w: has %d chart layers instead of one", ErrInvalidManifest, charts)
	}
	return nil
}

func checkDescriptor(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("%w: digest %s of the %s: %v", ErrInvalidManifest, quoted(string(d.Digest)), shown(d.MediaType), err)
	}
	if d.Size < 0 {
		return fmt.Errorf("%w: size %d of %s is negative", ErrInvalidManifest, d.Size, d.Digest)
	}
	return nil
}

func notChart(mediaType string) error {
	switch what := knownTypes[mediaType]; {
	case mediaType == "":
		return fmt.Errorf("%w: a manifest without a config type", ErrNotChart)
	case what != "":
		return fmt.Errorf("%w but %s (%s)", ErrNotChart, what, mediaType)
	}
	return fmt.Errorf("%w but an artifact of type %s", ErrNotChart, quoted(mediaType))
}

// ParseConfig reads the config blob of a chart, checked with Validate. Nobody
// but whoever pushed it vouches that the archive's Chart.yaml says the same.
// The error matches ErrInvalidMetadata.
func ParseConfig(configJSON []byte) (*Metadata, error) {
	m := new(Metadata)
	if err := json.Unmarshal(configJSON, m); err != nil {
		return nil, &MetadataError{Problem: fmt.Sprintf("chart config cannot be read: %v", err)}
	}
	if m.APIVersion == "" {
		m.APIVersion = APIVersionV1
	}
	m.sanitize()
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}
