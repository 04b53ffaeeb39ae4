package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// VerifyOptions are the settings of Store.Verify. The zero value removes what
// is bad.
type VerifyOptions struct {
	// KeepBad leaves everything as it is.
	KeepBad bool
}

// FaultKind tells what a fault is of.
type FaultKind string

const (
	// FaultContent is of content: its bytes are not what its digest names, or
	// it is not here and a pin or an import has promised it.
	FaultContent FaultKind = "content"
	// FaultReference is of the file that says what a tag named.
	FaultReference FaultKind = "reference"
	// FaultPin is of the file that keeps what was packed here.
	FaultPin FaultKind = "pin"
	// FaultHeld is of the file that keeps what was imported.
	FaultHeld FaultKind = "held"
	// FaultMarker is of the file that says that a partition knows content.
	FaultMarker FaultKind = "marker"
	// FaultNote is of another note of the cache: a list, an absence, the time
	// of the last collection. It costs a request.
	FaultNote FaultKind = "note"
	// FaultDirectory is of a directory of the cache: something else stands in
	// its place, or it cannot be read. What belongs there is not kept.
	FaultDirectory FaultKind = "directory"
	// FaultForeign is of what the cache has not made, as its name tells: it does
	// no harm. What has the name and the place of a file of the cache, and is
	// none, is a fault of that kind.
	FaultForeign FaultKind = "foreign"
)

// Fault is something in the directory that is not what it should be.
type Fault struct {
	// Path is the file's, absolute; of content that is not here, where it
	// belongs.
	Path string
	Kind FaultKind
	// Digest is that of the content, for FaultContent and FaultMarker, where
	// the name tells it.
	Digest digest.Digest
	// Reference is the tag, or the digest, whose pin or import has promised the
	// content; one of them, where there are several. Zero: no pin has. Bad
	// content that an import has promised is told as such without it, and, once
	// it is removed, again with the import as not here.
	Reference registry.Reference
	// Problem says what is wrong, on one line.
	Problem string
	// Removed tells that the file is gone. What a registry has comes again when
	// it is next asked for.
	Removed bool
	// Restored tells that Verify has put it right without a registry.
	Restored bool
	// Lost tells that no registry can give it again: a chart that was packed
	// here and not pushed. Pack it again.
	Lost bool
}

// Verify looks at every file of the directory, of all partitions: content is
// hashed, notes are held against their seals and their names, and what pins and
// imports have promised must be here. Bad files are removed, unless the options
// say otherwise; a good one that takes the place of a bad one meanwhile is not.
// What the cache has not made is told and left alone. Reads do the same for the
// files that they meet: Verify finds the others before somebody is offline.
//
// Faults come in no order, while the directory is read: memory grows with the
// number of pins alone. Others may use the cache meanwhile; content does not
// count as used by this. A file that cannot be read is a fault and stays. A
// cache that is missing, or None, has none. The error is that of a done ctx or
// of the cache's own directory, and ends it.
func (s *Store) Verify(ctx context.Context, options VerifyOptions) iter.Seq2[Fault, error] {
	return func(yield func(Fault, error) bool) {
		if s.dir == "" {
			return
		}
		v := &verification{store: s, ctx: ctx, keep: options.KeepBad, yield: yield, promised: map[digest.Digest]promise{}}
		err := v.run()
		if err != nil && !errors.Is(err, errStopped) {
			yield(Fault{}, fmt.Errorf("verify the cache: %w", err))
		}
	}
}

// verification is one run of Verify.
type verification struct {
	store    *Store
	ctx      context.Context
	keep     bool
	yield    func(Fault, error) bool
	promised map[digest.Digest]promise // what pins name
}

// errStopped ends a run whose faults nobody wants any more.
var errStopped = errors.New("stopped")

// tell hands out a fault.
func (v *verification) tell(f Fault) error {
	if !v.yield(f, nil) {
		return errStopped
	}
	return v.ctx.Err()
}

// bad tells of a file, and removes it. Without an info it could not be read:
// that is no reason to, unless it is a link that leads nowhere.
func (v *verification) bad(f Fault, info fs.FileInfo, err error) error {
	f.Problem = problem(err)
	switch {
	case v.keep:
	case info != nil:
		v.store.removeSame(f.Path, info)
		now, err := os.Stat(f.Path)
		f.Removed = err != nil || !os.SameFile(now, info)
	case isLink(f.Path) && !errors.Is(err, fs.ErrPermission):
		f.Removed = clearPlace(f.Path) == nil
	}
	return v.tell(f)
}

// foreign tells of what is not ours.
func (v *verification) foreign(path string) error {
	return v.tell(Fault{Path: path, Kind: FaultForeign, Problem: "not made by the cache"})
}

// problem is the error without what the fault has.
func problem(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if wrong, ok := errors.AsType[*verify.Error](err); ok && wrong.Got != "" {
		return "its digest is " + wrong.Got.String()
	}
	return strings.TrimPrefix(err.Error(), errBadFile.Error()+": ")
}

// each calls fn with the names in a directory of the cache, but those of
// temporary files. One that cannot be read is a fault.
func (v *verification) each(dir string, fn func(path, name string) error) error {
	var own error
	list := eachFile
	if dir == v.store.dir { // which the caller has named, link or not
		list = readDir
	}
	err := list(v.ctx, dir, func(entry fs.DirEntry) error {
		if isHidden(entry) {
			return nil
		}
		own = fn(filepath.Join(dir, entry.Name()), entry.Name())
		return own
	})
	if err == nil && isLink(dir) {
		_, err = os.Stat(dir) // a link that leads nowhere is not missing
	}
	if err == nil || own != nil || v.ctx.Err() != nil {
		return err
	}
	if dir == v.store.dir {
		return err
	}
	return v.tell(Fault{Path: dir, Kind: FaultDirectory, Problem: problem(err)})
}

// isHidden knows the files that a writer, or a collector, has hidden until
// it is done, and those that other systems hide (.nfs…, .DS_Store).
func isHidden(entry fs.DirEntry) bool {
	return entry.Name()[0] == '.' && entry.Type().IsRegular()
}
