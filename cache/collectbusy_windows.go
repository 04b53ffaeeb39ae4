package cache

import (
	"errors"
	"syscall"
)

// heldOpen tells of a file that cannot be renamed or removed because somebody
// has it open, or because its removal is under way.
func heldOpen(err error) bool {
	const sharingViolation, lockViolation = syscall.Errno(32), syscall.Errno(33)
	return errors.Is(err, sharingViolation) || errors.Is(err, lockViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
}
