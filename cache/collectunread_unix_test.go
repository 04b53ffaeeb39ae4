//go:build unix

package cache

import (
	"os"
	"testing"
	"time"
)

// Of a pin that cannot be read nobody knows what it keeps: nothing is removed.
func TestCollectUnreadablePin(t *testing.T) {
	s := gcStore(t)
	_, path := gcBlob(t, s, "pinned by whom", 100*time.Hour)
	pin := s.pinPath(chartRef)
	if err := s.withParent(pin, func() error { return os.Symlink(pin, pin) }); err != nil { // a loop, for root too
		t.Fatal(err)
	}
	c, err := s.Collect(t.Context(), Limits{MaxAge: time.Hour}, CollectOptions{})
	if err == nil || c.Removed != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
