package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Contender is a library that keeps charts in registries, used as its
// documentation says. It holds connections between calls and nothing else that
// saves it work, except in cacheDir. It need not be safe for concurrent use.
//
// A ref is "host:port/path/name:version" with the chart's own name and
// version, as Helm wants it, at a registry on plain HTTP. That of a Pull may
// have a digest in the version's place, after "@".
type Contender interface {
	// Pull fetches a chart. The reader gives the archive's bytes; the caller
	// closes it. What shall be found there by the next Pull may be kept in
	// cacheDir, which may be missing.
	Pull(ctx context.Context, ref, cacheDir string) (io.ReadCloser, error)
	// Save is Pull into a file in the directory dest, there whole or not at all.
	Save(ctx context.Context, ref, cacheDir, dest string) error
	// Push sends a packaged chart. The same archive gives the same manifest
	// each time.
	Push(ctx context.Context, archive, ref string) error
	// Package writes the chart in dir as an archive into the directory dest.
	Package(ctx context.Context, dir, dest string) error
}

// Reader is a Contender that looks into archives.
type Reader interface {
	// Load reads an archive to its end, checks it, and answers with the chart's
	// name.
	Load(ctx context.Context, archive string) (name string, err error)
	// Unpack writes the chart in an archive into the directory dest, which is
	// there, under the chart's name.
	Unpack(ctx context.Context, archive, dest string) error
}

// Names lists the contenders, Portolan first: ratios are to it.
func Names() []string { return []string{"portolan", "helm4", "oras", "oras-cache"} }

// New makes the contender of that name. What it keeps for itself goes to the
// directory home, none of the user's own files are read.
func New(name, home string) (Contender, error) {
	switch name {
	case "portolan":
		return newPortolan()
	case "helm4":
		return newHelm(home)
	case "oras":
		return newORAS(), nil
	case "oras-cache":
		return &orasCache{newORAS()}, nil
	}
	return nil, fmt.Errorf("no contender %q", name)
}

// everybody, readers and pushers tell whether the contender of that name does
// something: oras-go looks into no archive, and a cache before it changes pulls
// alone.
func everybody(string) bool    { return true }
func readers(name string) bool { return name == "portolan" || name == "helm4" }
func pushers(name string) bool { return name != "oras-cache" }

// Operations of a Task.
const (
	OpPull    = "pull"
	OpSave    = "save"
	OpPush    = "push"
	OpPackage = "package"
	OpIndex   = "index"
	OpLoad    = "load"   // of a Reader
	OpUnpack  = "unpack" // of a Reader
)

// Task is one operation of a contender, with the arguments of its method.
type Task struct {
	Op                             string
	Ref, Archive, Dir, Cache, Dest string
	Watch                          bool // the heap, at some cost in time
}

// Run does the task. A pull reads the archive to its end, and answers how long
// it was; a look-up in an index how many versions it found.
func (t Task) Run(ctx context.Context, c Contender) (read int64, err error) {
	switch t.Op {
	case OpPull:
		rc, err := c.Pull(ctx, t.Ref, t.Cache)
		if err != nil {
			return 0, err
		}
		defer rc.Close()
		return io.Copy(io.Discard, rc)
	case OpSave:
		return 0, c.Save(ctx, t.Ref, t.Cache, t.Dest)
	case OpPush:
		return 0, c.Push(ctx, t.Archive, t.Ref)
	case OpPackage:
		return 0, c.Package(ctx, t.Dir, t.Dest)
	case OpIndex:
		if x, ok := c.(Indexer); ok {
			return x.Index(ctx, t.Dir, indexChart)
		}
	}
	if r, ok := c.(Reader); ok {
		switch t.Op {
		case OpLoad:
			_, err := r.Load(ctx, t.Archive)
			return 0, err
		case OpUnpack:
			return 0, r.Unpack(ctx, t.Archive, t.Dest)
		}
	}
	return 0, fmt.Errorf("no operation %q", t.Op)
}

// writeFile is how the contenders that leave files to the caller make one: as
// Helm's downloader does, under another name first, without a sync.
func writeFile(path string, content io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
