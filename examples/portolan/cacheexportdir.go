package main

import (
	"context"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry/layout"
)

// lateDir is a layout in a directory that is made when the first content is
// written: an export that lacks something leaves no empty bundle, which would
// be carried away as if it were one.
type lateDir struct {
	path string
	dir  *layout.Dir
}

func (l *lateDir) open(ctx context.Context) (*layout.Dir, error) {
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
	if l.dir == nil {
		return nil
	}
	dir := l.dir
	l.dir = nil
	return dir.Close()
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
