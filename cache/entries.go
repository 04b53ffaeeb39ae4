package cache

import (
	"context"
	"errors"
	"fmt"
	"iter"
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

// Entries lists the tags whose manifest is here, and the pins, repository by
// repository and in no order. A tag that was fetched and then packed here with
// other content is listed twice, the pin second. What was only ever asked for
// by digest has no entry. Files that are bad are skipped and logged; of blobs,
// other than manifests, the size is looked at and not the content. To be listed
// is no use of content.
//
// The listing is a stream: it takes no more memory for a million tags than for
// one. What is added or removed meanwhile may be in it or not. A cache that does
// not exist is empty. An error, of a directory that cannot be read or of ctx, is
// yielded once and ends the listing.
func (s *Store) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := s.eachEntry(ctx, func(e Entry) error {
			ok, err := s.measure(ctx, &e)
			if err == nil && ok && !yield(e, nil) {
				err = errEnough
			}
			return err
		})
		if err != nil && err != errEnough {
			yield(Entry{}, fmt.Errorf("list the cache: %w", err))
		}
	}
}

// errEnough ends a listing of which nobody wants more.
var errEnough = errors.New("enough")

// eachEntry calls fn with the references, each before its pin, and then with
// what is held or pinned of which nothing else is known.
func (s *Store) eachEntry(ctx context.Context, fn func(Entry) error) error {
	if s.dir == "" {
		return nil
	}
	err := s.eachRepository(ctx, s.part("refs"), s.refPath, func(r record) error {
		_, held := s.heldAt(r.Reference)
		pin, ok := s.recordAt(s.pinPath(r.Reference), r.Reference)
		same := ok && pin.Digest == r.Digest
		err := fn(Entry{Reference: r.Reference, Descriptor: r.descriptor(), Pinned: same, Held: held, Fetched: r.Fetched, Confirmed: r.Confirmed})
		if err != nil || !ok || same {
			return err
		}
		return fn(pinEntry(pin))
	})
	if err != nil {
		return err
	}
	err = s.eachRepository(ctx, s.part("held"), s.heldPath, func(r record) error {
		if r.Subject != "" {
			return nil // it came along with what it refers to
		}
		if r.Reference.Tag != "" {
			if _, known := s.recordAt(s.refPath(r.Reference), r.Reference); known {
				return nil
			}
		}
		return fn(Entry{Reference: r.Reference, Descriptor: r.descriptor(), Held: true, Fetched: r.Fetched})
	})
	if err != nil {
		return err
	}
	return s.eachRepository(ctx, s.part("pins"), s.pinPath, func(pin record) error {
		if _, ok := s.recordAt(s.refPath(pin.Reference), pin.Reference); ok {
			return nil
		}
		return fn(pinEntry(pin))
	})
}

func pinEntry(pin record) Entry {
	return Entry{Reference: pin.Reference, Descriptor: pin.descriptor(), Pinned: true, Fetched: pin.Fetched}
}

// eachRepository calls fn with the records one directory further down.
func (s *Store) eachRepository(ctx context.Context, root string, where func(registry.Reference) string, fn func(record) error) error {
	return eachDir(ctx, root, func(dir string) error {
		return s.eachRecord(ctx, dir, where, fn)
	})
}

// recordAt reads the record of ref, without consequences where it is bad.
func (s *Store) recordAt(path string, ref registry.Reference) (r record, ok bool) {
	_, err := s.loadSealed(path, maxRecord, &r)
	return r, err == nil && r.Reference == ref
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
