package registry

import (
	"fmt"
	"testing"
)

// Hosts that a registry's answers lead to do not take the place of those that
// are meant, whose limits and pauses would be forgotten.
func TestStrangersTakeNobodysPlace(t *testing.T) {
	h := &hosts{made: map[string]hostEntry{}}
	first := h.lookup("0.example").gate
	for i := range 2 * maxStrangers {
		h.lookup(fmt.Sprint(i, ".example"))
	}
	if n := len(h.made); n != maxStrangers {
		t.Errorf("%d strangers are kept, want %d", n, maxStrangers)
	}
	if h.named("r.example").gate != h.lookup("r.example").gate {
		t.Error("a host that a caller names is forgotten")
	}
	if h.named("0.example").gate != first {
		t.Error("a stranger that a caller names gets another gate")
	}
	if again := h.lookup("new.example").gate; h.lookup("new.example").gate != again {
		t.Error("the place of a stranger that is none any more is not free")
	}
	for i := range 2 * maxHosts {
		h.named(fmt.Sprint(i, ".example.com"))
	}
	if n := len(h.made); n > maxHosts+maxStrangers {
		t.Errorf("%d hosts are kept", n)
	}
}
