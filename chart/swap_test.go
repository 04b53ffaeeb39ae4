package chart

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errTree = errors.New("no more")

// badTree fails at one operation, or at that and all that follow, which is what
// a killed process leaves.
type badTree struct {
	rootTree
	at     int // counted from 1
	killed bool
	links  error // what Link answers; nil: it works
	count  int
}

func (b *badTree) next() error {
	b.count++
	if b.count == b.at || b.killed && b.count > b.at {
		return errTree
	}
	return nil
}

func (b *badTree) Rename(from, to string) error {
	if err := b.next(); err != nil {
		return err
	}
	return b.rootTree.Rename(from, to)
}

func (b *badTree) Remove(name string) error {
	if err := b.next(); err != nil {
		return err
	}
	return b.rootTree.Remove(name)
}

func (b *badTree) Link(from, to string) error {
	if err := b.next(); err != nil {
		return err
	}
	if b.links != nil {
		return b.links
	}
	return b.rootTree.Link(from, to)
}

func (b *badTree) Copy(from, to string) error {
	if err := b.next(); err != nil {
		return err
	}
	return b.rootTree.Copy(from, to)
}

// swapFixture is a chart whose swap replaces, adds and removes.
func swapFixture(t *testing.T) (*os.Root, swap) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"Chart.lock": "old lock", "charts/a-1.tgz": "old a", "charts/b-1.tgz": "old b", "charts/keep/Chart.yaml": "kept",
		"charts/.portolan-x/1": "new a", "charts/.portolan-x/2": "new c", "charts/.portolan-x/3": "new pins", "charts/.portolan-x/4": "new lock",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, swap{staging: "charts/.portolan-x", steps: []step{
		{"charts/.portolan-x/1", "charts/a-1.tgz"}, {"charts/.portolan-x/2", "charts/c-1.tgz"},
		{"charts/.portolan-x/3", DigestsFile}, {"charts/.portolan-x/4", "Chart.lock"}, {"charts/b-1.tgz", ""},
	}}
}

// visible is the state of the chart, staging aside.
func visible(t *testing.T, root *os.Root) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && d.Name() == ".portolan-x" {
				return fs.SkipDir
			}
			return err
		}
		data, err := fs.ReadFile(root.FS(), name)
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	swapOld = map[string]string{"Chart.lock": "old lock", "charts/a-1.tgz": "old a", "charts/b-1.tgz": "old b", "charts/keep/Chart.yaml": "kept"}
	swapNew = map[string]string{"Chart.lock": "new lock", DigestsFile: "new pins", "charts/a-1.tgz": "new a", "charts/c-1.tgz": "new c", "charts/keep/Chart.yaml": "kept"}
)

// swapLinks are file systems with and without hard links.
var swapLinks = map[string]error{"links": nil, "no links": errors.ErrUnsupported}

func TestSwapFailsWhole(t *testing.T) {
	for name, links := range swapLinks {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				root, s := swapFixture(t)
				bad := &badTree{rootTree: rootTree{root}, at: at, links: links}
				s.tree = bad
				err := s.run()
				if bad.count < at { // there was no such operation
					if diff := cmp.Diff(swapNew, visible(t, root)); err != nil || diff != "" {
						t.Errorf("%v (-want +got):\n%s", err, diff)
					}
					if at < 10 {
						t.Errorf("only %d operations: the test sees too few of them", at)
					}
					return
				}
				// A failed link is no failure: there are copies.
				if err == nil && visible(t, root)["Chart.lock"] == "new lock" {
					continue
				}
				if diff := cmp.Diff(swapOld, visible(t, root)); !errors.Is(err, errTree) || diff != "" {
					t.Errorf("operation %d fails: %v (-want +got):\n%s", at, err, diff)
				}
			}
		})
	}
}

// TestSwapKilled: nothing is missing at any moment, and a lock is new only when
// all that it names is there.
func TestSwapKilled(t *testing.T) {
	for name, links := range swapLinks {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				root, s := swapFixture(t)
				bad := &badTree{rootTree: rootTree{root}, at: at, killed: true, links: links}
				s.tree = bad
				err := s.run()
				if bad.count < at {
					return
				}
				if err == nil {
					t.Fatalf("killed at %d, and no error", at)
				}
				checkKilled(t, at, visible(t, root))
			}
		})
	}
}

func checkKilled(t *testing.T, at int, got map[string]string) {
	t.Helper()
	for file, old := range swapOld {
		if now := got[file]; now != old && now != swapNew[file] && file != "charts/b-1.tgz" {
			t.Errorf("killed at %d: %s is %q", at, file, now)
		}
	}
	if got["Chart.lock"] != "new lock" {
		if got["charts/b-1.tgz"] == "" {
			t.Errorf("killed at %d: an archive of the old lock is gone", at)
		}
		return
	}
	for file, content := range swapNew {
		if got[file] != content {
			t.Errorf("killed at %d: the lock is new and %s is %q", at, file, got[file])
		}
	}
}

// TestSwapStuck: what could neither be done nor undone is not thrown away.
func TestSwapStuck(t *testing.T) {
	root, s := swapFixture(t)
	s.tree = &badTree{rootTree: rootTree{root}, at: 5, killed: true}
	err := s.run()
	if !errors.Is(err, errTree) || !s.stuck {
		t.Fatalf("stuck %v, %v", s.stuck, err)
	}
	if data, err := root.ReadFile("charts/.portolan-x/old-0"); err != nil || string(data) != "old a" {
		t.Errorf("the old file is %q, %v", data, err)
	}
}
