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

// isPlanted tells of a link that neither this user nor the owner of its
// directory has made, where everybody may make one: it would take the file to
// wherever its maker likes. Linux refuses such links itself if it is told to
// (fs.protected_symlinks).
func isPlanted(link string, info fs.FileInfo) bool {
	dir, err := os.Stat(filepath.Dir(link))
	if err != nil || dir.Mode().Perm()&0o002 == 0 {
		return false
	}
	of, ok := dir.Sys().(*syscall.Stat_t)
	made, known := info.Sys().(*syscall.Stat_t)
	return ok && known && made.Uid != of.Uid && int(made.Uid) != os.Geteuid()
}
