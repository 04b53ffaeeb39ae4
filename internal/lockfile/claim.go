package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/gofrs/flock"
)

// Claim is the right to something that one process at a time may do, by the
// lock of a file that is there for as long only. That of a holder who dies is
// free at once. It keeps out only those who ask for it.
type Claim struct{ lock *flock.Flock }

// maxReplaced bounds how often a claim's file is found replaced: each time
// somebody else has just had the claim.
const maxReplaced = 100

// TryClaim takes a claim, or returns nil where somebody holds it. The directory
// of path must exist; the file is made, with mode 0666 less the umask, and what
// it holds does not matter. The error is that of a file system which has no
// locks, or does not let this process write.
//
// The file goes away with the claim, so a lock counts only on the file that is
// still there under the name: the one that waited for it finds another or none,
// and starts anew.
func TryClaim(path string) (*Claim, error) {
	for range maxReplaced {
		l := flock.New(path, flock.SetFlag(fileFlags()), flock.SetPermissions(0o666))
		locked, err := l.TryLock()
		if err != nil || !locked {
			l.Close()
			return nil, err
		}
		mine, err := l.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = os.Lstat(path); err == nil && os.SameFile(mine, there) {
				return &Claim{l}, nil
			}
		}
		l.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("lock %s: its file is replaced again and again", path)
}

// Release gives the claim back. It may be called again, and on nil.
func (c *Claim) Release() {
	if c == nil || c.lock == nil {
		return
	}
	l := c.lock
	c.lock = nil
	if runtime.GOOS == "windows" { // where the file of somebody who holds it cannot be removed
		l.Close()
		os.Remove(l.Path())
		return
	}
	os.Remove(l.Path())
	l.Close()
}
