package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/lockfile"
)

// newMode is the mode of the file that replaces one with info. A secret takes
// away what others may do, or is refused, as the options say.
func (f *FileStore) newMode(info fs.FileInfo, secret bool) (fs.FileMode, error) {
	switch {
	case info == nil:
		return 0o600, nil
	case !secret:
		return info.Mode().Perm(), nil
	case f.opts.RefuseShared && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return 0, &Error{
			Stage: StageConfig, Origin: f.origin(""), Err: ErrPlaintextRefused,
			Message: fmt.Sprintf("others may read it (mode %04o)", info.Mode().Perm()),
			Hint:    "chmod 600 it, or configure a credential helper there (credsStore)",
		}
	}
	return info.Mode().Perm() & 0o700, nil
}

// commit replaces target, which was last seen with the content before, and
// nil where there was none. It is not done where another program has been
// faster: what that wrote is back in its place then. content is that of file.
func (f *FileStore) commit(file *atomicfile.File, target string, content, before []byte) (done bool, err error) {
	if before == nil {
		// Unlike a rename, a link never takes the place of another file.
		switch err := os.Link(file.Name(), target); {
		case err == nil:
			return true, nil
		case errors.Is(err, fs.ErrExist):
			return false, nil
		}
		return true, file.Commit() // a file system without links
	}
	switch err := f.swap(file.Name(), target); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return true, file.Commit() // a system that cannot exchange files
	}
	old, _, err := snapshot(file.Name())
	if err == nil && bytes.Equal(old, before) {
		return true, nil
	}
	return false, f.giveBack(file.Name(), target, content, old)
}

// giveBack puts taken, which is in the file name and which another program had
// written, back in the place of ours. What comes out instead of ours is newer
// still, and goes back in turn.
func (f *FileStore) giveBack(name, target string, ours, taken []byte) error {
	for range maxWriteAttempts {
		if err := f.swap(name, target); err != nil {
			return err
		}
		out, _, err := snapshot(name)
		if err != nil || bytes.Equal(out, ours) {
			return err
		}
		ours, taken = taken, out
	}
	return errors.New("another program keeps changing it; try again")
}

// removeLeftovers removes what writers that were killed have left. It is
// called under the lock, so that there can be no other writer.
func removeLeftovers(target string) {
	dir, base := filepath.Split(target)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+base+".tmp-") {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

func moment(hook func()) {
	if hook != nil {
		hook()
	}
}

// followLinks finds the file that is to be replaced. Configurations are often
// links into a repository of dotfiles, which may not hold the file yet.
func followLinks(path string) (string, error) {
	for range maxSymlinks {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, err
		}
		if isPlanted(path, info) {
			return "", errors.New("it is a symbolic link of another user in a directory for everybody")
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", errors.New("too many symbolic links")
}

// lockFile takes the lock that users of this package share.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	return lockfile.LockFile(ctx, path)
}

// syncDir makes a rename outlive a power cut where the system can do that.
func (f *FileStore) syncDir(path string) {
	if d, err := os.Open(path); err == nil {
		f.sync(d)
		d.Close()
	}
}
