package layout

import (
	"bytes"
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// store is where a layout is written.
type store interface {
	// writeBlob stores content that is verified while it is written, or
	// nothing.
	writeBlob(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error
	// update changes index.json; change tells whether it did anything.
	update(ctx context.Context, change func(*ocispec.Index) bool) error
}

// target is what the layouts that can be written share.
type target struct {
	content
	store store
}

// Push stores content under its digest; a manifest also gets an entry in
// index.json, without a tag. What is there already is written again, which
// mends it where it was bad. Content that cannot be read to its end leaves
// nothing. Errors are those of the reader, of the file system, or match
// registry.ErrDigestMismatch.
func (t *target) Push(ctx context.Context, expected ocispec.Descriptor, from io.Reader) error {
	return t.push(ctx, expected, from, "")
}

// PushReference stores a manifest and lets the tag name it.
func (t *target) PushReference(ctx context.Context, expected ocispec.Descriptor, from io.Reader, tag string) error {
	if tag = registry.TagOfVersion(tag); !registry.ValidTag(tag) {
		return t.fail("push", &registry.ReferenceError{Reference: tag, Problem: "no tag"})
	}
	return t.push(ctx, expected, from, tag)
}

func (t *target) push(ctx context.Context, expected ocispec.Descriptor, from io.Reader, tag string) error {
	err := checkDescriptor(expected)
	var manifest []byte
	if err == nil && (tag != "" || ocijson.IsManifest(expected.MediaType)) {
		if manifest, err = readManifest(from, expected); err == nil {
			from = bytes.NewReader(manifest)
		}
	}
	if err == nil {
		err = t.store.writeBlob(ctx, expected, from)
	}
	if err == nil && manifest != nil {
		err = t.store.update(ctx, func(index *ocispec.Index) bool {
			changed := addManifest(index, expected, manifest)
			return tag != "" && setTag(index, expected, tag) || changed
		})
	}
	if err != nil {
		return t.fail(fmt.Sprintf("push %.150s", expected.Digest), err)
	}
	return nil
}

// readManifest reads a manifest whole, and verifies it.
func readManifest(from io.Reader, desc ocispec.Descriptor) ([]byte, error) {
	data, err := limit.ReadAll(from, maxManifest)
	if err != nil {
		return nil, err
	}
	return data, verify.Bytes(data, desc)
}

// Tag lets a tag name a manifest that is there, in place of what it named. It
// matches registry.ErrNotFound when there is no such manifest.
func (t *target) Tag(ctx context.Context, desc ocispec.Descriptor, tag string) error {
	op := fmt.Sprintf("tag %.300q", tag)
	if tag = registry.TagOfVersion(tag); !registry.ValidTag(tag) {
		return t.fail(op, &registry.ReferenceError{Reference: tag, Problem: "no tag"})
	}
	there, err := t.Exists(ctx, desc)
	if err == nil && !there {
		err = fmt.Errorf("%s: %w", desc.Digest, registry.ErrNotFound)
	}
	if err == nil {
		err = t.store.update(ctx, func(index *ocispec.Index) bool { return setTag(index, desc, tag) })
	}
	if err != nil {
		return t.fail(op, err)
	}
	return nil
}
