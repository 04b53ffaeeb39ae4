package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// copy copies a chart to a target: first what the manifest names, then what
// refers to it, then the manifest under its tag. So whoever finds the tag finds
// all of it, the signatures too.
func (x *copier) copy(ctx context.Context, root *copyRoot) (*Copied, error) {
	source := root.how.in(x.from).WithDigest(root.desc.Digest)
	if err := x.narrow(ctx, root); err != nil {
		return nil, err
	}
	tag, err := x.tag(ctx, root)
	if err != nil {
		return nil, err
	}
	target := x.to.WithTag(tag).WithDigest(root.desc.Digest)
	if x.to.Digest != "" && x.to.Digest != root.desc.Digest {
		return nil, x.refuse(target, registry.ErrInvalidReference, fmt.Errorf("the target asks for %s", x.to.Digest), "")
	}
	there, err := x.look(ctx, root, target)
	if err != nil {
		return nil, err
	}
	done := &Copied{Source: source, Reference: target, Manifest: root.desc}
	if there != nil {
		done.Exists, done.Manifest = true, *there
		done.Reference = target.WithDigest(there.Digest)
		x.existed.Add(there.Size)
	} else if _, err = x.chart(ctx, root); err != nil { // an index was not looked into yet
		return nil, err
	}
	if done.VerifiedBy, err = x.verify(ctx, root, source, tag); err != nil {
		return nil, err
	}
	if err := x.send(ctx, root, tag, done); err != nil {
		return nil, err
	}
	done.Sent, done.Mounted, done.Existed = x.sent.Load(), x.mounted.Load(), x.existed.Load()
	return done, nil
}

func (x *copier) send(ctx context.Context, root *copyRoot, tag string, done *Copied) error {
	if _, err := x.first(root.desc.Digest); err != nil {
		return err
	}
	if !done.Exists {
		if err := x.below(ctx, root.desc, root.data, 1); err != nil {
			return err
		}
	}
	if x.options.Referrers {
		var err error
		if done.Referrers, err = x.referrers(ctx, root); err != nil {
			return err
		}
	}
	if done.Exists {
		return nil
	}
	return x.put(ctx, root.desc, root.data, tag)
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

// narrow reads what is at hand of the root, and makes an index its one chart
// if that is asked for.
func (x *copier) narrow(ctx context.Context, root *copyRoot) error {
	if isIndex(root.desc.MediaType) && !x.options.ChartOnly {
		return nil
	}
	_, err := x.chart(ctx, root)
	return err
}

// chart returns the parts of the chart that root is, or that is in it: with
// ChartOnly the one that is meant, which becomes the root; else, of an index of
// several, any of them.
func (x *copier) chart(ctx context.Context, root *copyRoot) (*Layers, error) {
	if root.layers != nil {
		return root.layers, nil
	}
	there := &standing{src: readEnd{x}, ref: x.from, choice: root.how, content: root.data}
	there.res.Descriptor = root.desc
	at, err := there.chart(ctx, x.options.Selector.Chart)
	var several *IndexError
	if !x.options.ChartOnly && errors.Is(err, ErrAmbiguous) && errors.As(err, &several) && len(several.Charts) > 0 {
		at, err = there.chartOf(ctx, several.Charts[0].Digest)
	}
	if err != nil {
		return nil, err
	}
	root.chart, root.layers = at.manifest, at.layers
	if x.options.ChartOnly && at.index != "" {
		root.desc = ocispec.Descriptor{MediaType: at.manifest.MediaType, Digest: at.manifest.Digest, Size: at.manifest.Size}
		root.data, err = x.read(ctx, x.src, x.from, root.desc)
	}
	return root.layers, err
}

// metadata reads the chart's config at the source.
func (x *copier) metadata(ctx context.Context, root *copyRoot) (*Metadata, error) {
	layers, err := x.chart(ctx, root)
	if err != nil {
		return nil, err
	}
	config, err := x.read(ctx, x.src, x.from, layers.Config)
	if err != nil {
		return nil, err
	}
	m, err := ParseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("copy %s: config %s: %w", spell(root.how.in(x.from).WithDigest(root.desc.Digest)), layers.Config.Digest, err)
	}
	return m, nil
}

// tag is the target's, else the source's, else the chart's version. A tag that
// is another full version than the source's must be that of the chart: it would
// be believed.
func (x *copier) tag(ctx context.Context, root *copyRoot) (string, error) {
	at := root.how.in(x.from).Tag
	tag := registry.TagOfVersion(x.to.Tag)
	if tag == "" {
		tag = at
	}
	tagged, isVersion := versionOf(tag)
	if tag != "" && (tag == at || !isVersion || tagged.parsed.IsShort()) {
		return tag, nil
	}
	m, err := x.metadata(ctx, root)
	if err != nil {
		return "", err
	}
	if tag == "" {
		tag = registry.TagOfVersion(m.Version)
		if !registry.ValidTag(tag) {
			return "", fmt.Errorf("copy: version %s makes no tag: %w", quoted(m.Version), registry.ErrInvalidReference)
		}
		return tag, nil
	}
	own, err := version.Parse(m.Version)
	if err != nil || !version.SameVersion(tagged.parsed, own) {
		return "", x.refuse(x.to.WithTag(tag), registry.ErrInvalidReference,
			fmt.Errorf("the tag is another version than the chart's own, %s", quoted(m.Version)), "")
	}
	return tag, nil
}

// look finds what the target's tag names already: this manifest or this chart,
// or nothing that forbids to copy. Anything else is an error.
func (x *copier) look(ctx context.Context, root *copyRoot, target registry.Reference) (*ocispec.Descriptor, error) {
	there, err := x.dst.Resolve(ctx, target.Tag)
	if err != nil {
		if err = wrapEnd("resolve", target, err); errors.Is(err, registry.ErrNotFound) {
			err = nil
		}
		return nil, err
	}
	if there.Digest == root.desc.Digest {
		return &there, nil
	}
	if x.options.Force {
		return nil, nil
	}
	own, err := x.chart(ctx, root)
	if err != nil {
		return nil, err
	}
	data, err := x.read(ctx, x.dst, x.to, there)
	if err != nil {
		return nil, err
	}
	layers, err := ReadManifest(data, there.MediaType)
	if err != nil {
		return nil, x.refuse(target, registry.ErrExists, fmt.Errorf("%w (%s)", err, there.Digest), "copy to another repository or tag, or force it")
	}
	same := sameChart(own, layers)
	if same && !x.options.Referrers && !isIndex(root.desc.MediaType) {
		return &there, nil
	}
	final, err := x.final(ctx, root, target.Tag)
	if err != nil {
		return nil, err
	}
	if final {
		what := "this version holds another chart"
		if same {
			what = "this version holds the same chart under another manifest, to which nothing refers"
		}
		return nil, x.refuse(target, registry.ErrExists, fmt.Errorf("%s (%s)", what, there.Digest), "force it to replace that")
	}
	return nil, nil // a tag such as latest moves
}

// final tells whether a tag is a version that keeps its content: a full one, or
// a short one that is the chart's own.
func (x *copier) final(ctx context.Context, root *copyRoot, tag string) (bool, error) {
	v, ok := versionOf(tag)
	if !ok || !v.parsed.IsShort() {
		return ok, nil
	}
	m, err := x.metadata(ctx, root)
	return err == nil && m.Version == v.Version, err
}

// sameChart tells whether two manifests hold the same chart: Helm stamps every
// push, so that manifests of one chart differ.
func sameChart(a, b *Layers) bool {
	part := func(l *Layers) []ocispec.Descriptor {
		all := []ocispec.Descriptor{l.Config, l.Chart}
		if l.Provenance != nil {
			all = append(all, *l.Provenance)
		}
		return all
	}
	return slices.EqualFunc(part(a), part(b), func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest })
}

// refuse is an error about the target's tag.
func (x *copier) refuse(target registry.Reference, kind, err error, hint string) error {
	if target.Host == "" {
		err, target = fmt.Errorf("tag %s: %w", quoted(target.Tag), err), registry.Reference{}
	}
	return &registry.Error{Op: "copy", Reference: target, Kind: kind, Err: err, Hint: hint}
}
