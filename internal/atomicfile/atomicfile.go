// Package atomicfile replaces a file as a whole: whoever opens the path sees
// the old content or all of the new one, never a part of it.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a temporary file beside its destination. Write to it, then Commit;
// Close without a Commit before removes it. It is not safe for concurrent use.
type File struct {
	*os.File
	path string
	done bool
}

// Create opens a temporary file in the directory of path, with mode less the
// umask. The directory must exist. The caller must call Close.
func Create(path string, mode fs.FileMode) (*File, error) {
	dir, base := filepath.Split(path)
	for {
		f, err := os.OpenFile(filepath.Join(dir, "."+base+".tmp-"+rand.Text()[:8]), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &File{File: f, path: path}, nil
	}
}

// Commit closes the file, its error checked (a full disk may show only here),
// and renames it onto its destination, as Rename does. Where the content must
// outlive a power cut, call Sync first.
func (f *File) Commit() error {
	if err := f.File.Close(); err != nil {
		return errors.Join(err, f.discard())
	}
	if err := Rename(f.Name(), f.path); err != nil {
		return errors.Join(err, f.discard())
	}
	f.done = true
	return nil
}

// Close removes the temporary file unless Commit has moved it. It may be
// called again, and after Commit.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	err := f.File.Close()
	if errors.Is(err, fs.ErrClosed) {
		err = nil
	}
	return errors.Join(err, f.discard())
}

func (f *File) discard() error {
	f.done = true
	return Remove(f.Name())
}

// WriteFile replaces the content of path with data.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
