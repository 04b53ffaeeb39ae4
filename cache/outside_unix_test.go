//go:build unix

package cache_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
)

// outsideFiles makes a directory of old files that are not the cache's, some of
// which have names like its own.
func outsideFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	hex, other := digest.FromBytes(noise(10, 7)).Encoded(), digest.FromBytes(noise(10, 9)).Encoded()
	for _, name := range []string{"id_rsa", hex, hex + ".0", "docs/notes.txt", "docs/" + hex, other + "/1.0.0", "absent/" + other + "/1.0.0"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte("mine"), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	gcAge(t, 400*gcDay, dir)
	return dir
}

// TestLinksOfOthers: whoever may write to a shared cache cannot have its other
// users remove files elsewhere.
func TestLinksOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make links in the name of others")
	}
	const other = 12345
	for _, place := range []string{
		"blobs/sha384", "ingest", "locks", "parts/evil", "parts/evil/tags", "parts/evil/absent", "parts/evil/refs",
		"parts/evil/absent/" + digest.FromBytes(noise(10, 8)).Encoded(), "parts/evil/known", "parts/evil/pins", "parts/evil/referrers",
	} {
		outside := outsideFiles(t)
		before := gcTree(t, outside)
		s, _ := newStore(t, "")
		all := gcChart(t, s, "1.0.0", 1000, 0)
		link := filepath.Join(s.Dir(), place)
		if err := errors.Join(os.RemoveAll(link), os.MkdirAll(filepath.Dir(link), 0o777), os.Symlink(outside, link), os.Lchown(link, other, other)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Collect(t.Context(), cache.Limits{MaxAge: gcDay}, cache.CollectOptions{}); err == nil {
			t.Errorf("%s: collected", place)
		}
		if found := faultsFound(t, s, cache.VerifyOptions{}); len(found) != 1 || found[0].Path != link || found[0].Removed {
			t.Errorf("%s: Verify tells of %+v", place, found)
		}
		if after := gcTree(t, outside); !maps.Equal(before, after) {
			t.Errorf("%s: %v is left of %v", place, after, before)
		}
		if !gcHere(t, s, all...) {
			t.Errorf("%s: content is gone", place)
		}
	}
}

// TestForeignNotes: what lies among notes and has no name of ours stays.
func TestForeignNotes(t *testing.T) {
	s, _ := newStore(t, "")
	gcChart(t, s, "1.0.0", 1000, 0)
	hex := digest.FromBytes(noise(10, 8)).Encoded()
	for _, name := range []string{"tags/id_rsa", "tags/Notes.doc", "absent/docs/notes.txt", "absent/" + hex + "/Notes.doc", "referrers/docs/notes.txt"} {
		path := filepath.Join(s.Dir(), "parts", "default", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte("mine"), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	gcAge(t, 400*gcDay, s.Dir())
	if c, all := gcCollect(t, s, cache.Limits{}); len(all) > 0 {
		t.Errorf("%+v, %v", c, all)
	}
	for _, f := range faultsFound(t, s, cache.VerifyOptions{}) {
		if f.Kind != cache.FaultForeign || f.Removed {
			t.Errorf("%+v", f)
		}
	}
}
