package heap_test

import (
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/heap"
)

var held []byte

func TestGrowth(t *testing.T) {
	const size = 32 << 20
	if grown := heap.Growth(func() {
		held = make([]byte, size)
		time.Sleep(20 * time.Millisecond)
	}); grown < size || grown > 2*size {
		t.Errorf("holding %d bytes grew the heap by %d", size, grown)
	}
	held = nil
	if grown := heap.Growth(func() {}); grown > 1<<20 {
		t.Errorf("nothing grew the heap by %d", grown)
	}
}
