//go:build unix

package lockfile

import (
	"os"
	"runtime"
	"syscall"
)

// fileFlags open a lock file without waiting on a pipe, and without following
// a link, that somebody else has put in its place.
func fileFlags() int {
	flags := os.O_CREATE | syscall.O_NONBLOCK | syscall.O_NOFOLLOW
	switch runtime.GOOS {
	case "aix", "solaris", "illumos": // which lock what may be written alone
		return flags | os.O_RDWR
	}
	return flags | os.O_RDONLY
}
