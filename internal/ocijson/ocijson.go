// Package ocijson reads manifests and indexes of the OCI image spec, and their
// forebears, such that every JSON reader finds the same in them.
//
// RFC 8259, section 4, leaves it to the reader what equal keys mean, and
// encoding/json takes "LAYERS" and "layerſ" for "layers". A document that uses
// this shows one content to whoever checks it and another to whoever installs
// it.
package ocijson

import (
	"encoding/json"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// MaxSize is the size up to which registries must take a manifest (OCI
	// distribution spec 1.1, Pushing Manifests), in bytes.
	MaxSize = 4 << 20
	// MaxDescriptors bounds each list of descriptors. An image has at most 127
	// layers, a chart two; indexes of whole repositories are the longest. One
	// descriptor is 120 bytes in memory and three in JSON ("{},"), so that
	// MaxSize of them would take 160 MiB, and a list that grows twice that;
	// with this limit it is 10,000 × 120 × 2 bytes ≈ 2.4 MiB.
	MaxDescriptors = 10_000
	// maxValues bounds all members and elements together: the shortest take
	// two bytes of JSON and up to 100 of memory. 10,000 descriptors of six
	// members, two of them annotations, have 80,000. 100,000 × 100 bytes ≈
	// 10 MiB.
	maxValues = 100_000
	// maxDepth: a platform's features lie five levels deep. What extends the
	// spec has as many again, and more.
	maxDepth = 32
)

// Manifest is what any kind of manifest or index may hold, and this house
// looks at. A nil list is not there, or null.
type Manifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	Blobs         []ocispec.Descriptor `json:"blobs"`
	Subject       *ocispec.Descriptor  `json:"subject"`
	Annotations   map[string]string    `json:"annotations"`

	keys map[string]bool
}

// Has tells whether the document has the key at its top, whatever stands
// there.
func (m *Manifest) Has(key string) bool { return m.keys[key] }

// Parse reads a document. Its error says what is wrong with it: larger than
// MaxSize, no JSON object, no UTF-8, more than one reading, or beyond a limit.
// Digests and sizes are not checked.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("has more than %d bytes", MaxSize)
	}
	keys, err := check(data)
	if err != nil {
		return nil, err
	}
	m := &Manifest{keys: keys}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	return m, nil
}
