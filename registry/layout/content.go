package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// maxManifest bounds manifests and index.json, whose form is that of one: a
// registry must take 4 MiB (OCI distribution spec 1.1, Pushing Manifests).
const maxManifest = ocijson.MaxSize

// files is where the parts of a layout lie.
type files interface {
	// open opens a part by its path in the layout. It matches fs.ErrNotExist
	// when there is none.
	open(name string) (part, error)
}

// part is a file of a layout.
type part interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// content is what all kinds of layouts share: how they are read.
type content struct {
	name  string // the path, for errors
	files files
}

// fail says what could not be done with which layout.
func (c *content) fail(op string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("layout %s: %s: %w", redact.Text(c.name, maxShown), op, err)
	}
	return fmt.Errorf("layout %s: %s: %w", redact.Text(c.name, maxShown), op, shown{err})
}

// maxShown bounds what an error repeats.
const maxShown = 1024

// shown prints an error without what a terminal acts on: the names in it are
// those of strangers.
type shown struct{ error }

func (s shown) Error() string { return redact.Text(s.error.Error(), maxShown) }
func (s shown) Unwrap() error { return s.error }

// blobPath is the place of a digest, which must be checked before.
func blobPath(d digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

func checkDescriptor(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("digest %.100q: %w", d.Digest, err)
	}
	if d.Size < 0 {
		return fmt.Errorf("size of %s is negative: %d", d.Digest, d.Size)
	}
	return nil
}

// Resolve answers which manifest a tag or a digest names. A tag may spell a
// version with "+" or "_". A digest need not be listed in index.json. The error
// matches registry.ErrNotFound; a tag that names several manifests is another.
func (c *content) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	fail := func(err error) (ocispec.Descriptor, error) {
		return ocispec.Descriptor{}, c.fail(fmt.Sprintf("resolve %.300q", reference), err)
	}
	index, err := c.index(ctx)
	if err != nil {
		return fail(err)
	}
	d := digest.Digest(reference)
	byDigest := d.Validate() == nil
	var found []ocispec.Descriptor
	for _, entry := range index.Manifests {
		if byDigest && entry.Digest == d || !byDigest && tagged(entry, reference) {
			if err := checkDescriptor(entry); err != nil {
				return fail(err)
			}
			found = append(found, ocispec.Descriptor{MediaType: entry.MediaType, Digest: entry.Digest, Size: entry.Size})
		}
	}
	found = slices.CompactFunc(found, func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest })
	switch {
	case len(found) > 1:
		return fail(fmt.Errorf("%d manifests have this tag", len(found)))
	case len(found) == 1 && found[0].MediaType != "":
		return found[0], nil
	case len(found) == 1:
		d = found[0].Digest
	case !byDigest:
		return fail(fmt.Errorf("%w: %s", registry.ErrNotFound, there(index)))
	}
	desc, err := c.sniff(ctx, d)
	if err != nil {
		return fail(err)
	}
	return desc, nil
}

// tagged tells whether an entry of index.json has the tag, in either spelling
// of a version.
func tagged(entry ocispec.Descriptor, tag string) bool {
	name := entry.Annotations[ocispec.AnnotationRefName]
	return name != "" && (name == tag || registry.TagOfVersion(name) == registry.TagOfVersion(tag))
}

// named is how many tags a message names.
const named = 5

// there says which tags there are.
func there(index *ocispec.Index) string {
	tags := tags(index, "")
	if len(tags) == 0 {
		return "the layout has no tags"
	}
	text := "there are " + strings.Join(tags[:min(named, len(tags))], ", ")
	if more := len(tags) - named; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// sniff describes a manifest that is known by its digest alone.
func (c *content) sniff(ctx context.Context, d digest.Digest) (ocispec.Descriptor, error) {
	f, err := c.files.open(blobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Descriptor{}, registry.ErrNotFound
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{Digest: d, Size: f.Size()}
	f.Close()
	if desc.Size > maxManifest {
		return ocispec.Descriptor{}, registry.ErrNotFound
	}
	data, err := c.read(ctx, desc)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	mediaType, ok := ocijson.Sniff(data)
	if !ok {
		return ocispec.Descriptor{}, fmt.Errorf("%w: it is no manifest", registry.ErrNotFound)
	}
	desc.MediaType = mediaType
	return desc, nil
}

// read reads content that fits in memory.
func (c *content) read(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxManifest {
		return nil, fmt.Errorf("manifest of %d bytes, more than %d", desc.Size, maxManifest)
	}
	rc, err := c.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// Fetch opens a manifest or a blob. The reader verifies size and digest by its
// end, and is an io.Seeker, so that an upload can be rewound; the caller closes
// it. Matches registry.ErrNotFound, registry.ErrDigestMismatch.
func (c *content) Fetch(ctx context.Context, target ocispec.Descriptor) (io.ReadCloser, error) {
	fail := func(err error) (io.ReadCloser, error) {
		return nil, c.fail(fmt.Sprintf("fetch %.150s", target.Digest), err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkDescriptor(target); err != nil {
		return fail(err)
	}
	f, err := c.files.open(blobPath(target.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(registry.ErrNotFound)
	}
	if err != nil {
		return fail(err)
	}
	if f.Size() != target.Size {
		f.Close()
		return fail(&verify.Error{Want: target.Digest, WantSize: target.Size, GotSize: f.Size()})
	}
	section, err := verify.NewSection(io.NewSectionReader(f, 0, f.Size()), target)
	if err != nil {
		f.Close()
		return fail(err)
	}
	return &body{section, f, ctx}, nil
}

// body is content that is being read, as long as its context lasts.
type body struct {
	*verify.Section
	io.Closer
	ctx context.Context
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Section.Read(p)
}

// Exists tells whether the layout has the content. It is read and verified:
// content that is bad counts as missing, so that a copy mends it.
func (c *content) Exists(ctx context.Context, target ocispec.Descriptor) (bool, error) {
	rc, err := c.Fetch(ctx, target)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
	}
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrDigestMismatch) {
		return false, nil
	}
	return err == nil, err
}
