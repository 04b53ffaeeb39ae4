package chart

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// put stores a manifest, under a tag unless that is empty. A target that misses
// something that the manifest names, though it may have said that it is there,
// is sent that once more.
func (x *copier) put(ctx context.Context, desc ocispec.Descriptor, data []byte, tag string) error {
	err := x.store(ctx, desc, data, tag)
	missing, ok := errors.AsType[*registry.MissingError](err)
	if !ok || x.again[desc.Digest] || len(x.again) >= maxCopied {
		return err
	}
	x.again[desc.Digest] = true
	m, perr := ocijson.Parse(data)
	if perr != nil {
		return err
	}
	if err := x.sendAgain(ctx, missing.Among(m.Children())); err != nil {
		return err
	}
	return x.store(ctx, desc, data, tag)
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
