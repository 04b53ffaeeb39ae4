//go:build !windows

package cache

import (
	"errors"
	"syscall"
)

// heldOpen tells of a file that cannot be removed because somebody uses it,
// which some network file systems refuse.
func heldOpen(err error) bool { return errors.Is(err, syscall.EBUSY) }
