package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
)

// directory is a chart directory whose files have been listed and checked, and
// are yet to be read. Everything is opened through an os.Root, so that nobody
// who swaps a link meanwhile leads a read out of the chart.
type directory struct {
	path   string
	root   *os.Root
	limits Limits
	rules  ignoreRules
	names  *nameSet
	visits int          // see visit
	files  []sourceFile // sorted by name
	total  int64
	meta   *Metadata
}

// sourceFile is a file to be packaged.
type sourceFile struct {
	name string // below the root, with slashes
	size int64
	data []byte // Chart.yaml's content, which an option may have changed; nil for all others
}

// openDirectory lists the files of a chart directory. The caller closes it.
func openDirectory(ctx context.Context, dir string, limits Limits) (*directory, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{path: dir, root: root, limits: limits, names: newNameSet()}
	if err := d.list(ctx); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

func (d *directory) Close() error { return d.root.Close() }

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
	slices.SortFunc(d.files, func(a, b sourceFile) int { return strings.Compare(a.name, b.name) })
	return nil
}

// add takes a file into the package, unless it stands where Helm never looks.
func (d *directory) add(name string, size int64) error {
	if strings.Contains(name, `\`) {
		return d.fault(name, `has a \ in its name, which readers take for a directory`, ErrUnsafeArchive)
	}
	place, err := placeOf(name)
	if err == nil && place.dropped {
		return nil
	}
	if err == nil {
		err = checkName(name, d.limits)
	}
	if err == nil {
		err = d.names.add(name, false)
	}
	var ne *nameError
	if errors.As(err, &ne) {
		return d.fault(name, ne.problem, ne.kind)
	}
	if size > d.limits.File {
		return d.fault(name, fmt.Sprintf("has %d bytes; the limit for a file is %d; list it in .helmignore if the chart does not need it", size, d.limits.File), ErrTooLarge)
	}
	if d.total += size; d.total > d.limits.Total {
		return d.fault(name, fmt.Sprintf("brings the chart beyond its limit of %d bytes", d.limits.Total), ErrTooLarge)
	}
	if len(d.files) == d.limits.Entries {
		return d.fault(name, fmt.Sprintf("is beyond the limit of %d files", d.limits.Entries), ErrTooLarge)
	}
	d.files = append(d.files, sourceFile{name: name, size: size})
	return nil
}

func (d *directory) has(name string) bool {
	return slices.ContainsFunc(d.files, func(f sourceFile) bool { return f.name == name })
}

// open opens a file for reading, and makes sure that it is still the one that
// was listed, as far as that can be seen.
func (d *directory) open(f sourceFile) (*os.File, error) {
	r, err := d.root.Open(f.name)
	if err != nil {
		return nil, d.ioFault(f.name, err)
	}
	info, err := r.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.size) {
		err = errChanged
	}
	if err != nil {
		r.Close()
		return nil, d.ioFault(f.name, err)
	}
	return r, nil
}

var errChanged = errors.New("changed while the chart was packaged")

// readSmall reads a file that is kept in memory.
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

func (d *directory) fault(name, problem string, err error) error {
	return &ArchiveError{Path: d.path, Entry: name, Problem: problem, Err: err}
}

// ioFault names the file in an error of the file system, once.
func (d *directory) ioFault(name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	problem := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		problem = pe.Err
	}
	return d.fault(name, problem.Error(), err)
}
