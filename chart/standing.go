package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// standing is what a reference and a selector name: a chart's manifest, an
// image index, or something else.
type standing struct {
	src     registry.Source
	ref     registry.Reference // as asked for
	choice  choice
	content []byte
	res     cache.Resolution

	last   digest.Digest // of the index's charts, which was read last
	parsed *Layers       // what it said
}

// stands chooses and reads it.
func stands(ctx context.Context, src *cache.Source, ref registry.Reference, sel Selector) (*standing, error) {
	s := &standing{src: src, ref: ref}
	err := choose(ctx, src, ref, sel, func(ch choice) (err error) {
		s.choice = ch
		s.content, s.res, err = src.FetchManifest(ctx, ch.object)
		return manifestNotCached(ctx, err, src, ref, ch)
	})
	return s, err
}

// pinned names what stands there by its digest too.
func (s *standing) pinned() registry.Reference {
	return s.choice.in(s.ref).WithDigest(s.res.Descriptor.Digest)
}

// spell prints a reference, of which a layout has neither host nor repository.
func spell(ref registry.Reference) string {
	if ref.Host == "" {
		return strings.TrimLeft(ref.String(), "/:@")
	}
	return ref.String()
}

// found is a chart's manifest.
type found struct {
	manifest ocispec.Descriptor
	layers   *Layers
	index    digest.Digest // that led to it; empty: none
}

// ownVersion is the chart's version by the manifest, where it is another than
// the tag's, read as a version.
func (f *found) ownVersion(tagged string) string {
	own := f.layers.Annotations[ocispec.AnnotationVersion]
	if own == "" || oneVersion(own, tagged) {
		return ""
	}
	return own
}

// oneVersion tells whether two texts spell one version.
func oneVersion(a, b string) bool {
	x, errX := version.Parse(a)
	y, errY := version.Parse(b)
	return a == b || errX == nil && errY == nil && version.SameVersion(x, y)
}

// chart finds the chart, through an image index if that is what stands there.
// A name is what the chart must be called.
func (s *standing) chart(ctx context.Context, name string) (*found, error) {
	desc := s.res.Descriptor
	if desc.MediaType == ocispec.MediaTypeImageIndex {
		return s.fromIndex(ctx, name)
	}
	layers, err := ReadManifest(s.content, desc.MediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spell(s.choice.in(s.ref)), err)
	}
	if title := layers.title(); name != "" && title != "" && title != name {
		return nil, &registry.Error{Op: "select", Reference: s.pinned(), Kind: registry.ErrNotFound,
			Err: fmt.Errorf("the one chart here is %s, not %s", quoted(title), quoted(name))}
	}
	return &found{manifest: desc, layers: layers}, nil
}

func (l *Layers) title() string { return l.Annotations[ocispec.AnnotationTitle] }

// fromIndex finds the one chart in an index, or the one of that name.
func (s *standing) fromIndex(ctx context.Context, name string) (*found, error) {
	in, err := readIndex(s.content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spell(s.pinned()), err)
	}
	charts := in.charts
	if len(charts) == 0 {
		if len(in.untold) > maxUntold {
			return nil, s.indexError(name, nil, ErrAmbiguous, fmt.Sprintf("%d manifests do not say what they are, and at most %d are read: name the chart's digest", len(in.untold), maxUntold))
		}
		if charts, err = s.onlyCharts(ctx, in.untold); err != nil {
			return nil, err
		}
	}
	switch {
	case len(charts) == 0 && in.nested > 0:
		return nil, s.indexError(name, nil, ErrNotChart, "indexes within an index are not looked into")
	case len(charts) == 0:
		return nil, s.indexError(name, nil, ErrNotChart, "")
	case len(charts) > 1 || name != "":
		if charts, err = s.choose(ctx, charts, name); err != nil {
			return nil, err
		}
	}
	layers, err := s.layers(ctx, charts[0])
	if err != nil {
		return nil, err
	}
	return &found{manifest: charts[0], layers: layers, index: s.res.Descriptor.Digest}, nil
}

// chartOf is the chart of an index whose manifest has this digest.
func (s *standing) chartOf(ctx context.Context, d digest.Digest) (*found, error) {
	in, err := readIndex(s.content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spell(s.pinned()), err)
	}
	for _, desc := range slices.Concat(in.charts, in.untold) {
		if desc.Digest == d {
			layers, err := s.layers(ctx, desc)
			return &found{manifest: desc, layers: layers, index: s.res.Descriptor.Digest}, err
		}
	}
	return nil, s.indexError("", nil, registry.ErrNotFound, "no chart "+string(d))
}

// onlyCharts reads manifests and leaves out those that are not charts'. One
// that calls itself a chart's and breaks the rules stays: it was meant.
func (s *standing) onlyCharts(ctx context.Context, all []ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var charts []ocispec.Descriptor
	for _, desc := range all {
		_, err := s.layers(ctx, desc)
		switch {
		case err == nil, errors.Is(err, ErrInvalidManifest):
			charts = append(charts, desc)
		case !errors.Is(err, ErrNotChart):
			return nil, err
		}
	}
	return charts, nil
}

// choose finds the one chart of that name, or else says which there are.
func (s *standing) choose(ctx context.Context, charts []ocispec.Descriptor, name string) ([]ocispec.Descriptor, error) {
	list := make([]IndexedChart, len(charts))
	var matching []ocispec.Descriptor
	reads := 0
	for i, desc := range charts {
		list[i] = IndexedChart{Name: desc.Annotations[ocispec.AnnotationTitle], Digest: desc.Digest}
		if list[i].Name == "" && reads < maxUntold {
			reads++
			if layers, err := s.layers(ctx, desc); err == nil {
				list[i].Name = layers.title()
			} else if !errors.Is(err, ErrInvalidManifest) && !errors.Is(err, ErrNotChart) {
				return nil, err
			}
		}
		if name != "" && list[i].Name == name {
			matching = append(matching, desc)
		}
	}
	switch {
	case len(matching) == 1:
		return matching, nil
	case name != "" && len(matching) == 0:
		return nil, s.indexError(name, list, registry.ErrNotFound, "")
	}
	return nil, s.indexError(name, list, ErrAmbiguous, "")
}

func (s *standing) indexError(name string, charts []IndexedChart, kind error, problem string) error {
	return &IndexError{Reference: s.pinned(), Wanted: name, Charts: slices.Clip(charts), Problem: problem, Err: kind}
}

// layers reads the manifest of an index's chart. The last one is remembered,
// which is all there are, mostly: without a cache it costs no second request.
func (s *standing) layers(ctx context.Context, desc ocispec.Descriptor) (*Layers, error) {
	if desc.Digest == s.last {
		return s.parsed, nil
	}
	content, err := readSmall(ctx, s.src, desc)
	if err != nil {
		return nil, notCached(ctx, err, s.src, s.pinned(), missingPart(PartManifest, desc))
	}
	layers, err := ReadManifest(content, desc.MediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: its %s: %w", spell(s.pinned()), desc.Digest, err)
	}
	s.last, s.parsed = desc.Digest, layers
	return layers, nil
}

// readSmall reads a manifest or a config: whole, verified, and of at most
// maxManifest.
func readSmall(ctx context.Context, src registry.Source, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxManifest {
		return nil, &ArchiveError{Problem: fmt.Sprintf("%s is announced with %d bytes, and the limit is %d", desc.Digest, desc.Size, maxManifest), Err: ErrTooLarge}
	}
	rc, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return limit.ReadAll(rc, maxManifest)
}
