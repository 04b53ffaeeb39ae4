package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/tempfile"
)

// expand reads an archive in charts/ into the tree, as if its files stood in a
// directory there, and then the archives within it.
//
// Nothing of it is believed before it was read: what it holds counts against
// the limits of the whole chart, so that archives within archives cannot
// multiply.
func (t *tree) expand(ctx context.Context, f sourceFile) error {
	source := path.Join(f.in.source, f.rel)
	if strings.Count(source, "/") >= t.limits.Depth {
		return t.faultAt(f.in, f.rel, fmt.Sprintf("lies deeper than %d directories", t.limits.Depth), ErrTooLarge)
	}
	r, err := t.open(f)
	if err != nil {
		return err
	}
	// An archive within may be larger than any file: its bytes are counted by
	// this tree.
	limits := t.limits
	limits.Total = min(limits.Total, math.MaxInt64/2) + min(limits.packed(), math.MaxInt64/2)
	limits.File = limits.Total
	a, err := newArchive(path.Join(t.path, source), r, f.size, &ArchiveOptions{Limits: limits, Lenient: t.lenient})
	if err != nil {
		return err
	}
	defer a.Close()
	a.stream = &t.stream
	into := f.in.child(path.Base(f.rel))
	into.archive = source
	return t.readArchive(ctx, into, a)
}

// readArchive spools the files of an archive that are wanted.
func (t *tree) readArchive(ctx context.Context, into *node, a *Archive) error {
	var packed []sourceFile
	err := a.scan(limit.WithContext(ctx, a.section()), func(e *Entry) error {
		at, rel, p, err := into.place(e.Name)
		var ne *nameError
		switch {
		case errors.As(err, &ne):
			return a.fault(e.Name, ne.problem, ne.kind)
		case p == leftOut, p == ownFile && t.keep != nil && !t.keep(rel):
			return nil
		}
		f := sourceFile{in: at, rel: rel, size: e.Size, offset: t.spent.spooled}
		if p == packedChart {
			packed = append(packed, f)
			err = t.takeArchive(a.fault, e.Name, e.Size)
		} else {
			at.files = append(at.files, f)
			err = t.take(a.fault, e.Name, e.Size)
		}
		if err != nil {
			return err
		}
		return t.store(e)
	})
	if err != nil {
		return err
	}
	for _, f := range packed {
		if err := t.expand(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// takeArchive counts an archive within an archive, which takes room in the
// spool beside what it holds. All of them together get what the whole chart
// could take as one archive.
func (t *tree) takeArchive(fault faulter, name string, size int64) error {
	if t.spent.archived += size; t.spent.archived > t.limits.packed() {
		return fault(name, fmt.Sprintf("brings the archives within archives beyond what %d bytes of files can take", t.limits.Total), ErrTooLarge)
	}
	return t.visit(fault, name)
}

// store appends to the spool.
func (t *tree) store(e *Entry) error {
	if t.spool == nil {
		spool, err := tempfile.New()
		if err != nil {
			return err
		}
		t.spool, t.buf = spool, make([]byte, ioBuffer)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{t.spool}, struct{ io.Reader }{e}, t.buf)
	t.spent.spooled += n
	return err
}
