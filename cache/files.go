package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/portolan-oci/portolan/internal/atomicfile"
)

// eachFile is readDir for a directory beneath the cache's own. A link in its
// place is followed where the caller, or the system's administrator, has made it
// and may have moved the directory to another disk: whoever else may write to a
// shared cache shall not turn collections loose on other directories.
func eachFile(ctx context.Context, dir string, fn func(fs.DirEntry) error) error {
	if err := checkLink(dir); err != nil {
		return err
	}
	return readDir(ctx, dir, fn)
}

// checkLink refuses a link of somebody else.
func checkLink(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 && !trustedOwner(info) {
		return &fs.PathError{Op: "open", Path: path, Err: errStrangersLink}
	}
	return nil
}

var errStrangersLink = errors.New("a link that another user has made")

// readDir calls fn with what is in a directory, in no order, a piece of the
// list at a time: there may be any number. A directory that is missing is
// empty, and one that is removed meanwhile has no more. An error of fn ends it
// and is returned.
func readDir(ctx context.Context, dir string, fn func(fs.DirEntry) error) error {
	const piece = 512
	d, err := openDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(piece)
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(entry); err != nil {
				return err
			}
		}
		if err == io.EOF || errors.Is(err, fs.ErrNotExist) { // or it was removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// openDir opens a directory to read, and anything else not: opening a pipe
// could wait forever.
func openDir(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	return os.OpenFile(path, os.O_RDONLY|openNonblock, 0) // it may be a pipe by now
}

// clearPlace takes away what stands where a file of ours belongs. A directory
// that somebody has put something into is not ours to remove: it is moved
// aside, under a hidden name beside it.
func clearPlace(path string) error {
	err := atomicfile.Remove(path)
	if err == nil {
		return nil
	}
	if info, serr := os.Lstat(path); serr != nil || !info.IsDir() {
		return err
	}
	dir, base := filepath.Split(path)
	return os.Rename(path, filepath.Join(dir, "."+base+".foreign-"+rand.Text()[:8]))
}
