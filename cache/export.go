package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// ExportTarget is an OCI image layout that can be written, as layout.Dir and
// layout.TarWriter of this module are.
type ExportTarget interface {
	// Exists and Push are those of registry.Target.
	Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error)
	Push(ctx context.Context, expected ocispec.Descriptor, content io.Reader) error
	// Edit changes the list of index.json in one step, or not at all.
	Edit(ctx context.Context, change func(entries []ocispec.Descriptor) []ocispec.Descriptor) error
}

// ExportRoot is a manifest to be exported with all that it names.
type ExportRoot struct {
	// Reference has a tag or a digest. Where it has both, the digest decides and
	// the tag is left out: nobody has checked it.
	Reference registry.Reference
	// From is the repository of Reference, for what is not here, and for what
	// the policy says is to be confirmed. nil: the cache alone.
	From registry.Source
}

// ExportOptions are for one Export. The zero value confirms every tag and takes
// no referrers.
type ExportOptions struct {
	// Policy is when From is asked.
	Policy Policy
	// Referrers takes along whatever refers to the manifests, such as
	// signatures and bills of material, and what refers to that.
	Referrers bool
}

// Exported is what an Export has written.
type Exported struct {
	// Roots are in the order in which they were asked for, each once.
	Roots []ExportedRoot
	// Contents is the number of manifests and blobs, and Size that of their
	// bytes. Written is how many of these were not in the layout before.
	Contents      int
	Size, Written int64
}

// ExportedRoot is one of Exported.
type ExportedRoot struct {
	// Reference is how the layout names it: with a tag, or with a digest where
	// that was asked for.
	Reference registry.Reference
	// Descriptor is that of the manifest.
	Descriptor ocispec.Descriptor
	// Origin is where the answer came from what Reference names.
	Origin Origin
	// Referrers are the manifests that refer to it, or to what it names.
	Referrers []ocispec.Descriptor

	listed bool // the source knows its referrers
}

// Export writes manifests, with all that they name, into an OCI image layout
// (OCI image spec 1.1, image-layout.md), to be carried to where no registry is
// in reach, and read there by Import, or by any tool that reads layouts. What
// is not here is fetched first, or, when a tag is not known to the source, taken
// from what was pinned under it (Pin).
//
// In index.json, the annotation io.containerd.image.name of each root is its
// whole reference, and org.opencontainers.image.ref.name is its tag, as long as
// all named entries are of one repository; else it is the whole reference too.
// The layout may have entries of its own: they stay, but for the name of a
// reference that is exported anew. They are named last, in one step: an export
// that was interrupted has named nothing, and does not send again what is there.
//
// The error is an *IncompleteError, which matches registry.ErrNotFound, when
// anything is missing: it names all of it, and nothing has been written.
// registry.ErrInvalidReference: a root has neither tag nor digest. Others are
// those of From, of the cache's directory, which has to be writable, and of to.
func (s *Store) Export(ctx context.Context, to ExportTarget, roots []ExportRoot, options ExportOptions) (*Exported, error) {
	x := &exporting{store: s, options: options, named: map[registry.Reference]bool{}}
	offline := false // something is missing of which nobody was asked
	for _, root := range roots {
		n := len(x.missing)
		if err := x.plan(ctx, root); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		offline = offline || len(x.missing) > n && (root.From == nil || options.Policy.Offline)
	}
	if len(x.missing) > 0 {
		return nil, &IncompleteError{Op: "export", Missing: x.missing, offline: offline}
	}
	for _, desc := range x.all {
		if err := x.write(ctx, to, desc); err != nil {
			return nil, fmt.Errorf("export %s: %w", desc.Digest, err)
		}
	}
	err := to.Edit(ctx, func(entries []ocispec.Descriptor) []ocispec.Descriptor {
		return nameEntries(entries, x.result.Roots)
	})
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &x.result, nil
}

// exporting is one Export.
type exporting struct {
	closure
	store   *Store
	options ExportOptions
	named   map[registry.Reference]bool
	result  Exported
}

// plan gathers what belongs to a root.
func (x *exporting) plan(ctx context.Context, root ExportRoot) error {
	ref := root.Reference
	if ref.Object() == "" {
		return &registry.Error{Op: "resolve", Reference: ref, Kind: registry.ErrInvalidReference, Err: errors.New("neither a tag nor a digest")}
	}
	if ref.Digest != "" {
		ref.Tag = ""
	}
	if x.named[ref] {
		return nil
	}
	x.named[ref] = true
	src := x.store.Through(root.From, ref, x.options.Policy)
	_, res, err := src.FetchManifest(ctx, ref.Object())
	if errors.Is(err, registry.ErrNotFound) && ref.Tag != "" {
		if pin, pinErr := x.store.Pinned(ctx, ref); pinErr == nil {
			return x.gather(ctx, x.store.Through(nil, ref, x.options.Policy), ref, Resolution{Descriptor: pin, Origin: FromCache}, false)
		}
	}
	if errors.Is(err, registry.ErrNotFound) {
		x.missing = append(x.missing, Missing{Reference: ref, What: MissingReference})
		return nil
	}
	if err != nil {
		return err
	}
	return x.gather(ctx, src, ref, res, x.options.Referrers)
}

// gather adds the closure of a root, and its referrers with theirs.
func (x *exporting) gather(ctx context.Context, src *Source, ref registry.Reference, res Resolution, referrers bool) error {
	x.bring = src.bring
	var subjects []ocispec.Descriptor
	x.found = func(desc ocispec.Descriptor, _ *ocijson.Manifest) { subjects = append(subjects, desc) }
	if err := x.add(ctx, ref, res.Descriptor); err != nil {
		return err
	}
	exported := ExportedRoot{Reference: ref, Descriptor: res.Descriptor, Origin: res.Origin}
	if referrers {
		r := &referring{exporting: x, src: src, ref: ref, taken: map[digest.Digest]bool{}, listed: true}
		// What another root has brought is not found again.
		if !slices.ContainsFunc(subjects, func(d ocispec.Descriptor) bool { return d.Digest == res.Descriptor.Digest }) {
			subjects = append(subjects, res.Descriptor)
		}
		for _, subject := range subjects {
			if err := r.take(ctx, subject, 1); err != nil {
				return err
			}
		}
		exported.Referrers, exported.listed = r.all, r.listed
	}
	x.result.Roots = append(x.result.Roots, exported)
	if !referrers {
		return nil
	}
	return x.cosign(ctx, src, ref, subjects)
}

// write copies content into the layout, unless it is there and good.
func (x *exporting) write(ctx context.Context, to ExportTarget, desc ocispec.Descriptor) error {
	x.result.Contents++
	x.result.Size += desc.Size
	there, err := to.Exists(ctx, desc)
	if err != nil || there {
		return err
	}
	content, err := x.store.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer content.Close()
	x.result.Written += desc.Size
	// A layout lists each manifest that is pushed, which it would write its list
	// anew for. They are all listed at the end.
	desc.MediaType = unlisted
	return to.Push(ctx, desc, content)
}

const unlisted = "application/octet-stream"
