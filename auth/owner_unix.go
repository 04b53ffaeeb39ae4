//go:build unix

package auth

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives the new file to the owner of the old one, so that a login
// with sudo does not lock its user out. Who may not do that keeps the file; and
// so does root in a directory such as /tmp, where whoever comes first owns the
// file, and would be given the secret.
func keepOwner(file *os.File, old fs.FileInfo) {
	if old == nil {
		return
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if dir, err := os.Stat(filepath.Dir(file.Name())); err != nil {
		return
	} else if of, ok := dir.Sys().(*syscall.Stat_t); !ok || dir.Mode().Perm()&0o022 != 0 && of.Uid != was.Uid {
		return
	}
	file.Chown(int(was.Uid), int(was.Gid))
}
