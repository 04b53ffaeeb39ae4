package cache_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// What killed processes leave goes once it is old, and what is not ours never.
func TestCollectLitter(t *testing.T) {
	const (
		some  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
		other = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
	)
	tests := []struct {
		path string
		kind cache.RemovalKind // empty: it stays
	}{
		{"blobs/sha256/" + some, cache.RemovedContent}, // no partition knows it
		{"ingest/ABCDEFGHIJKLMNOPQRSTUVWXYZ", cache.RemovedLitter},
		{"ingest/" + some + ".0", cache.RemovedLitter},
		{"ingest/gone-sha256-" + other, cache.RemovedLitter},
		{"locks/" + some + ".1", cache.RemovedLitter},
		{".collected.tmp-ABCDEFGH", cache.RemovedLitter},
		{"parts/default/refs/" + some + "/.1.0.0.tmp-ABCDEFGH", cache.RemovedLitter},
		{"parts/default/pins/" + some + "/.1.0.0.tmp-ABCDEFGH", cache.RemovedLitter},
		{"parts/tenant/tags/." + some + ".tmp-ABCDEFGH", cache.RemovedLitter},
		{"parts/tenant/known/sha256/" + other, "marker"},
		{"parts/tenant/tags/" + some, cache.RemovedNote},
		{"parts/tenant/referrers/" + some + "/sha256-" + other, cache.RemovedNote},
		{"parts/tenant/absent/" + some + "/1.0.0", cache.RemovedNote},

		{"README", ""},
		{"blobs/sha256/README", ""},
		{"blobs/sha256/." + some, ""},
		{"blobs/foreign/" + some, ""},
		{"blobs/" + some, ""},
		{"ingest/README", ""},
		{"ingest/gone-sha256-README", ""},
		{"locks/README", ""},
		{"foreign/" + some, ""},
		{"parts/README", ""},
		{"parts/default/refs/" + some + "/README", ""},
		{"parts/default/pins/" + some + "/1.0.0", ""}, // for who asks for it to find bad
		{"parts/default/foreign/" + some, ""},
		{"parts/tenant/known/sha256/README", ""},
		{"parts/tenant/referrers/" + some + "/README", ""},
		{"parts/tenant/referrers/" + some + "/sha256-" + some, ""}, // a bad one
	}
	s, _ := newStore(t, "")
	for _, tt := range tests {
		path := filepath.Join(s.Dir(), tt.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		data := []byte("x")
		if tt.kind == cache.RemovedNote && strings.Contains(tt.path, "referrers") {
			data = gcSealed(`{"of":"registry.example.com/team/app@sha256:` + other + `"}`)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	links := filepath.Join(s.Dir(), "ingest", "QRSTUVWXYZABCDEFGHIJKLMNOP")
	if err := os.Symlink(s.Dir(), links); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(s.Dir(), "ingest", "gone-sha256-"+other)
	if err := os.Rename(aside, aside+"-"); err != nil { // which new would be put back
		t.Fatal(err)
	}
	if c, all := gcCollect(t, s, cache.Limits{}); len(all) > 0 {
		t.Errorf("what is new: %+v, %v", c, all)
	}
	if err := os.Rename(aside+"-", aside); err != nil {
		t.Fatal(err)
	}
	gcAge(t, gcDay, s.Dir())
	c, all := gcCollect(t, s, cache.Limits{})
	kinds := map[string]cache.RemovalKind{}
	for _, r := range all {
		path, err := filepath.Rel(s.Dir(), r.Path)
		if err != nil {
			t.Error(err)
		}
		kinds[filepath.ToSlash(path)] = r.Kind
	}
	markers := 0
	for _, tt := range tests {
		_, err := os.Lstat(filepath.Join(s.Dir(), tt.path))
		if gone := os.IsNotExist(err); gone != (tt.kind != "") {
			t.Errorf("%s: %v", tt.path, err)
		}
		if tt.kind == "marker" {
			markers++ // not told of, one by one
		} else if got := kinds[tt.path]; got != tt.kind {
			t.Errorf("%s: told %q, want %q", tt.path, got, tt.kind)
		}
	}
	if c.Removed != 1 || c.Litter != 8 || c.LitterBytes != 8 || c.Notes != 3+markers || c.References != 0 {
		t.Errorf("%+v", c)
	}
	if _, err := os.Lstat(links); err != nil {
		t.Error("a link is gone:", err)
	}
	// Directories that have become empty go when they are old themselves.
	gcAge(t, gcDay, s.Dir())
	gcCollect(t, s, cache.Limits{})
	gcAge(t, gcDay, s.Dir())
	gcCollect(t, s, cache.Limits{})
	for path := range gcDirs(t, s.Dir()) {
		if strings.HasPrefix(path, filepath.Join("parts", "tenant")) && !strings.Contains(path, "known") && !strings.Contains(path, "referrers") && path != filepath.Join("parts", "tenant") {
			t.Errorf("%s is still there", path)
		}
	}
}

func gcSealed(data string) []byte {
	sum := sha256.Sum256([]byte(data))
	return []byte(hex.EncodeToString(sum[:]) + "\n" + data)
}

func gcDirs(t *testing.T, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all[rel] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
