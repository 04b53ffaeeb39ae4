package cache

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/registry"
)

// sort tells the entries that have a name from those that have none. Nothing
// has been written when a name will not do.
func (im *importing) sort(ctx context.Context, entries []ocispec.Descriptor) error {
	if len(entries) > ocijson.MaxDescriptors {
		return fmt.Errorf("%w of %d entries", limit.ErrExceeded, ocijson.MaxDescriptors)
	}
	var homeless []string
	for _, entry := range entries {
		if err := checkDescriptor(entry); err != nil {
			return err
		}
		ref, tag, err := im.nameOf(entry)
		if err != nil {
			return err
		}
		if ref.IsZero() && tag != "" {
			homeless = append(homeless, tag)
			continue
		}
		if ref.IsZero() {
			im.unnamed = append(im.unnamed, entry)
			continue
		}
		if err := im.addName(ctx, ref, entry); err != nil {
			return err
		}
	}
	if len(homeless) > 0 {
		return &registry.Error{Op: "read names", Kind: registry.ErrInvalidReference,
			Err:  fmt.Errorf("the layout does not say of which repository its tags are: %s", redact.Text(strings.Join(homeless, ", "), maxShown)),
			Hint: "name the repository to import them into"}
	}
	if len(im.roots) == 0 && len(im.unnamed) > 0 && im.into.IsZero() {
		return &registry.Error{Op: "read names", Kind: registry.ErrInvalidReference,
			Err: errors.New("nothing in the layout has a name"), Hint: "name the repository to import it into"}
	}
	return nil
}

// nameOf is the reference of an entry, or else its plain tag. Lists of referrers
// that are kept under a tag have neither: they are read as lists.
func (im *importing) nameOf(entry ocispec.Descriptor) (ref registry.Reference, tag string, err error) {
	ref, ok := wholeName(entry, ocijson.AnnotationImageName, ocispec.AnnotationRefName)
	if ok && ref.Digest != "" && ref.Digest != entry.Digest {
		return ref, "", fmt.Errorf("%s: %w: the layout has %s under this name", ref, registry.ErrDigestMismatch, entry.Digest)
	}
	if tag = registry.TagOfVersion(entry.Annotations[ocispec.AnnotationRefName]); ok {
		tag = ref.Tag
	}
	switch {
	case referrersTag.MatchString(tag):
		return registry.Reference{}, "", nil
	case ok && ref.Tag != "":
		return ref.WithTag(ref.Tag), "", nil
	case ok:
		return ref, "", nil
	case !registry.ValidTag(tag):
		return registry.Reference{}, "", nil
	case im.into.IsZero():
		return registry.Reference{}, tag, nil
	}
	return im.into.WithTag(tag), "", nil
}

// addName makes a root of an entry.
func (im *importing) addName(ctx context.Context, ref registry.Reference, entry ocispec.Descriptor) error {
	if had, ok := im.tagged[ref]; ok {
		if had != entry.Digest {
			return &registry.Error{Op: "read names", Reference: ref, Kind: registry.ErrInvalidReference,
				Err: fmt.Errorf("the layout has two manifests of this name, %s and %s", had, entry.Digest)}
		}
		return nil
	}
	im.tagged[ref] = entry.Digest
	if entry.Annotations[referrersName] == allReferrers {
		im.complete[entry.Digest] = true
	}
	desc, err := im.manifestOf(ctx, entry)
	if errors.Is(err, registry.ErrNotFound) {
		im.missing = append(im.missing, Missing{Reference: ref, Digest: entry.Digest, What: MissingManifest})
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	im.roots = append(im.roots, &ImportedRoot{Reference: ref, Descriptor: desc})
	return nil
}

// manifestOf describes the manifest of an entry, which may not say its type.
func (im *importing) manifestOf(ctx context.Context, entry ocispec.Descriptor) (ocispec.Descriptor, error) {
	desc := plain(entry)
	if desc.MediaType == "" {
		data, err := im.peek(ctx, desc)
		if err != nil {
			return desc, err
		}
		desc.MediaType, _ = ocijson.Sniff(data)
	}
	if !ocijson.IsManifest(desc.MediaType) {
		return desc, &registry.Error{Op: "read", Reference: registry.Reference{Digest: desc.Digest}, Kind: registry.ErrUnsupported,
			Err: errors.New("it is no manifest by its media type " + redact.Quoted(desc.MediaType))}
	}
	return desc, nil
}

// referrersTag is the form of the tags under which lists of referrers are kept
// (OCI distribution spec 1.1, Referrers Tag Schema).
var referrersTag = regexp.MustCompile(`^sha(256|384|512)-[0-9a-f]{64}$`)
