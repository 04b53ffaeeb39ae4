package cache

import (
	"strconv"
	"testing"
)

func TestHashSet(t *testing.T) {
	s := newHashSet()
	for i := range 100_000 {
		if s.has(strconv.Itoa(i)) {
			t.Fatalf("has %d before it was added", i)
		}
		s.add(strconv.Itoa(i / 2))
		s.add(strconv.Itoa(i))
	}
	for i := range 200_000 {
		if s.has(strconv.Itoa(i)) != (i < 100_000) {
			t.Fatalf("has %d: %t", i, i >= 100_000)
		}
	}
	if s.n != 100_000 || len(s.slots)*8 > 19*s.n {
		t.Errorf("%d in %d slots", s.n, len(s.slots))
	}
}
