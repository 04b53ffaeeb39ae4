package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// syncing gathers the directories in which names have to survive a power cut,
// to force each to the disk once.
type syncing struct {
	store *Store
	dirs  map[string]bool
}

func (s *Store) newSyncing() *syncing { return &syncing{s, map[string]bool{}} }

// content forces content that is here to the disk, verified, and notes where
// its names are.
func (d *syncing) content(ctx context.Context, desc ocispec.Descriptor) error {
	d.file(d.store.blobPath(desc.Digest))
	d.file(d.store.knownPath(desc.Digest))
	return d.store.syncBlob(ctx, desc)
}

// file notes where the name of a file of the cache is, and those of the
// directories that lead there.
func (d *syncing) file(path string) {
	for dir := filepath.Dir(path); !d.dirs[dir]; dir = filepath.Dir(dir) {
		d.dirs[dir] = true
		if dir == d.store.dir {
			return
		}
	}
}

// sync makes the names durable.
func (d *syncing) sync() error {
	for dir := range d.dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	syncDir(filepath.Dir(d.store.dir)) // of a cache just made; it may not be ours to open
	return nil
}

// syncBlob verifies content and forces it to the disk.
func (s *Store) syncBlob(ctx context.Context, desc ocispec.Descriptor) error {
	c, err := s.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer c.Close()
	// Windows syncs what is open for writing only.
	f, err := os.OpenFile(s.blobPath(desc.Digest), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir makes the names in a directory durable. Windows has no such call,
// and a directory that is not there has no names.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := openDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
