package atomicfile

import (
	"errors"
	"syscall"
)

// errSharingViolation is ERROR_SHARING_VIOLATION of winerror.h.
const errSharingViolation = syscall.Errno(32)

// busy knows what Windows says of files that somebody has open. That a file is
// not found it says too while another rename replaces it.
func busy(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && (errno == syscall.ERROR_ACCESS_DENIED || errno == errSharingViolation || errno == syscall.ERROR_FILE_NOT_FOUND)
}
