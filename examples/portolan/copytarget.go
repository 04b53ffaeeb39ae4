package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// chartName finds out how the chart is called.
func (s *source) chartName(ctx context.Context) (string, error) {
	if s.name != "" {
		return s.name, nil
	}
	object := s.Reference.Object()
	if object == "" {
		return "", usagef("the chart's name is not known before its version is chosen: name the whole repository, or the version of the source")
	}
	desc, err := s.Source.Resolve(ctx, object)
	if err != nil {
		return "", err
	}
	manifest, err := readAll(ctx, s.Source, desc)
	if err != nil {
		return "", err
	}
	layers, err := chart.ReadManifest(manifest, desc.MediaType)
	if err != nil {
		return "", err
	}
	config, err := readAll(ctx, s.Source, layers.Config)
	if err != nil {
		return "", err
	}
	m, err := chart.ParseConfig(config)
	if err != nil {
		return "", err
	}
	return m.Name, nil
}

// maxDocument is what registries take for a manifest.
const maxDocument = 4 << 20

func readAll(ctx context.Context, src registry.Source, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", desc.Digest, desc.Size, maxDocument)
	}
	rc, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// openTarget opens the end to write to. commit puts what was written in place, or,
// for false, leaves it; it may be called again.
func (e end) openTarget(ctx context.Context, client *chart.Client, from *source) (target chart.CopyTarget, commit func(ctx context.Context, done bool) error, err error) {
	nothing := func(context.Context, bool) error { return nil }
	switch {
	case e.path != "":
		return chart.CopyTarget{Archive: e.path}, nothing, nil
	case e.layout != "" && isTar(e.layout):
		w, err := layout.CreateTar(ctx, e.layout)
		if err != nil {
			return target, nil, err
		}
		return chart.CopyTarget{Target: w, Reference: e.ref}, func(ctx context.Context, done bool) error {
			if done {
				return errors.Join(w.Commit(ctx), w.Close())
			}
			return w.Close()
		}, nil
	case e.layout != "":
		d, err := layout.Create(ctx, e.layout)
		if err != nil {
			return target, nil, err
		}
		return chart.CopyTarget{Target: d, Reference: e.ref}, func(context.Context, bool) error { return d.Close() }, nil
	}
	ref := e.ref
	if e.namespace != "" {
		name, err := from.chartName(ctx)
		if err == nil {
			ref, err = parse(e.namespace + "/" + name)
		}
		if err != nil {
			return target, nil, err
		}
	}
	target, err = client.CopyTo(ref)
	return target, nothing, err
}
