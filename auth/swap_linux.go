package auth

import "golang.org/x/sys/unix"

// swapFiles swaps two files in one step, so that it can be seen which one was
// replaced. Not every file system can (NFS).
func swapFiles(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
