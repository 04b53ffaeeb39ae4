//go:build unix

package cache

import (
	"io/fs"
	"os"
	"syscall"
)

// openNonblock opens a pipe without waiting for who writes into it.
const openNonblock = syscall.O_NONBLOCK

// trustedOwner tells whether what was looked at belongs to who runs this, or to
// the administrator.
func trustedOwner(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Uid == 0 || int64(stat.Uid) == int64(os.Geteuid())
}

// alterable tells whether another user can write to the file.
func alterable(info fs.FileInfo) bool { return !trustedOwner(info) || info.Mode().Perm()&0o022 != 0 }
