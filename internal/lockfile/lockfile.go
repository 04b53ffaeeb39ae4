// Package lockfile keeps other processes, and other goroutines of this one,
// out of a directory or a file while it is changed.
package lockfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// poll is how often a lock that another holds is tried again. A try costs some
// 10 µs, so waiting takes a thousandth of a processor.
const poll = 10 * time.Millisecond

// LockDir waits until it holds the exclusive lock of a directory, which must
// exist, or until ctx ends. The caller calls unlock, once. A holder that dies
// releases the lock at once. The lock keeps out only those who ask for it.
//
// It is the directory itself that is locked, so that no file of ours is left
// in it, and so that users, containers and settings of TMPDIR that differ still
// meet. Where a directory cannot be locked (Windows, some network file systems)
// a file in the system's directory for temporary files stands for it, by the
// path without its links.
func LockDir(ctx context.Context, dir string) (unlock func(), err error) {
	unlock, err = lock(ctx, flock.New(dir, flock.SetFlag(os.O_RDONLY)))
	if err == nil || ctx.Err() != nil {
		return unlock, err
	}
	if info, serr := os.Stat(dir); serr != nil {
		return nil, serr
	} else if !info.IsDir() {
		return nil, fmt.Errorf("lock %s: not a directory", dir)
	}
	path, err := standIn(dir)
	if err != nil {
		return nil, err
	}
	return lockFile(ctx, path, 0o666)
}

// LockFile waits until it holds the exclusive lock of the file at path, which
// is made with mode 0600 if it is missing, or until ctx ends. The caller calls
// unlock, once. The file is never removed: two could hold a lock on two files of
// its name. A link in its place is an error, and a pipe is not waited on:
// somebody else may have put it there.
func LockFile(ctx context.Context, path string) (unlock func(), err error) {
	return lockFile(ctx, path, 0o600)
}

func lockFile(ctx context.Context, path string, mode os.FileMode) (unlock func(), err error) {
	return lock(ctx, flock.New(path, flock.SetFlag(fileFlags()), flock.SetPermissions(mode)))
}

// standIn is the file for a directory that cannot be locked. It is never
// removed: two could hold a lock on two files of its name.
func standIn(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(real))
	return filepath.Join(os.TempDir(), "portolan-lock-"+hex.EncodeToString(sum[:16])), nil
}

// lock wants a value of its own for each lock: one that is locked would say
// yes to a second holder.
func lock(ctx context.Context, l *flock.Flock) (unlock func(), err error) {
	locked, err := l.TryLockContext(ctx, poll)
	if err == nil && !locked {
		err = ctx.Err()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("lock %s: %w", l.Path(), err)
	}
	return func() { l.Close() }, nil
}
