package cache

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Entry is a reference that the cache can answer.
type Entry struct {
	// Reference has a tag and no digest, or, for what was imported under its
	// digest alone, a digest and no tag.
	Reference registry.Reference
	// Descriptor is that of the manifest.
	Descriptor ocispec.Descriptor
	// Size is the sum of the bytes that are here, of the manifest and all
	// that it names. Entries may share content: sizes do not add up.
	Size int64
	// Complete tells whether all that the manifest names is here. A chart that
	// was pulled is often not: a pull needs no config.
	Complete bool
	// Pinned tells whether the manifest was packed here under this reference
	// and not yet pushed.
	Pinned bool
	// Held tells whether it was imported, and is kept whatever its age until it
	// is released; see Store.Import and Store.Release.
	Held bool
	// Fetched is when the manifest was first kept for this reference, and
	// Confirmed when the registry last said that the tag names it; zero for
	// what was packed here and never pushed.
	Fetched, Confirmed time.Time
}

// Entries lists the tags whose manifest is here, and the pins, sorted by
// reference. A tag that was fetched and then packed here with other content is
// listed twice, the pin second. What was only ever asked for by digest has no
// entry. Files that are bad are skipped and logged; of blobs, other than
// manifests, the size is looked at and not the content.
//
// A cache that does not exist is empty. An error, of a directory that cannot
// be read or of ctx, is yielded once and ends the listing.
func (s *Store) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := s.entries(ctx)
		if err != nil {
			yield(Entry{}, fmt.Errorf("list the cache: %w", err))
			return
		}
		for _, e := range entries {
			ok, err := s.measure(ctx, &e)
			if err != nil {
				yield(Entry{}, fmt.Errorf("list the cache: %w", err))
				return
			}
			if ok && !yield(e, nil) {
				return
			}
		}
	}
}

func (s *Store) entries(ctx context.Context) ([]Entry, error) {
	refs, err := s.listRepositories(ctx, s.part("refs"), s.refPath)
	if err != nil {
		return nil, err
	}
	pins, err := s.listRepositories(ctx, s.part("pins"), s.pinPath)
	if err != nil {
		return nil, err
	}
	pinned := map[registry.Reference]record{}
	for _, r := range pins {
		pinned[r.Reference] = r
	}
	var all []Entry
	for _, r := range refs {
		pin, ok := pinned[r.Reference]
		same := ok && pin.Digest == r.Digest
		if same {
			delete(pinned, r.Reference)
		}
		all = append(all, Entry{Reference: r.Reference, Descriptor: r.descriptor(), Pinned: same, Held: r.Held, Fetched: r.Fetched, Confirmed: r.Confirmed})
	}
	for _, r := range pinned {
		all = append(all, Entry{Reference: r.Reference, Descriptor: r.descriptor(), Pinned: true, Fetched: r.Fetched})
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if c := cmp.Compare(a.Reference.String(), b.Reference.String()); c != 0 || a.Pinned == b.Pinned {
			return c
		}
		if b.Pinned {
			return -1
		}
		return 1
	})
	return all, nil
}

// listRepositories reads the records one directory further down.
func (s *Store) listRepositories(ctx context.Context, root string, where func(registry.Reference) string) ([]record, error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	var all []record
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		records, err := s.listRecords(ctx, filepath.Join(root, dir.Name()), where)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, nil
}

// measure looks at what an entry has here. A tag without its manifest is none;
// a pin without it is one whose loss should be seen.
func (s *Store) measure(ctx context.Context, e *Entry) (bool, error) {
	e.Complete = true
	root := false
	err := s.walk(ctx, e.Descriptor, func(desc ocispec.Descriptor, here bool) error {
		if !here {
			e.Complete = false
			return nil
		}
		root = root || desc.Digest == e.Descriptor.Digest
		e.Size += desc.Size
		return nil
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("bad manifest in the cache", "reference", e.Reference, "error", err)
		return false, nil
	}
	return root || e.Pinned, err
}
