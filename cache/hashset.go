package cache

import "hash/maphash"

// hashSet holds strings, such as digests, in eight bytes each, which keeps the
// sets of a collection small. Two strings in 2^64 look alike, and nobody can
// tell beforehand which: has may be true of one that was not added, and is never
// false of one that was.
type hashSet struct {
	seed maphash.Seed
	all  map[uint64]struct{}
}

func newHashSet() hashSet { return hashSet{maphash.MakeSeed(), map[uint64]struct{}{}} }

func (s hashSet) add(v string) { s.all[maphash.String(s.seed, v)] = struct{}{} }

func (s hashSet) has(v string) bool {
	_, ok := s.all[maphash.String(s.seed, v)]
	return ok
}
