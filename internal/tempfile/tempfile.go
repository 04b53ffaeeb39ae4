// Package tempfile makes files without a lasting name: room for content that
// does not fit in memory and that nobody else shall find.
package tempfile

import (
	"os"
	"runtime"
)

// File is a temporary file that is gone once closed.
type File struct {
	*os.File
	remove bool
}

// New opens a file in the system's directory for temporary files. Where the
// system lets an open file be unlinked it has no name from here on, so that
// even a killed process leaves nothing behind.
func New() (*File, error) {
	f, err := os.CreateTemp("", "portolan-*")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "windows" {
		return &File{File: f, remove: true}, nil
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &File{File: f}, nil
}

// Close closes the file and frees its room.
func (f *File) Close() error {
	err := f.File.Close()
	if f.remove {
		f.remove = false
		if rerr := os.Remove(f.Name()); err == nil {
			err = rerr
		}
	}
	return err
}
