package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
)

// directory is a chart directory whose files have been listed and checked, and
// are yet to be read. Everything is opened through an os.Root, so that nobody
// who swaps a link meanwhile leads a read out of the chart.
type directory struct {
	tree
	rules  ignoreRules
	packed []sourceFile // archives in charts/
	files  []sourceFile // of the package, in its order
	meta   *Metadata
}

// openDirectory lists the files of a chart directory and reads the archives in
// it. The caller closes it.
func openDirectory(ctx context.Context, dir string, limits Limits) (*directory, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{tree: *newTree(dir, limits)}
	d.root = root
	if err := d.list(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *directory) Close() error { return errors.Join(d.close(), d.root.Close()) }

func (d *directory) list(ctx context.Context) error {
	rules, err := d.readSmall(ignoreFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if d.rules, err = parseIgnore(rules); err != nil {
		return d.fault(ignoreFile, err.Error(), ErrInvalidArchive)
	}
	if err := d.walk(ctx, ".", nil, false); err != nil {
		return err
	}
	for _, f := range d.packed {
		if err := d.visit(d.fault, path.Join(f.in.source, f.rel)); err != nil {
			return err
		}
		if err := d.expand(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// add takes a file into the package, unless it stands where Helm never looks.
func (d *directory) add(name string, size int64) error {
	if strings.Contains(name, `\`) {
		return d.fault(name, `has a \ in its name, which readers take for a directory`, ErrUnsafeArchive)
	}
	at, rel, p, err := d.top.place(name)
	var ne *nameError
	if errors.As(err, &ne) {
		return d.fault(name, ne.problem, ne.kind)
	}
	f := sourceFile{in: at, rel: rel, size: size, offset: inDirectory}
	switch p {
	case leftOut:
		return nil
	case packedChart:
		d.packed = append(d.packed, f)
		return nil
	}
	at.files = append(at.files, f)
	return d.take(d.fault, name, size)
}

// readSmall reads a file that is kept in memory, and may not be listed.
func (d *directory) readSmall(name string) ([]byte, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, d.ioFault(name, err)
	}
	if info, err = d.stat(name, fs.FileInfoToDirEntry(info)); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, d.fault(name, "is not a file", ErrInvalidArchive)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, d.ioFault(name, err)
	}
	defer f.Close()
	data, err := limit.ReadAll(f, maxMetadata)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, d.fault(name, fmt.Sprintf("has more than %d bytes", maxMetadata), ErrTooLarge)
	}
	return data, d.ioFault(name, err)
}

// fault is an error about an entry of the directory itself.
func (t *tree) fault(name, problem string, err error) error {
	return &ArchiveError{Path: t.path, Entry: name, Problem: problem, Err: err}
}

// ioFault names the file in an error of the file system, once.
func (t *tree) ioFault(name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	problem := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		problem = pe.Err
	}
	return t.fault(name, problem.Error(), err)
}
