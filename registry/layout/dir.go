package layout

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/lockfile"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// Dir is a layout in a directory. Any number of goroutines and processes may
// read and write it: files appear whole or not at all, and index.json is
// changed under a lock of the directory. Other tools do not know that lock; do
// not let them write at the same time. A process that is killed leaves at most
// a file whose name begins with ".ingest-".
type Dir struct {
	target
	root *os.Root
}

var (
	_ registry.Target          = (*Dir)(nil)
	_ registry.ReferencePusher = (*Dir)(nil)
	_ registry.TagLister       = (*Dir)(nil)
	_ registry.ReferrerLister  = (*Dir)(nil)
)

// Open opens the layout in a directory. The error matches ErrNotLayout when it
// holds none, and fs.ErrNotExist when it is not there. The caller closes it.
func Open(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := newDir(dir, root)
	if err := d.check(); err != nil {
		root.Close()
		return nil, d.fail("open", err)
	}
	return d, nil
}

// Create opens the layout in a directory, or makes one where the directory is
// missing or empty. A directory with anything else in it matches ErrNotLayout:
// it is left alone. The caller closes it.
func Create(ctx context.Context, dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := newDir(dir, root)
	if err := d.create(ctx); err != nil {
		root.Close()
		return nil, d.fail("create", err)
	}
	return d, nil
}

func newDir(dir string, root *os.Root) *Dir {
	d := &Dir{root: root}
	d.target = target{content{dir, rootFiles{root}}, d}
	return d
}

// Close closes the directory. Readers that are open stay so.
func (d *Dir) Close() error { return d.root.Close() }

func (d *Dir) create(ctx context.Context) error {
	unlock, err := lockfile.LockDir(ctx, d.name)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return d.check()
	}
	index, err := encode(newIndex())
	if err != nil {
		return err
	}
	// The marker comes last: what has it is a layout.
	if err := d.write(ocispec.ImageIndexFile, bytes.NewReader(index)); err != nil {
		return err
	}
	return d.write(ocispec.ImageLayoutFile, bytes.NewReader([]byte(marker)))
}

// update changes index.json. The lock is held from reading to writing, which
// takes a millisecond, and nobody's callback but ours runs under it.
func (d *Dir) update(ctx context.Context, change func(*ocispec.Index) bool) error {
	unlock, err := lockfile.LockDir(ctx, d.name)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := d.index(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		index, err = newIndex(), nil
	}
	if err != nil {
		return err
	}
	if !change(index) {
		return nil
	}
	data, err := encode(index)
	if err != nil {
		return err
	}
	return d.write(ocispec.ImageIndexFile, bytes.NewReader(data))
}

func (d *Dir) writeBlob(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error {
	v, err := verify.NewReader(from, desc)
	if err != nil {
		return err
	}
	name := blobPath(desc.Digest)
	if err := d.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	return d.write(name, limit.WithContext(ctx, v))
}

// write replaces a file as a whole. The temporary file lies at the root, which
// no tool lists, and not among the blobs, which some do.
func (d *Dir) write(name string, from io.Reader) error {
	temp := ".ingest-" + rand.Text()
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil && name == ocispec.ImageIndexFile {
		err = f.Sync() // the one file that no digest would show to be lost
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	if err != nil {
		err = errors.Join(err, d.root.Remove(temp))
	}
	return err
}
