package chart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// ErrNotCached: the client is offline, and its cache lacks what was asked for.
// Such an error matches registry.ErrNotFound too, since the cache is all there
// is to ask; the registry may well have it. A chart that the cache has in part
// is a *NotCachedError.
var ErrNotCached = cache.ErrNotCached

// The parts of a chart, as NotCachedError names them.
const (
	PartManifest   = "manifest"
	PartConfig     = "config"
	PartArchive    = "archive"
	PartProvenance = "provenance file"
)

// NotCachedError names all that an offline client lacks of a chart that its
// cache knows. It matches ErrNotCached and registry.ErrNotFound.
type NotCachedError struct {
	// Reference is the chart, pinned by digest; its tag is the one that was
	// chosen, if one was.
	Reference registry.Reference
	// Parts are those that were needed and are not here, one at least.
	Parts []MissingPart
}

// MissingPart is a part of a chart that is not in the cache.
type MissingPart struct {
	// Part is one of PartManifest, PartConfig, PartArchive, PartProvenance.
	Part   string        `json:"part"`
	Digest digest.Digest `json:"digest"`
	// Size is in bytes; 0 where only the digest is known.
	Size int64 `json:"size,omitempty"`
}

// Error names every part by its digest.
func (e *NotCachedError) Error() string {
	return fmt.Sprintf("read %s: not in the cache, which was asked offline: %s; do the same once with the registry in reach", e.Reference, e.lacks())
}

func (e *NotCachedError) lacks() string {
	texts := make([]string, len(e.Parts))
	for i, p := range e.Parts {
		texts[i] = fmt.Sprintf("its %s %s", p.Part, p.Digest)
		if p.Size > 0 {
			texts[i] += fmt.Sprintf(" of %d bytes", p.Size)
		}
	}
	return strings.Join(texts, " and ")
}

// Unwrap makes every NotCachedError match ErrNotCached and registry.ErrNotFound.
func (e *NotCachedError) Unwrap() []error { return []error{ErrNotCached, registry.ErrNotFound} }

func missingPart(part string, desc ocispec.Descriptor) MissingPart {
	return MissingPart{Part: part, Digest: desc.Digest, Size: desc.Size}
}

// notCached makes an error that is about one part of a chart, and that is
// because the client is offline, tell of all that is missing: of also, which
// would be needed next, what is not here. Other errors stay as they are.
func notCached(ctx context.Context, err error, src registry.Source, ref registry.Reference, part MissingPart, also ...MissingPart) error {
	if !errors.Is(err, ErrNotCached) || isPartly(err) {
		return err
	}
	e := &NotCachedError{Reference: ref, Parts: []MissingPart{part}}
	for _, p := range also {
		here, lookErr := src.Exists(ctx, ocispec.Descriptor{Digest: p.Digest, Size: p.Size})
		if lookErr == nil && !here {
			e.Parts = append(e.Parts, p)
		}
	}
	return e
}

// isPartly tells a chart that the cache knows and lacks a part of, which is no
// reason to look for another one.
func isPartly(err error) bool {
	_, ok := errors.AsType[*NotCachedError](err)
	return ok
}

// manifestNotCached is notCached for the manifest of what was chosen. That the
// cache knows no such tag stays its own error.
func manifestNotCached(ctx context.Context, err error, src registry.Source, ref registry.Reference, ch choice) error {
	e, ok := errors.AsType[*registry.Error](err)
	if !ok || e.Reference.Digest == "" {
		return err
	}
	d := e.Reference.Digest // by which the cache has looked for it
	return notCached(ctx, err, src, ch.in(ref).WithDigest(d), MissingPart{Part: PartManifest, Digest: d})
}

// told notes in a *NoMatchError that the cache alone was asked.
func (c *Client) told(err error) error {
	if none, ok := errors.AsType[*NoMatchError](err); ok && c.policy.Offline {
		none.Offline = true
	}
	return err
}
