package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry/layout"
)

// lateDir is a layout in a directory that is made when the first content is
// written: an export that lacks something leaves no empty bundle, which would
// be carried away as if it were one.
type lateDir struct {
	path string
	mu   sync.Mutex
	dir  *layout.Dir
}

func (l *lateDir) open(ctx context.Context) (*layout.Dir, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != nil {
		return l.dir, nil
	}
	dir, err := layout.Create(ctx, l.path)
	if err == nil {
		l.dir = dir
	}
	return dir, err
}

// close closes what was opened, and may be called again.
func (l *lateDir) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir == nil {
		return nil
	}
	dir := l.dir
	l.dir = nil
	return dir.Close()
}

func (l *lateDir) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	d, err := l.open(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return d.Resolve(ctx, reference)
}

func (l *lateDir) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	d, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	return d.Fetch(ctx, desc)
}

func (l *lateDir) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	d, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	return d.Exists(ctx, desc)
}

func (l *lateDir) Push(ctx context.Context, desc ocispec.Descriptor, content io.Reader) error {
	d, err := l.open(ctx)
	if err != nil {
		return err
	}
	return d.Push(ctx, desc, content)
}

func (l *lateDir) Tag(ctx context.Context, desc ocispec.Descriptor, reference string) error {
	d, err := l.open(ctx)
	if err != nil {
		return err
	}
	return d.Tag(ctx, desc, reference)
}

func (l *lateDir) Edit(ctx context.Context, change func([]ocispec.Descriptor) []ocispec.Descriptor) error {
	d, err := l.open(ctx)
	if err != nil {
		return err
	}
	return d.Edit(ctx, change)
}

// isPacked tells the name of a file that is meant to be compressed.
func isPacked(path string) bool {
	return slices.ContainsFunc([]string{".tgz", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2"}, func(end string) bool { return strings.HasSuffix(path, end) })
}
