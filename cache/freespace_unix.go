//go:build linux || darwin || freebsd

package cache

import "syscall"

// freeSpace is how many bytes the caller may still write on the file system of
// a directory.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
