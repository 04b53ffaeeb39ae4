package chart

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/portolan-oci/portolan/internal/tempfile"
)

// tree is a chart with all the charts in its charts/, as directories and as
// archives, at any depth. Its limits hold for everything together.
type tree struct {
	path    string   // of the directory or archive, for errors
	root    *os.Root // of a directory; nil for an archive
	limits  Limits
	lenient bool                  // how archives within are read
	keep    func(rel string) bool // which files of a chart are wanted; nil: all
	top     node

	spool  *tempfile.File // what was in archives; nil: nothing
	buf    []byte
	spent  spent
	stream int64 // how many bytes archives may still decompress to
}

// spent is what counts against the limits.
type spent struct {
	files    int
	visits   int // see visit
	bytes    int64
	archived int64 // of archives within archives
	spooled  int64
}

// node is one chart of a tree.
type node struct {
	source  string // where it was found, below the root: "charts/buoy", "charts/buoy-1.0.0.tgz/charts/chain"
	archive string // the innermost archive on the way there; empty: none
	within  []*node
	files   []sourceFile

	name, version string // what its Chart.yaml says
	target        string // its directory in the package, below the root
}

// sourceFile is a file of a chart, listed and checked, and yet to be read.
type sourceFile struct {
	in     *node
	rel    string // below its chart's directory, with slashes
	size   int64
	offset int64  // in the spool; inDirectory for a file of the directory
	name   string // in the package, below its root
	data   []byte // Chart.yaml's content, which an option may have changed; nil for all others
}

const inDirectory = -1

func newTree(path string, limits Limits) *tree {
	return &tree{path: path, limits: limits, stream: limits.stream() + limits.packed()}
}

// close frees the spool.
func (t *tree) close() error {
	if t.spool == nil {
		return nil
	}
	return t.spool.Close()
}

// child finds the chart below n that stands in charts/ under this name, or
// makes it.
func (n *node) child(name string) *node {
	source := path.Join(n.source, "charts", name)
	// The last one is nearly always it: listings keep directories together.
	for _, c := range slices.Backward(n.within) {
		if c.source == source {
			return c
		}
	}
	c := &node{source: source, archive: n.archive}
	n.within = append(n.within, c)
	return c
}

// find returns a file of the chart itself, or nil.
func (n *node) find(rel string) *sourceFile {
	i := slices.IndexFunc(n.files, func(f sourceFile) bool { return f.rel == rel })
	if i < 0 {
		return nil
	}
	return &n.files[i]
}

// empty tells whether nothing of a chart is left.
func (n *node) empty() bool { return len(n.files) == 0 && len(n.within) == 0 }

// place is what a file is to Helm's loader by where it stands.
type place int

const (
	ownFile     place = iota // a file of the chart
	belowCharts              // a file of a chart that stands in charts/ as a directory
	packedChart              // itself a chart, packaged
	leftOut                  // charts/_x and charts/.x, which Helm does not read or package
)

// placeOf applies the rules for charts/ (helm/helm pkg/chart/v2/loader): its
// children are chart directories, .tgz files and .prov files; anything else
// makes the whole chart unloadable. Of a file belowCharts it returns the
// directory and the path within.
func placeOf(name string) (p place, child, inside string, err error) {
	below, in := strings.CutPrefix(name, "charts/")
	if !in {
		return ownFile, "", "", nil
	}
	child, inside, deeper := strings.Cut(below, "/")
	hidden, packed := child[0] == '_' || child[0] == '.', path.Ext(child) == ".tgz"
	switch {
	case path.Ext(below) == ".prov" && (!deeper || hidden || packed):
		return ownFile, "", "", nil
	case hidden:
		return leftOut, "", "", nil
	case packed && deeper:
		return ownFile, "", "", &nameError{"is in a directory named like an archive, which Helm cannot load", ErrInvalidArchive}
	case packed:
		return packedChart, "", "", nil
	case !deeper:
		return ownFile, "", "", &nameError{"stands in charts/ and is no chart, which Helm cannot load; list it in .helmignore", ErrInvalidArchive}
	}
	return belowCharts, child, inside, nil
}

// place goes down to the chart that a file belongs to.
func (n *node) place(name string) (at *node, rel string, p place, err error) {
	for rel = name; ; {
		p, child, inside, err := placeOf(rel)
		if err != nil || p != belowCharts {
			return n, rel, p, err
		}
		n, rel = n.child(child), inside
	}
}

// visit counts what costs time, whether or not it ends in the package: the
// directories, the links, all that is reached through a link, and archives.
// Directories full of links to each other hold no file, and multiply without
// end; files that are there and left out may be as many as they are.
func (t *tree) visit(fault faulter, name string) error {
	if t.spent.visits++; t.spent.visits > t.limits.Entries {
		return fault(name, fmt.Sprintf("is beyond the limit of %d directories, archives, links and files behind links", t.limits.Entries), ErrTooLarge)
	}
	return nil
}

// faulter makes an error that names the archive or directory and an entry.
type faulter func(entry, problem string, err error) error

// take counts a file that will be in the package.
func (t *tree) take(fault faulter, name string, size int64) error {
	if size > t.limits.File {
		return fault(name, fmt.Sprintf("has %d bytes; the limit for a file is %d; list it in .helmignore if the chart does not need it", size, t.limits.File), ErrTooLarge)
	}
	if t.spent.bytes += size; t.spent.bytes > t.limits.Total {
		return fault(name, fmt.Sprintf("brings the chart beyond its limit of %d bytes", t.limits.Total), ErrTooLarge)
	}
	if t.spent.files++; t.spent.files > t.limits.Entries {
		return fault(name, fmt.Sprintf("is beyond the limit of %d files", t.limits.Entries), ErrTooLarge)
	}
	return nil
}

// locate says where a file of the tree stands, for an error: which directory
// or archive, and what in it.
func (t *tree) locate(n *node, rel string) (where, entry string) {
	if n.archive == "" {
		return t.path, path.Join(n.source, rel)
	}
	return path.Join(t.path, n.archive), path.Join(strings.TrimPrefix(strings.TrimPrefix(n.source, n.archive), "/"), rel)
}

// faultAt is an error about a file of the tree.
func (t *tree) faultAt(n *node, rel, problem string, err error) error {
	where, entry := t.locate(n, rel)
	return &ArchiveError{Path: where, Entry: entry, Problem: problem, Err: err}
}

// content is a file that is open: also for a whole archive, which is read from
// several places.
type content interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// section is a part of the spool.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// open opens a file for reading, and makes sure that it is still the one that
// was listed, as far as that can be seen.
func (t *tree) open(f sourceFile) (content, error) {
	if f.offset != inDirectory {
		return section{io.NewSectionReader(t.spool, f.offset, f.size)}, nil
	}
	name := path.Join(f.in.source, f.rel)
	r, err := t.root.Open(name)
	if err != nil {
		return nil, t.ioFault(name, err)
	}
	info, err := r.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.size) {
		err = errChanged
	}
	if err != nil {
		r.Close()
		return nil, t.ioFault(name, err)
	}
	return r, nil
}

var errChanged = errors.New("changed while the chart was packaged")
