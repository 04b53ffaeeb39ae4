package cache

import (
	"github.com/portolan-oci/portolan/registry"
)

// What was carried here is held, with all that it names, until it is released:
// its registry may be out of reach. A hold is a record of its own beside what is
// known of the tag, as a pin is: a registry that moves the tag, and a collection
// that forgets it, leave the promise alone. One by digest holds a manifest that
// no tag was carried for; it answers nobody.

// heldPath wants a reference with a valid tag, or with a digest alone. No tag
// has the name of a digest's record.
func (s *Store) heldPath(ref registry.Reference) string {
	name := escapeTag(ref.Tag)
	if ref.Tag == "" {
		name = "!." + hashName(ref.Digest.String())
	}
	return s.part("held", hashName(ref.Name()), name)
}

// hold writes the record of what is held, and forces it to the disk but for its
// directories.
func (s *Store) hold(r record) error { return s.writeRecord(s.heldPath(r.Reference), r, true) }

// heldAt reads the record of what ref holds.
func (s *Store) heldAt(ref registry.Reference) (record, bool) {
	return s.recordAt(s.heldPath(ref), ref)
}
