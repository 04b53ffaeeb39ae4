package cache_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// TestObstacles puts something else in the place of each directory of a cache.
// It stands, since it may be a disk that somebody has forgotten to mount; reads
// go on without, Verify says so, and when it is gone all is as it was.
func TestObstacles(t *testing.T) {
	obstacles := map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, []byte("mine"), 0o666) },
	}
	if runtime.GOOS != "windows" {
		obstacles["a pipe"] = faultsPipe
		obstacles["a link that leads nowhere"] = func(path string) error { return os.Symlink("nowhere", path) }
		obstacles["a link to itself"] = func(path string) error { return os.Symlink(filepath.Base(path), path) }
	}
	f, sound, _, budget := faultsCache(t)
	_, dirs := faultsFiles(t, sound.Dir())
	for name, obstruct := range obstacles {
		for _, dir := range dirs {
			t.Run(name+"/"+kindOf(sound.Dir(), dir), func(t *testing.T) {
				s, log := newStore(t, faultsCopy(t, sound.Dir()))
				dir := strings.Replace(dir, sound.Dir(), s.Dir(), 1)
				if err := errors.Join(os.RemoveAll(dir), obstruct(dir)); err != nil {
					t.Fatal(err)
				}
				os.Remove(blobPath(s, f.layer)) // so that there is something to write
				before, err := os.Lstat(dir)
				if err != nil {
					t.Fatal(err)
				}
				told := false
				err = faultsSoon(t, func(ctx context.Context) error {
					for fault, err := range s.Verify(ctx, cache.VerifyOptions{}) {
						if err != nil && dir != s.Dir() {
							return err
						}
						told = told || err != nil || fault.Path == dir && fault.Kind == cache.FaultDirectory
					}
					return errors.Join(f.use(ctx, s), f.use(ctx, s))
				})
				if err != nil {
					t.Fatal(err)
				}
				if !told {
					t.Error("Verify does not tell")
				}
				if dir != filepath.Join(s.Dir(), "locks") && !strings.Contains(log.String(), "going on without") && !strings.Contains(kindOf(s.Dir(), dir), "pins") {
					t.Errorf("the log does not tell: %s", log)
				}
				if after, err := os.Lstat(dir); err != nil || !os.SameFile(before, after) {
					t.Errorf("what stood there is gone: %v", err)
				}
				if err := os.Remove(dir); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(f.use(t.Context(), s), f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
					t.Fatal(err)
				}
				f.spent()
				if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
					t.Errorf("not mended: %v", err)
				}
			})
		}
	}
}

// TestStrangers puts things into every directory that the cache has not made:
// they do no harm, are told of, and stay.
func TestStrangers(t *testing.T) {
	f, s, _, budget := faultsCache(t)
	strangers := map[string]func(path string) error{
		"READ ME": func(path string) error { return os.WriteFile(path, []byte("mine"), 0o666) },
		"MY OWN": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, "mine"), []byte("mine"), 0o666))
		},
	}
	if runtime.GOOS != "windows" {
		strangers["A PIPE"] = faultsPipe
		strangers["NOWHERE"] = func(path string) error { return os.Symlink("nowhere at all", path) }
		strangers["A LOOP"] = func(path string) error { return os.Symlink("A LOOP", path) }
		strangers["A DEVICE"] = func(path string) error { return os.Symlink("/dev/zero", path) }
		strangers["UP"] = func(path string) error { return os.Symlink("..", path) }
	}
	_, dirs := faultsFiles(t, s.Dir())
	var all []string
	for _, dir := range dirs {
		for name, put := range strangers {
			path := filepath.Join(dir, name)
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			all = append(all, path)
		}
	}
	err := faultsSoon(t, func(ctx context.Context) error { return errors.Join(f.use(ctx, s), f.pack(ctx, s)) })
	if err != nil {
		t.Fatal(err)
	}
	f.spent()
	if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
		t.Errorf("it costs more: %v", err)
	}
	for range 2 { // they are still there the second time
		faultsWant(t, s, cache.VerifyOptions{}, all...)
		for _, fault := range faultsFound(t, s, cache.VerifyOptions{}) {
			if fault.Kind != cache.FaultForeign || fault.Removed {
				t.Errorf("%+v", fault)
			}
		}
	}
}

// TestTurnTaken puts things where the file and the claim of a download have to
// be: it comes all the same, once.
func TestTurnTaken(t *testing.T) {
	spoil := faultsOfFiles()
	for name, put := range spoil {
		if name == "a link to its good copy" {
			continue
		}
		for _, where := range []string{"ingest", "locks"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				f := newFaultsSource(t)
				s, _ := newStore(t, "")
				for _, level := range []string{".0", ".1"} {
					sum := sha256.Sum256([]byte("default\x00" + f.layer.Digest.String()))
					path := filepath.Join(s.Dir(), where, hex.EncodeToString(sum[:])+level)
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte("left by somebody"), 0o666), put(path)); err != nil {
						t.Fatal(err)
					}
				}
				err := faultsSoon(t, func(ctx context.Context) error {
					_, err := fetch(ctx, s.Through(f, team, cache.Policy{}), f.layer)
					return err
				})
				if got := f.spent(); err != nil || got != "Fetch" {
					t.Errorf("asked for %q, %v", got, err)
				}
				if _, err := fetch(t.Context(), s.Through(f, team, cache.Policy{Offline: true}), f.layer); err != nil {
					t.Errorf("not kept: %v", err)
				}
			})
		}
	}
}

// TestLinkedDirectories moves each directory of a cache to another disk, with a
// link in its place, as somebody without room does: nothing is different.
func TestLinkedDirectories(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links want rights there; CI runs this on Linux")
	}
	f, s, log, budget := faultsCache(t)
	_, dirs := faultsFiles(t, s.Dir())
	for _, dir := range slices.Backward(dirs) {
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		if err := errors.Join(os.Rename(dir, elsewhere), os.Symlink(elsewhere, dir)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.use(t.Context(), s); err != nil || f.spent() != budget || log.String() != "" {
		t.Errorf("%v; log: %s", err, log)
	}
	if err := os.Remove(blobPath(s, f.layer)); err != nil {
		t.Fatal(err)
	}
	if found := faultsFound(t, s, cache.VerifyOptions{}); len(found) != 1 || !found[0].Lost || found[0].Digest != f.layer.Digest {
		t.Errorf("Verify tells of %+v", found)
	}
	if err := f.use(t.Context(), s); err != nil {
		t.Error(err)
	}
	faultsWant(t, s, cache.VerifyOptions{})
	if info, err := os.Lstat(s.Dir()); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}
