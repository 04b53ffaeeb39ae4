package auth

import "golang.org/x/sys/unix"

// swapFiles swaps two files in one step, so that it can be seen which one was
// replaced.
func swapFiles(a, b string) error { return unix.RenamexNp(a, b, unix.RENAME_SWAP) }
