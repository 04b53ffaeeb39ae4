package chart

import (
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// verify asks the client's Verifier about what is about to be copied. What is
// in no registry has no name but its own. tag is what the copy will be found
// under: where it says more of the version than the source's does, it comes
// from the config or the caller, and what was signed decides whether it is true.
func (x *copier) verify(ctx context.Context, root *copyRoot, source registry.Reference, tag string) ([]string, error) {
	if x.client.verifier == nil {
		return nil, nil
	}
	if isIndex(root.desc.MediaType) && !x.options.ChartOnly {
		// It may hold other charts, images, and indexes: all would be copied, and
		// only one be judged.
		return nil, fmt.Errorf("%s: %w: an image index holds more than the chart that is judged; copy its chart alone (ChartOnly)", spell(source), ErrVerification)
	}
	layers, err := x.chart(ctx, root)
	if err != nil {
		return nil, err
	}
	name := x.options.Selector.Chart
	if name == "" && source.Host == "" {
		m, err := x.metadata(ctx, root)
		if err != nil {
			return nil, err
		}
		name = m.Name
	}
	version := ""
	_, told := versionOf(source.Tag)
	if v, ok := versionOf(tag); ok && (!told || !v.parsed.IsShort()) {
		version = v.Version
	}
	return x.client.verify(ctx, Subject{
		Reference: source, Name: name, Version: version, Manifest: root.chart, Layers: layers, Source: x.src,
		provenance: &provenance{source: readEnd{x}, ref: source, desc: layers.Provenance},
	})
}

// readEnd is the source, whose content verifies itself.
type readEnd struct{ *copier }

func (r readEnd) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	return r.src.Resolve(ctx, reference)
}

func (r readEnd) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	return r.fetch(ctx, desc)
}

func (r readEnd) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	return r.src.Exists(ctx, desc)
}
