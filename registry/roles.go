package registry

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Source is where content is read: a registry's repository, a cache in front
// of one, an OCI layout, a chart that was packed here. Its method set is that
// of oras-go's ReadOnlyTarget, so that targets of that library fit as they
// are; their errors pass through [WrapError].
//
// Implementations are safe for concurrent use.
type Source interface {
	// Resolve answers which manifest a tag or a digest names. Media type,
	// digest and size of the descriptor are set. It matches ErrNotFound when
	// there is none.
	Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error)
	// Fetch opens content by the digest of its descriptor; the media type
	// tells manifests from blobs. The caller closes it. Content from this
	// module's own sources verifies itself: reading ends with io.EOF only if
	// size and digest are right, and matches ErrDigestMismatch otherwise.
	Fetch(ctx context.Context, target ocispec.Descriptor) (io.ReadCloser, error)
	// Exists tells whether Fetch would find the content.
	Exists(ctx context.Context, target ocispec.Descriptor) (bool, error)
}

// Target is a Source that can be written.
type Target interface {
	Source
	// Push stores content under its digest. The reader gives exactly
	// expected.Size bytes and is not closed. What a manifest names must be
	// there before it. It may match ErrExists where the target says so.
	Push(ctx context.Context, expected ocispec.Descriptor, content io.Reader) error
	// Tag lets a tag name a manifest that is there.
	Tag(ctx context.Context, desc ocispec.Descriptor, reference string) error
}

// ReferenceFetcher is a Source that resolves and fetches a manifest in one
// request.
type ReferenceFetcher interface {
	// FetchReference opens the manifest that a tag or a digest names. The
	// caller closes it. Errors as for Resolve and Fetch.
	FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, io.ReadCloser, error)
}

// ReferencePusher is a Target that stores and tags a manifest in one request.
type ReferencePusher interface {
	// PushReference stores a manifest and lets the tag name it.
	PushReference(ctx context.Context, expected ocispec.Descriptor, content io.Reader, reference string) error
}

// TagLister is a Source that knows its tags.
type TagLister interface {
	// Tags calls fn with each page of tags, those after last only unless it
	// is empty. Order is the source's. An error of fn ends the listing and is
	// returned as it is. Most callers want the iterator, [Tags].
	Tags(ctx context.Context, last string, fn func(tags []string) error) error
}

// ReferrerLister is a Source that knows which manifests refer to another one
// as their subject: its signatures, attestations, bills of material (OCI image
// spec 1.1, subject).
type ReferrerLister interface {
	// Referrers calls fn with each page of the manifests whose subject is
	// desc, of one artifact type only unless that is empty. Order is the
	// source's; a subject that is not there has referrers all the same, or
	// none. The descriptors carry artifact type and annotations where the
	// source knows them; nobody vouches for them. An error of fn ends the
	// listing and is returned as it is. Most callers want the iterator,
	// [Referrers].
	Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) error
}
