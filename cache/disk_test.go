package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func regularFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// A cache that cannot be written costs requests, one line in the log for each
// cause, and nothing else.
func TestUnwritable(t *testing.T) {
	tests := []struct {
		name string
		dir  func(t *testing.T) string
	}{
		{"parent is a file", func(t *testing.T) string { return filepath.Join(regularFile(t), "cache") }},
		{"is a file", func(t *testing.T) string { return regularFile(t) }},
		{"blobs is a file", func(t *testing.T) string { return withFile(t, "blobs") }},
		{"ingest is a file", func(t *testing.T) string { return withFile(t, "ingest") }},
		{"parts is a file", func(t *testing.T) string { return withFile(t, "parts") }},
		{"read-only mount", func(t *testing.T) string { return mount(t, t.TempDir(), "ro") }},
		{"full mount", func(t *testing.T) string { return mount(t, t.TempDir(), "size=64k") }},
	}
	layer := noise(1<<20, 11)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, log := newStore(t, tt.dir(t))
			f := newFake()
			_, desc := f.add("1.0.0", layer)
			for range 3 {
				mustPull(t, s.Through(fullSource{f}, v1, cache.Policy{}), "1.0.0", layer)
				if got, err := fetch(t.Context(), s.Through(fullSource{f}, v1, cache.Policy{}), desc); err != nil || !bytes.Equal(got, layer) {
					t.Errorf("Fetch: %d bytes, %v", len(got), err)
				}
			}
			if n := strings.Count(log.String(), "going on without"); n == 0 || n > 3 {
				t.Errorf("%d lines in the log, want one for each cause:\n%s", n, log)
			}
			if tt.name != "parts is a file" {
				if err := s.Put(t.Context(), desc, bytes.NewReader(layer)); err == nil {
					t.Error("Put succeeded")
				}
				if _, err := s.Open(t.Context(), desc); !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("Open: %v", err)
				}
			}
			wantClean(t, s.Dir())
		})
	}
}

// Where a name cannot be given because somebody else has given it, as Windows
// has it with files in use, theirs will do if it is good. A mount between the
// directories refuses to rename as well.
func TestNameTaken(t *testing.T) {
	data := noise(10_000, 17)
	desc := describe("", data)
	for _, good := range []bool{true, false} {
		s, _ := newStore(t, "")
		put(t, s, desc, data)
		mount(t, filepath.Dir(blobPath(s, desc)), "size=1m")
		if err := os.WriteFile(blobPath(s, desc), data, 0o666); err != nil {
			t.Fatal(err)
		}
		if !good {
			flip(t, blobPath(s, desc))
		}
		if err := s.Put(t.Context(), desc, bytes.NewReader(data)); (err == nil) != good {
			t.Errorf("Put beside a good file (%t): %v", good, err)
		}
		f := newFake()
		f.content[desc.Digest] = data
		os.Remove(blobPath(s, desc))
		c, err := s.Through(f, team, cache.Policy{}).Open(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Open: %d bytes, %v", len(got), err)
		}
		c.Close()
		wantClean(t, s.Dir())
	}
}

// A disk that fills up and gives back other bytes than it took is found out.
func TestFullAndForgetful(t *testing.T) {
	s, _ := newStore(t, mount(t, t.TempDir(), "size=2m"))
	data := noise(4<<20, 18)
	desc := describe("", data)
	f := newFake()
	f.content[desc.Digest] = data
	scribble := func() {
		files, _ := filepath.Glob(filepath.Join(s.Dir(), "ingest", "*"))
		for _, path := range files {
			if w, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				w.Write([]byte("other bytes"))
				w.Close()
			}
		}
	}
	f.body = func(data []byte) io.Reader { return onRead{bytes.NewReader(data), scribble} }
	_, err := s.Through(f, team, cache.Policy{}).Open(t.Context(), desc)
	if !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("Open: %v", err)
	}
	wantClean(t, s.Dir())
}

func TestMissingDirectory(t *testing.T) {
	s, log := newStore(t, "")
	ctx := context.Background()
	if _, err := s.Open(ctx, describe("", []byte("x"))); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.Pinned(ctx, v1); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Pinned: %v", err)
	}
	if err := s.Unpin(ctx, v1); err != nil {
		t.Errorf("Unpin: %v", err)
	}
	for e, err := range s.Entries(ctx) {
		t.Errorf("entry %v, %v", e, err)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the directory: %v", err)
	}
	if log.String() != "" {
		t.Errorf("log: %s", log)
	}
	if _, err := cache.Open("", nil); err == nil {
		t.Error("a cache without a directory")
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such mode; CI runs this on Linux")
	}
	s, _ := newStore(t, "")
	put(t, s, describe("", []byte("x")), []byte("x"))
	info, err := os.Stat(s.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDefaultDir(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the variable is Linux's; CI runs this there")
	}
	t.Setenv("XDG_CACHE_HOME", "/somewhere")
	if dir, err := cache.DefaultDir(); dir != "/somewhere/portolan" || err != nil {
		t.Errorf("DefaultDir = %q, %v", dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if dir, err := cache.DefaultDir(); err == nil {
		t.Errorf("DefaultDir without a home = %q", dir)
	}
}

// withFile returns a cache directory where a file stands in a directory's
// place, which stops root too.
func withFile(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mount(t *testing.T, dir, option string) string {
	t.Helper()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", option, "tmpfs", dir).CombinedOutput()
	if err != nil {
		t.Skipf("needs root on Linux, as CI has it: mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}
