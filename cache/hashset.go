package cache

import "hash/maphash"

// hashSet holds strings, such as digests, in 9 to 19 bytes each, where a map
// would hold 71 for the digest alone: a collection has sets of hundreds of
// thousands. Two strings in 2^64 look alike, and nobody can tell beforehand
// which: has may be true of one that was not added, and is never false of one
// that was.
type hashSet struct {
	seed  maphash.Seed
	slots []uint64 // a power of two of them, an eighth and more are 0: free
	n     int
}

func newHashSet() *hashSet { return &hashSet{seed: maphash.MakeSeed(), slots: make([]uint64, 64)} }

func (s *hashSet) add(v string) {
	if at := s.find(s.hash(v)); s.slots[at] == 0 {
		s.slots[at] = s.hash(v)
		s.n++
	}
	if s.n <= len(s.slots)/8*7 {
		return
	}
	old := s.slots
	s.slots = make([]uint64, 2*len(old))
	for _, h := range old {
		if h != 0 {
			s.slots[s.find(h)] = h
		}
	}
}

func (s *hashSet) has(v string) bool { return s.slots[s.find(s.hash(v))] != 0 }

func (s *hashSet) hash(v string) uint64 { return max(maphash.String(s.seed, v), 1) }

// find returns the slot of h, or the free one that it would have.
func (s *hashSet) find(h uint64) uint64 {
	last := uint64(len(s.slots) - 1)
	at := h & last
	for s.slots[at] != 0 && s.slots[at] != h {
		at = (at + 1) & last
	}
	return at
}
