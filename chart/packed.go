package chart

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// Packed is a chart in the form that registries keep. It is a registry.Source,
// from which any target can be filled. Treat its fields as read-only; it is
// safe for concurrent use until Close.
type Packed struct {
	Manifest   ocispec.Descriptor
	Config     ocispec.Descriptor
	Layer      ocispec.Descriptor  // the archive
	Provenance *ocispec.Descriptor // nil where there is no .prov file
	Metadata   *Metadata

	archive                      *Archive
	manifest, config, provenance []byte
}

var _ registry.Source = (*Packed)(nil)

// Archive returns the packaged chart, as long as p is open. It is not the
// caller's to close.
func (p *Packed) Archive() *Archive { return p.archive }

// Descriptors lists all the content in the order in which a registry wants it:
// what the manifest names, then the manifest.
func (p *Packed) Descriptors() []ocispec.Descriptor {
	list := []ocispec.Descriptor{p.Config, p.Layer}
	if p.Provenance != nil {
		list = append(list, *p.Provenance)
	}
	return append(list, p.Manifest)
}

// Resolve answers with the manifest for its digest, and for the chart's
// version, as Chart.yaml or as a tag spells it ("+" or "_"). Anything else
// matches registry.ErrNotFound.
func (p *Packed) Resolve(_ context.Context, reference string) (ocispec.Descriptor, error) {
	switch reference {
	case string(p.Manifest.Digest), p.Metadata.Version, registry.TagOfVersion(p.Metadata.Version):
		return p.Manifest, nil
	}
	return ocispec.Descriptor{}, fmt.Errorf("packed chart %s: reference %s: %w", p.title(), quoted(reference), registry.ErrNotFound)
}

// Fetch opens content by its digest, each time anew. The reader is an
// io.Seeker too, so that an upload can be rewound, and reading it from its
// start to its end fails with registry.ErrDigestMismatch should the archive
// have changed since. What p does not hold matches registry.ErrNotFound.
func (p *Packed) Fetch(_ context.Context, target ocispec.Descriptor) (io.ReadCloser, error) {
	switch {
	case target.Digest == p.Manifest.Digest:
		return memory{bytes.NewReader(p.manifest)}, nil
	case target.Digest == p.Config.Digest:
		return memory{bytes.NewReader(p.config)}, nil
	case p.Provenance != nil && target.Digest == p.Provenance.Digest:
		return memory{bytes.NewReader(p.provenance)}, nil
	case target.Digest == p.Layer.Digest:
		section, err := verify.NewSection(p.archive.section(), p.Layer)
		return layerReader{section}, err
	}
	return nil, fmt.Errorf("packed chart %s: content %s: %w", p.title(), quoted(string(target.Digest)), registry.ErrNotFound)
}

// layers are the parts that its manifest names.
func (p *Packed) layers() *Layers {
	return &Layers{Config: p.Config, Chart: p.Layer, Provenance: p.Provenance}
}

// title names the chart in an error.
func (p *Packed) title() string { return shown(p.Metadata.Name + " " + p.Metadata.Version) }

// Exists tells whether Fetch finds the content.
func (p *Packed) Exists(_ context.Context, target ocispec.Descriptor) (bool, error) {
	return slices.ContainsFunc(p.Descriptors(), func(d ocispec.Descriptor) bool { return d.Digest == target.Digest }), nil
}

// Close closes the archive. Readers that are open fail from here on.
func (p *Packed) Close() error { return p.archive.Close() }

// memory is content that is held in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// layerReader reads the archive and verifies it. Closing it leaves the archive
// open.
type layerReader struct{ *verify.Section }

func (layerReader) Close() error { return nil }
