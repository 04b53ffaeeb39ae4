package cache

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// ImportSource is an OCI image layout to read, as layout.Dir and layout.Tar of
// this module are.
type ImportSource interface {
	// Fetch is that of registry.Source.
	Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
	// Entries returns what index.json lists.
	Entries(ctx context.Context) ([]ocispec.Descriptor, error)
}

// ImportOptions are for one Import. The zero value takes layouts that name
// their references in whole.
type ImportOptions struct {
	// Into is the repository of entries that have a plain tag, or no name; its
	// tag and digest do not matter. Zero: none, and a plain tag is an error.
	Into registry.Reference
}

// Imported is what an Import has brought.
type Imported struct {
	// Roots are in the order of the layout.
	Roots []ImportedRoot
	// Contents is the number of manifests and blobs that belong to the roots,
	// and Size that of their bytes. Written is how many of these were not here.
	Contents      int
	Size, Written int64
	// Skipped are the manifests of the layout that have no name and refer to
	// none that has.
	Skipped []ocispec.Descriptor
}

// ImportedRoot is one of Imported.
type ImportedRoot struct {
	// Reference has a tag, or, where the layout names no tag, a digest.
	Reference registry.Reference
	// Descriptor is that of the manifest.
	Descriptor ocispec.Descriptor
	// Was is what the tag named here before, if that was another manifest.
	Was digest.Digest
	// Referrers are the manifests that came along and refer to it, or to what it
	// names.
	Referrers []ocispec.Descriptor
}

// Import takes in what an OCI image layout holds, such as one that Export wrote,
// so that it can be read offline as if it had been pulled: its references, what
// refers to them, and all that these name. It is held: collection leaves it
// until Release.
//
// An entry of index.json is named by the annotation io.containerd.image.name, or
// by org.opencontainers.image.ref.name where that is a whole reference; a plain
// tag there is one of the repository ImportOptions.Into. What the layout says
// that a tag names takes the place of what is known here: whoever imports a
// layout vouches for it, as the registry does elsewhere. A tag that comes so
// counts as not confirmed, and costs a request as soon as a policy asks for one.
//
// The content is verified, whatever it is. It is all on the disk, and survives a
// power cut, when Import returns; a tag is written after all content of the
// layout, so that an import that failed or was killed has named nothing, or all
// of it by halves, and can be repeated.
//
// The error is an *IncompleteError, which matches registry.ErrNotFound, when
// the layout lacks content that its entries need: it names all of it.
// registry.ErrInvalidReference: an entry has no name that will do;
// registry.ErrDigestMismatch: content is not what its digest says, or a name has
// another digest. Others are for documents that cannot be read or are beyond a
// limit (Source.Complete), and those of from, of the directory and of ctx.
func (s *Store) Import(ctx context.Context, from ImportSource, options ImportOptions) (*Imported, error) {
	if s.dir == "" {
		return nil, fmt.Errorf("import: %w", errNone)
	}
	im := &importing{store: s, from: from, into: options.Into.Repo(), dirs: s.newSyncing(),
		tagged: map[registry.Reference]digest.Digest{}, complete: map[digest.Digest]bool{}, manifests: map[digest.Digest][]ocispec.Descriptor{}}
	im.bring = im.take
	if err := im.run(ctx); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	if len(im.missing) > 0 {
		return nil, &IncompleteError{Op: "import", Missing: im.missing}
	}
	if err := im.name(ctx); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return im.result(), nil
}

// importing is one Import.
type importing struct {
	closure
	store   *Store
	from    ImportSource
	into    registry.Reference
	dirs    *syncing
	written int64

	roots     []*ImportedRoot
	tagged    map[registry.Reference]digest.Digest
	complete  map[digest.Digest]bool                 // all that refers to them has come along
	unnamed   []ocispec.Descriptor                   // entries without a name
	manifests map[digest.Digest][]ocispec.Descriptor // of each root, all in its closure
	lists     []referrerList
	listed    int // in all lists
}

// run brings all content here.
func (im *importing) run(ctx context.Context) error {
	entries, err := im.from.Entries(ctx)
	if err != nil {
		return err
	}
	if err := im.sort(ctx, entries); err != nil {
		return err
	}
	for _, root := range im.roots {
		if err := im.addRoot(ctx, root); err != nil {
			return err
		}
	}
	return im.referrers(ctx)
}

// addRoot brings the closure of a root.
func (im *importing) addRoot(ctx context.Context, root *ImportedRoot) error {
	d := root.Descriptor.Digest
	if im.seen[d] { // another root has brought it
		if im.manifests[d] == nil {
			im.manifests[d] = []ocispec.Descriptor{root.Descriptor}
		}
		return nil
	}
	im.found = func(desc ocispec.Descriptor, _ *ocijson.Manifest) { im.manifests[d] = append(im.manifests[d], desc) }
	defer func() { im.found = nil }()
	return im.add(ctx, root.Reference, root.Descriptor)
}

// take makes content be here, durable, from the layout unless it is here
// already. What another partition alone knows is not.
func (im *importing) take(ctx context.Context, desc ocispec.Descriptor) (manifest []byte, err error) {
	if err := checkDescriptor(desc); err != nil {
		return nil, err
	}
	s := im.store
	if !s.has(desc) || im.dirs.content(ctx, desc) != nil {
		if err := im.put(ctx, desc); err != nil {
			return nil, err
		}
		if err := im.dirs.content(ctx, desc); err != nil {
			return nil, err
		}
		im.written += desc.Size
	}
	if ocijson.IsManifest(desc.MediaType) {
		return s.readManifest(ctx, desc)
	}
	return nil, nil
}

// put copies content from the layout.
func (im *importing) put(ctx context.Context, desc ocispec.Descriptor) error {
	if ocijson.IsManifest(desc.MediaType) && desc.Size > maxManifest {
		return tooLarge(desc)
	}
	body, err := im.from.Fetch(ctx, desc)
	if err != nil {
		return registry.WrapError("read", registry.Reference{Digest: desc.Digest}, err)
	}
	defer body.Close()
	return im.store.Put(ctx, desc, body)
}

// peek reads a manifest of the layout that may turn out not to be wanted.
func (im *importing) peek(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxManifest {
		return nil, tooLarge(desc)
	}
	body, err := im.from.Fetch(ctx, desc)
	if err != nil {
		return nil, registry.WrapError("read", registry.Reference{Digest: desc.Digest}, err)
	}
	defer body.Close()
	r, err := verify.Ensure(body, desc)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(limit.WithContext(ctx, r))
	return data, registry.WrapError("read", registry.Reference{Digest: desc.Digest}, err)
}

// name writes the references, after all content.
func (im *importing) name(ctx context.Context) error {
	if err := im.dirs.sync(); err != nil {
		return err
	}
	// It may be long ago that the first content came here, and a collection may
	// have found nothing that holds it.
	claim, err := im.store.holdRemovals(ctx)
	if err != nil {
		return err
	}
	defer claim.Release()
	for _, desc := range im.all {
		if !im.store.has(desc) {
			return fmt.Errorf("%s was removed meanwhile: import it once more", desc.Digest)
		}
	}
	for _, root := range im.roots {
		if err := ctx.Err(); err != nil {
			return err
		}
		if root.Was, err = im.hold(root.Reference, root.Descriptor, ""); err != nil {
			return err
		}
	}
	// After their subjects, with which they are released: one that a kill left
	// without would be held for ever.
	for _, list := range im.lists {
		if err := im.keepList(ctx, list); err != nil {
			return fmt.Errorf("referrers of %s: %w", list.subject, err)
		}
	}
	return im.dirs.sync()
}

// hold notes durably what a reference names, and that it is to be kept, for its
// own sake or for that of its subject. It tells what it named before, if that
// was another manifest.
func (im *importing) hold(ref registry.Reference, desc ocispec.Descriptor, subject digest.Digest) (was digest.Digest, err error) {
	s := im.store
	r := newRecord(ref, desc, time.Now(), time.Time{})
	old, held := s.heldAt(ref)
	if !held || old.Subject != "" { // else for its own sake already
		r.Subject = subject
	}
	if err := s.hold(r); err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	im.dirs.file(s.heldPath(ref))
	if ref.Tag == "" {
		return "", nil
	}
	if known, ok := s.recordAt(s.refPath(ref), ref); ok && known.Digest == desc.Digest {
		return "", nil // and when the registry said so is known
	} else if ok {
		old, held = known, true
	}
	if held && old.Digest != desc.Digest {
		was = old.Digest
	}
	if err := s.writeRef(r); err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	return was, nil
}

func (im *importing) result() *Imported {
	result := &Imported{Contents: len(im.all), Written: im.written}
	for _, desc := range im.all {
		result.Size += desc.Size
	}
	for _, root := range im.roots {
		result.Roots = append(result.Roots, *root)
	}
	for _, desc := range im.unnamed {
		if _, ok := im.seen[desc.Digest]; !ok {
			result.Skipped = append(result.Skipped, plain(desc))
		}
	}
	return result
}
