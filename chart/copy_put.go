package chart

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// put stores a manifest, under a tag unless that is empty, with what it names.
func (x *copier) put(ctx context.Context, desc ocispec.Descriptor, data []byte, tag string) error {
	store := func() error { return x.store(ctx, desc, data, tag) }
	m, err := ocijson.Parse(data)
	if err != nil || x.again[desc.Digest] || len(x.again) >= maxCopied {
		return store()
	}
	return putWhole(m.Children(), store, func(children []ocispec.Descriptor) error {
		x.again[desc.Digest] = true
		return x.sendAgain(ctx, children)
	})
}

// putWhole puts a manifest at a target that may miss something of what the
// manifest names, though it may have said that it is there. That is sent once
// more, first what the target names, and then, since some name one thing at a
// time, all the rest.
func putWhole(children []ocispec.Descriptor, put func() error, send func([]ocispec.Descriptor) error) error {
	err := put()
	for again := range 2 {
		missing, ok := errors.AsType[*registry.MissingError](err)
		if !ok || len(children) == 0 {
			return err
		}
		some := children
		if again == 0 {
			some = missing.Among(children)
		}
		if err := send(some); err != nil {
			return err
		}
		children = slices.DeleteFunc(slices.Clone(children), func(d ocispec.Descriptor) bool {
			return slices.ContainsFunc(some, func(sent ocispec.Descriptor) bool { return sent.Digest == d.Digest })
		})
		err = put()
	}
	return err
}

// store makes the one attempt of put.
func (x *copier) store(ctx context.Context, desc ocispec.Descriptor, data []byte, tag string) error {
	pusher, ok := x.dst.(registry.ReferencePusher)
	var err error
	switch {
	case tag != "" && ok:
		err = pusher.PushReference(ctx, desc, bytes.NewReader(data), tag)
	default:
		err = x.dst.Push(ctx, desc, bytes.NewReader(data))
		if errors.Is(err, registry.ErrExists) {
			err = nil
		}
		if err == nil && tag != "" {
			err = x.dst.Tag(ctx, desc, tag)
		}
	}
	if err != nil {
		return wrapEnd("copy", x.to.WithDigest(desc.Digest), err)
	}
	x.sent.Add(desc.Size)
	return nil
}

// sendAgain sends what a manifest names without asking for it.
func (x *copier) sendAgain(ctx context.Context, children []ocispec.Descriptor) error {
	var blobs, manifests []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, child := range children {
		if err := checkDescriptor(child); err != nil {
			return err
		}
		switch {
		case seen[child.Digest]:
		case ocijson.IsManifest(child.MediaType):
			manifests = append(manifests, child)
		default:
			blobs = append(blobs, child)
		}
		seen[child.Digest] = true
	}
	err := parallel(ctx, blobs, func(ctx context.Context, desc ocispec.Descriptor) error {
		x.recount(desc)
		return x.sendBlob(ctx, desc)
	})
	if err != nil {
		return err
	}
	for _, child := range manifests {
		data, err := x.read(ctx, x.src, x.from, child)
		if err != nil {
			return err
		}
		x.recount(child)
		if err := x.put(ctx, child, data, ""); err != nil {
			return err
		}
	}
	return nil
}

// spared counts what is not sent.
func (x *copier) spared(desc ocispec.Descriptor, counter *atomic.Int64) {
	counter.Add(desc.Size)
	x.counted.Store(desc.Digest, counter)
}

// recount takes back what spared counted: it is sent after all.
func (x *copier) recount(desc ocispec.Descriptor) {
	if counter, ok := x.counted.LoadAndDelete(desc.Digest); ok {
		counter.(*atomic.Int64).Add(-desc.Size)
	}
}
