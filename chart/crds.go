package chart

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
)

// CRDs iterates over the custom resource definitions that Helm installs before
// anything else: the .yaml, .yml and .json files below crds/ of the chart, then
// those of each chart in charts/, packed ones too. Files come in the archive's
// order, charts in that of their directories (Helm's own order of charts
// changes from run to run). A file may hold several, or none; its name is its
// path in the archive, as in "charts/buoy/crds/float.yaml", where a packed chart
// counts as a directory.
//
// The archive is read to its end, and so are the archives within, before the
// first file is given out; the files wait in a temporary file. Reading an entry
// is optional. An error is yielded once, with a nil entry, and ends it: those of
// Entries, ErrInvalidArchive also for what Helm could not load in charts/.
// Chart.yaml is not looked at.
func (a *Archive) CRDs(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		t := newTree(a.path, a.limits)
		t.lenient, t.keep = a.lenient, isCRD
		defer t.close()
		if err := t.readArchive(ctx, &t.top, a); err != nil {
			yield(nil, err)
			return
		}
		t.yieldAll(&t.top, yield)
	}
}

// isCRD tells by the name, as Helm does.
func isCRD(rel string) bool {
	if !strings.HasPrefix(rel, "crds/") {
		return false
	}
	switch strings.ToLower(path.Ext(rel)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// yieldAll gives out what was spooled, and tells whether more is wanted.
func (t *tree) yieldAll(n *node, yield func(*Entry, error) bool) bool {
	for _, f := range n.files {
		e := &Entry{Name: path.Join(n.source, f.rel), Size: f.size, Mode: 0o644, Reader: io.NewSectionReader(t.spool, f.offset, f.size)}
		if !yield(e, nil) {
			return false
		}
	}
	slices.SortFunc(n.within, func(a, b *node) int { return strings.Compare(a.source, b.source) })
	for _, c := range n.within {
		if !t.yieldAll(c, yield) {
			return false
		}
	}
	return true
}

// readmeNames are those that Helm takes for a README, in any case.
var readmeNames = []string{"readme.md", "readme.txt", "readme"}

// Readme returns the chart's README and its name: README.md, README.txt or
// README, in upper or lower case, the first of these that is there. It matches
// fs.ErrNotExist where there is none; other errors as for ReadFile.
func (a *Archive) Readme() (name string, content []byte, err error) {
	best := len(readmeNames)
	err = a.scan(a.section(), func(e *Entry) (err error) {
		i := slices.Index(readmeNames, strings.ToLower(e.Name))
		if i < 0 || i >= best {
			return nil
		}
		best, name = i, e.Name
		content, err = io.ReadAll(e)
		return err
	})
	if err == nil && name == "" {
		err = a.fault("README.md", "is not in the archive", fs.ErrNotExist)
	}
	if err != nil {
		return "", nil, err
	}
	return name, content, nil
}
