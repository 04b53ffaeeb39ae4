package layout

import (
	"context"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Edit changes what index.json lists, in one step: change gets the entries as
// they stand there, may change them in place, and returns those that shall
// stand there. It is for names beyond tags, such as the annotation
// io.containerd.image.name, which has a whole reference. change must not use
// the layout: it is locked until change returns.
//
// Nothing has changed when there is an error: for an entry whose digest or size
// is none, which matches registry.ErrInvalidReference, for a list that is
// longer than readers must take (4 MiB, 10,000 entries), or that of ctx or of
// the file system.
func (t *target) Edit(ctx context.Context, change func(entries []ocispec.Descriptor) []ocispec.Descriptor) error {
	var bad error
	err := t.store.update(ctx, func(index *ocispec.Index) bool {
		entries := slices.Clone(index.Manifests)
		for i := range entries {
			entries[i].Annotations = maps.Clone(entries[i].Annotations)
		}
		edited := *index
		edited.Manifests = append([]ocispec.Descriptor{}, change(entries)...)
		if bad = checkEdited(&edited); bad == nil {
			index.Manifests = edited.Manifests
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return t.fail("list", err)
	}
	return nil
}

// checkEdited refuses an index that nobody could read again.
func checkEdited(index *ocispec.Index) error {
	for _, entry := range index.Manifests {
		if err := checkDescriptor(entry); err != nil {
			return &registry.ReferenceError{Reference: entry.Digest.String(), Problem: err.Error()}
		}
	}
	_, err := encode(index)
	return err
}
