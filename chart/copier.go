package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

const (
	// maxCopied bounds the manifests of one copy: an index that names others
	// could go on for long. A chart with a hundred signatures of each kind has a
	// third of it.
	maxCopied = 1000
	// maxCopyDepth bounds how deep indexes lie in indexes, and referrers refer
	// to referrers; each level holds one manifest of up to 4 MiB in memory while
	// it is copied. The deepest in use is three: a signature of the attestation
	// of an index's chart.
	maxCopyDepth = 4
)

// copier is one Copy.
type copier struct {
	client   *Client
	src      registry.Source
	dst      registry.Target
	from, to registry.Reference
	options  CopyOptions

	mount     *registry.Repository // the target, where it shares a registry with the source; else nil
	mountFrom registry.Reference
	unmounted atomic.Bool // the registry has not mounted a blob: it is not asked again

	sent, mounted, existed atomic.Int64
	counted                sync.Map               // digest to the counter of what was not sent, on the target's word
	again                  map[digest.Digest]bool // manifests whose parts were sent again

	// Digests that are copied, or being copied. A hostile manifest might name
	// one as a blob and as a manifest.
	seenBlobs, seenManifests map[digest.Digest]bool
}

// copyRoot is the manifest that is copied.
type copyRoot struct {
	desc   ocispec.Descriptor
	data   []byte
	how    choice
	layers *Layers            // of the chart, once it is known
	chart  ocispec.Descriptor // its manifest: the root, or in the index that this is
}

// lister lists the source's tags.
func (x *copier) lister() registry.TagLister {
	if l, ok := x.src.(registry.TagLister); ok {
		return l
	}
	return noTags{}
}

type noTags struct{}

func (noTags) Tags(context.Context, string, func([]string) error) error {
	return fmt.Errorf("list tags: %w by this source; name a tag or a digest", registry.ErrUnsupported)
}

// open resolves and reads the manifest that is to be copied.
func (x *copier) open(ctx context.Context, ch choice) (*copyRoot, error) {
	ref := ch.in(x.from)
	fetcher, ok := x.src.(registry.ReferenceFetcher)
	if !ok {
		desc, err := x.src.Resolve(ctx, ch.object)
		if err != nil {
			return nil, wrapEnd("resolve", ref, err)
		}
		data, err := x.read(ctx, x.src, x.from, desc)
		return &copyRoot{desc: desc, data: data, how: ch}, err
	}
	desc, rc, err := fetcher.FetchReference(ctx, ch.object)
	if err != nil {
		return nil, wrapEnd("fetch", ref, err)
	}
	defer rc.Close()
	data, err := readManifestOf(rc, desc)
	return &copyRoot{desc: desc, data: data, how: ch}, wrapEnd("fetch", ref, err)
}

// read reads a manifest of one of the ends.
func (x *copier) read(ctx context.Context, at registry.Source, ref registry.Reference, desc ocispec.Descriptor) ([]byte, error) {
	if err := checkDescriptor(desc); err != nil {
		return nil, err
	}
	rc, err := at.Fetch(ctx, desc)
	if err != nil {
		return nil, wrapEnd("fetch", ref.WithDigest(desc.Digest), err)
	}
	defer rc.Close()
	data, err := readManifestOf(rc, desc)
	return data, wrapEnd("fetch", ref.WithDigest(desc.Digest), err)
}

func readManifestOf(r io.Reader, desc ocispec.Descriptor) ([]byte, error) {
	if err := checkDescriptor(desc); err != nil {
		return nil, err
	}
	data, err := limit.ReadAll(r, maxManifest)
	if err != nil {
		return nil, err
	}
	return data, verify.Bytes(data, desc)
}

// wrapEnd classifies the error of an end that may be anybody's. Those that are
// no registry have their own words and no reference.
func wrapEnd(op string, ref registry.Reference, err error) error {
	if ref.Host == "" {
		ref = registry.Reference{}
	}
	if errors.Is(err, ErrInvalidManifest) || errors.Is(err, registry.ErrNotFound) && ref.IsZero() {
		return err
	}
	return registry.WrapError(op, ref, err)
}

// below copies what a manifest names, and not itself.
func (x *copier) below(ctx context.Context, desc ocispec.Descriptor, data []byte, depth int) error {
	if depth > maxCopyDepth {
		return fmt.Errorf("manifest %s lies more than %d deep: %w", desc.Digest, maxCopyDepth, ErrTooLarge)
	}
	m, err := ocijson.Parse(data)
	if err != nil {
		return fmt.Errorf("manifest %s: %w: %s", desc.Digest, ErrInvalidManifest, shown(err.Error()))
	}
	var blobs []ocispec.Descriptor
	for _, child := range m.Children() {
		if err := checkDescriptor(child); err != nil {
			return fmt.Errorf("manifest %s: %w", desc.Digest, err)
		}
		if !ocijson.IsManifest(child.MediaType) && !x.seenBlobs[child.Digest] {
			x.seenBlobs[child.Digest] = true
			blobs = append(blobs, child)
		}
	}
	if err := parallel(ctx, blobs, x.blob); err != nil {
		return err
	}
	for _, child := range m.Children() {
		if ocijson.IsManifest(child.MediaType) {
			if err := x.manifest(ctx, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// manifest copies a manifest by its digest, with all that it names.
func (x *copier) manifest(ctx context.Context, desc ocispec.Descriptor, depth int) error {
	if first, err := x.first(desc.Digest); !first || err != nil {
		return err
	}
	// Only a registry vouches that what a manifest names is there with it.
	if _, ok := x.dst.(*registry.Repository); ok {
		there, err := x.dst.Exists(ctx, desc)
		if err != nil {
			return err
		}
		if there {
			x.spared(desc, &x.existed)
			return nil
		}
	}
	data, err := x.read(ctx, x.src, x.from, desc)
	if err != nil {
		return err
	}
	if err := x.below(ctx, desc, data, depth); err != nil {
		return err
	}
	return x.put(ctx, desc, data, "")
}

// first tells whether a manifest is met for the first time in this copy.
func (x *copier) first(d digest.Digest) (bool, error) {
	if x.seenManifests[d] {
		return false, nil
	}
	x.seenManifests[d] = true
	if len(x.seenManifests) > maxCopied {
		return false, fmt.Errorf("copy: %w of %d manifests", ErrTooLarge, maxCopied)
	}
	return true, nil
}
