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
	"time"

	"github.com/gofrs/flock"

	"github.com/portolan-oci/portolan/internal/atomicfile"
)

const (
	// maxWriteAttempts is how often an update starts again because a program
	// that takes no lock, such as docker, has changed the file meanwhile.
	maxWriteAttempts = 4
	lockTimeout      = 30 * time.Second
	lockPoll         = 5 * time.Millisecond
	maxSymlinks      = 40 // as the Linux kernel allows
)

// load reads the file for an update; one that is missing is empty.
func (f *FileStore) load() (*config, error) {
	data, err := readConfig(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, f.invalid("", err)
	}
	cfg, err := parseConfig(data)
	if err != nil {
		e := f.invalid("", err)
		return nil, fmt.Errorf("%w; it is left as it is: mend or remove it", e)
	}
	return cfg, nil
}

// update applies change to the file as it is now and replaces it, unless
// change has nothing to do. The first look is without a lock, so that a file
// that needs no change may lie in a directory that cannot be written.
func (f *FileStore) update(ctx context.Context, secret bool, change func(*config) (bool, error)) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	if changed, err := change(cfg); err != nil || !changed {
		return err
	}
	target, err := followLinks(f.path)
	if err != nil {
		return f.writeError(err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return f.writeError(err)
	}
	unlock, err := lockFile(ctx, target+".lock")
	if err != nil {
		return f.writeError(err)
	}
	defer unlock()
	for range maxWriteAttempts {
		done, err := f.replace(target, secret, change)
		if err != nil && runtime.GOOS == "windows" && errors.Is(err, fs.ErrPermission) {
			time.Sleep(10 * lockPoll) // a reader has it open, which keeps it from being replaced
			continue
		}
		if done || err != nil {
			return err
		}
	}
	return f.writeError(errors.New("another program keeps changing it; try again"))
}

// replace is one attempt under the lock. It is not done when the file has
// changed between reading and replacing it.
func (f *FileStore) replace(target string, secret bool, change func(*config) (bool, error)) (done bool, err error) {
	before, info, err := snapshot(target)
	if err != nil {
		return false, f.invalid("", err)
	}
	cfg, err := parseConfig(before)
	if err != nil {
		return false, f.invalid("", err)
	}
	if changed, err := change(cfg); err != nil || !changed {
		return true, err
	}
	mode := fs.FileMode(0o600)
	if info != nil && !secret {
		mode = info.Mode().Perm()
	} else if info != nil {
		mode = info.Mode().Perm() & 0o700 // the others shall not read what is secret
	}
	file, err := atomicfile.Create(target, 0o600)
	if err != nil {
		return false, f.writeError(err)
	}
	defer file.Close()
	if _, err := file.Write(cfg.encode()); err != nil {
		return false, f.writeError(err)
	}
	if err := errors.Join(file.Chmod(mode), file.Sync()); err != nil {
		return false, f.writeError(err)
	}
	keepOwner(file.File, info)
	if f.beforeCommit != nil {
		f.beforeCommit()
	}
	now, _, err := snapshot(target)
	if err != nil || !bytes.Equal(now, before) {
		return false, nil
	}
	if err := file.Commit(); err != nil {
		return false, f.writeError(err)
	}
	syncDir(filepath.Dir(target))
	return true, nil
}

func (f *FileStore) writeError(cause error) error {
	return &Error{Stage: StageConfig, Origin: Origin{Kind: f.kind, Location: f.path}, Message: "it cannot be written", Causes: []error{cause}}
}

// snapshot reads a file that may be missing.
func snapshot(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	data, err := readConfig(path)
	return data, info, err
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

// lockFile takes the lock that users of this package share. The file stays:
// were it removed, two could hold a lock on two files of its name.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock := flock.New(path, flock.SetPermissions(0o600))
	locked, err := lock.TryLockContext(ctx, lockPoll)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("lock %s: another process holds it", path)
	}
	return func() { lock.Close() }, nil
}

// syncDir makes a rename outlive a power cut where the system can do that.
func syncDir(path string) {
	if d, err := os.Open(path); err == nil {
		d.Sync()
		d.Close()
	}
}
