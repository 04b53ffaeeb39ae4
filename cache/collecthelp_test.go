package cache_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
)

const gcDay = 24 * time.Hour

// gcChart pulls a chart of its own, with a layer of size bytes, and makes it
// look unused for age.
func gcChart(t testing.TB, s *cache.Store, tag string, size int, age time.Duration) (all []ocispec.Descriptor) {
	t.Helper()
	f := newFake()
	manifest, layer := f.add(tag, append([]byte(tag), noise(size-len(tag), uint64(len(tag)))...))
	mustPull(t, s.Through(fullSource{f}, v1, cache.Policy{}), tag, f.content[layer.Digest])
	all = []ocispec.Descriptor{manifest, layer}
	gcAge(t, age, blobPath(s, manifest), blobPath(s, layer))
	return all
}

// gcAge makes files, and what is in directories, look as old as that.
func gcAge(t testing.TB, age time.Duration, paths ...string) {
	t.Helper()
	then := time.Now().Add(-age)
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chtimes(path, then, then)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gcTree is every file of a directory, with its size and time.
func gcTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if !d.IsDir() {
			all[rel] = info.ModTime().String() + info.Mode().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func gcHere(t testing.TB, s *cache.Store, all ...ocispec.Descriptor) bool {
	t.Helper()
	n := 0
	for _, desc := range all {
		if ok, err := s.Exists(t.Context(), desc); err != nil {
			t.Fatal(err)
		} else if ok {
			n++
		}
	}
	if n > 0 && n < len(all) {
		t.Errorf("%d of %d are here", n, len(all))
	}
	return n > 0
}

// gcCollect collects, after a dry run that must have told the same and changed
// nothing.
func gcCollect(t testing.TB, s *cache.Store, limits cache.Limits) (cache.Collection, []cache.Removal) {
	t.Helper()
	before := gcTree(t, s.Dir())
	would, told := gcRun(t, s, limits, true)
	if after := gcTree(t, s.Dir()); !maps.Equal(before, after) {
		t.Errorf("the dry run has changed something:\n%v\n%v", before, after)
	}
	did, removed := gcRun(t, s, limits, false)
	if would != did {
		t.Errorf("the dry run has told\n%+v, and it was\n%+v", would, did)
	}
	if len(told) != len(removed) {
		t.Errorf("the dry run has told of %d, and it was %d: %v, %v", len(told), len(removed), told, removed)
	}
	return did, removed
}

func gcRun(t testing.TB, s *cache.Store, limits cache.Limits, dry bool) (cache.Collection, []cache.Removal) {
	t.Helper()
	var all []cache.Removal
	c, err := s.Collect(t.Context(), limits, cache.CollectOptions{DryRun: dry, Removed: func(r cache.Removal) { all = append(all, r) }})
	if err != nil {
		t.Fatal(err)
	}
	return c, all
}
