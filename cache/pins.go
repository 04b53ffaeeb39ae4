package cache

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/registry"
)

// Pin keeps root and all that it names under ref: a chart that was packed
// under its reference and not yet pushed has no other home. Put the content
// first. A pin of the same reference is replaced. Both the content and the pin
// are on the disk when Pin returns, and survive a power cut.
//
// ref needs a tag; where it has a digest too, that must be root's. The error
// matches registry.ErrInvalidReference for the one, registry.ErrDigestMismatch
// for the other, and registry.ErrNotFound when content is missing here; else it
// is that of the directory or of ctx.
func (s *Store) Pin(ctx context.Context, ref registry.Reference, root ocispec.Descriptor) error {
	if err := checkPin(ref); err != nil {
		return err
	}
	if err := checkDescriptor(root); err != nil {
		return err
	}
	if ref.Digest != "" && ref.Digest != root.Digest {
		return fmt.Errorf("pin %s: %w: the manifest is %s", ref, registry.ErrDigestMismatch, root.Digest)
	}
	ref.Digest = ""
	if root.MediaType == "" {
		return fmt.Errorf("pin %s: its descriptor has no media type", ref)
	}
	// What is opened now was used, so that no collection removes it before the
	// pin is there; those that are about to shall not do so either.
	claim, err := s.holdRemovals(ctx)
	if err != nil {
		return fmt.Errorf("pin %s: %w", ref, err)
	}
	defer claim.Release()
	dirs := s.newSyncing()
	err = s.walk(ctx, root, func(desc ocispec.Descriptor, _ bool) error {
		return dirs.content(ctx, desc)
	})
	if err != nil {
		return fmt.Errorf("pin %s: %w", ref, err)
	}
	path := s.pinPath(ref)
	if err := s.writeRecord(path, newRecord(ref, root, time.Now(), time.Time{}), true); err != nil {
		return fmt.Errorf("pin %s: %w", ref, err)
	}
	dirs.file(path)
	if err := dirs.sync(); err != nil {
		return fmt.Errorf("pin %s: %w", ref, err)
	}
	return nil
}

// Pinned returns the manifest that was pinned under ref. The error matches
// registry.ErrNotFound when there is none, or, where ref has a digest, none of
// that digest, and registry.ErrInvalidReference when ref has no tag.
func (s *Store) Pinned(ctx context.Context, ref registry.Reference) (ocispec.Descriptor, error) {
	if err := checkPin(ref); err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := ctx.Err(); err != nil {
		return ocispec.Descriptor{}, err
	}
	tag := ref.WithTag(ref.Tag)
	r, ok := s.readRecord(s.pinPath(tag))
	if !ok || r.Reference != tag || ref.Digest != "" && ref.Digest != r.Digest {
		return ocispec.Descriptor{}, &registry.Error{
			Op: "resolve", Reference: ref, Kind: registry.ErrNotFound, Hint: "nothing is packed under this reference here",
		}
	}
	return r.descriptor(), nil
}

// Unpin forgets the pin of ref, whatever it names. The content stays, as any
// other does. Without such a pin there is nothing to do and no error; else the
// error is that of the directory or of ctx, or matches
// registry.ErrInvalidReference when ref has no tag.
func (s *Store) Unpin(ctx context.Context, ref registry.Reference) error {
	if err := checkPin(ref); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.dir == "" {
		return nil
	}
	path := s.pinPath(ref)
	err := atomicfile.Remove(path)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("unpin %s: %w", ref, err)
	}
	return nil
}

func (s *Store) pinPath(ref registry.Reference) string {
	return s.part("pins", hashName(ref.Name()), escapeTag(ref.Tag))
}

func checkPin(ref registry.Reference) error {
	if !registry.ValidTag(ref.Tag) {
		return &registry.ReferenceError{Reference: ref.String(), Problem: "no tag to keep a chart under", Hint: "write host/repository:tag"}
	}
	return nil
}
