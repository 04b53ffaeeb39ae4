package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// faultsOfFiles are what a file may have become: by a power cut (a name without
// its bytes), by a disk that fails, by a program that means well.
func faultsOfFiles() map[string]func(path string) error {
	rewrite := func(change func(data []byte) []byte) func(path string) error {
		return func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			// As a new file: others may have the old one open.
			return errors.Join(os.Remove(path), os.WriteFile(path, change(data), 0o666))
		}
	}
	instead := func(put func(path string) error) func(path string) error {
		return func(path string) error { return errors.Join(os.Remove(path), put(path)) }
	}
	link := func(target func(path string) string) func(path string) error {
		return instead(func(path string) error { return os.Symlink(target(path), path) })
	}
	all := map[string]func(path string) error{
		"missing":            os.Remove,
		"empty":              rewrite(func([]byte) []byte { return nil }),
		"zeros":              rewrite(func(data []byte) []byte { return make([]byte, len(data)) }),
		"zeros at the end":   rewrite(func(data []byte) []byte { clear(data[len(data)/2:]); return data }),
		"without its end":    rewrite(func(data []byte) []byte { return data[:len(data)*9/10] }),
		"a byte longer":      rewrite(func(data []byte) []byte { return append(data, 0) }),
		"twice":              rewrite(func(data []byte) []byte { return append(data, data...) }),
		"other bytes":        rewrite(func(data []byte) []byte { return noise(len(data), 77) }),
		"huge":               func(path string) error { return os.Truncate(path, 32<<20) },
		"an empty directory": instead(func(path string) error { return os.Mkdir(path, 0o777) }),
		"a full directory": instead(func(path string) error {
			return errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, "mine"), []byte("mine"), 0o666))
		}),
	}
	if runtime.GOOS == "windows" { // links want rights there, and sockets are no files
		return all
	}
	all["a link that leads nowhere"] = link(func(string) string { return "nowhere" })
	all["a link to itself"] = link(filepath.Base)
	all["a link to a device"] = link(func(string) string { return "/dev/zero" })
	all["a link to a directory"] = link(filepath.Dir)
	all["a link to another file"] = link(func(string) string { return os.Args[0] })
	all["a link to its good copy"] = func(path string) error {
		elsewhere := filepath.Join(filepath.Dir(filepath.Dir(path)), ".elsewhere")
		return errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path))
	}
	all["a socket"] = instead(func(path string) error {
		short, err := os.MkdirTemp("", "s") // the name of a socket has little room
		if err != nil {
			return err
		}
		defer os.RemoveAll(short)
		l, err := net.Listen("unix", filepath.Join(short, "s"))
		if err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		return errors.Join(l.Close(), os.Rename(filepath.Join(short, "s"), path))
	})
	all["a pipe"] = instead(faultsPipe)
	return all
}

// TestEachFile spoils each file of a cache in each way: what the registry can
// serve is served, and soon; the cache is mended by that, and costs what it did
// before. Verify finds all that is bad, and what it has been through has
// nothing more.
func TestEachFile(t *testing.T) {
	t.Parallel()
	_, sound, _, budget := faultsCache(t)
	for name, spoil := range faultsOfFiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultsSource(t)
			for _, verified := range []bool{false, true} {
				files, _ := faultsFiles(t, sound.Dir())
				for _, path := range files {
					s, _ := newStore(t, faultsCopy(t, sound.Dir()))
					kind := kindOf(sound.Dir(), path)
					path = strings.Replace(path, sound.Dir(), s.Dir(), 1)
					if err := spoil(path); err != nil {
						t.Fatal(kind, err)
					}
					err := faultsSoon(t, func(ctx context.Context) error {
						if verified {
							for _, fault := range faultsFound(t, s, cache.VerifyOptions{}) {
								if fault.Path != path && !fault.Lost && fault.Kind != cache.FaultForeign {
									t.Errorf("%s: %+v", kind, fault)
								}
							}
						}
						return errors.Join(f.use(ctx, s), f.use(ctx, s), f.pack(ctx, s))
					})
					if err != nil {
						t.Fatalf("%s, verified %t: %v", kind, verified, err)
					}
					f.spent()
					if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
						t.Errorf("%s, verified %t: not mended: %v", kind, verified, err)
					}
					for _, fault := range faultsFound(t, s, cache.VerifyOptions{}) {
						if fault.Kind != cache.FaultForeign {
							t.Errorf("%s: not mended: %+v", kind, fault)
						}
					}
				}
			}
		})
	}
}

// What somebody has put into a directory that stands where a file belongs is
// still there, beside it.
func TestFullDirectoryIsKept(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	if err := faultsOfFiles()["a full directory"](blobPath(s, f.layer)); err != nil {
		t.Fatal(err)
	}
	if err := f.use(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(blobPath(s, f.layer)), ".*.foreign-*", "mine"))
	if err != nil || len(kept) != 1 {
		t.Errorf("found %q, %v", kept, err)
	}
	found := faultsFound(t, s, cache.VerifyOptions{})
	if len(found) != 1 || found[0].Kind != cache.FaultForeign || found[0].Path != filepath.Dir(kept[0]) {
		t.Errorf("Verify tells of %+v", found)
	}
}

// Two files that have each other's content, as a repair of the file system may
// leave them, are two bad ones.
func TestExchangedFiles(t *testing.T) {
	f, s, _, budget := faultsCache(t)
	files, _ := faultsFiles(t, s.Dir())
	for i, a := range files {
		for _, b := range files[:i] {
			dataA, errA := os.ReadFile(a)
			dataB, errB := os.ReadFile(b)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if bytes.Equal(dataA, dataB) {
				continue
			}
			for _, err := range []error{os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(f.use(t.Context(), s), f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
				t.Errorf("%s and %s: %v", kindOf(s.Dir(), a), kindOf(s.Dir(), b), err)
			}
			faultsWant(t, s, cache.VerifyOptions{})
		}
	}
	f.spent()
	if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
		t.Errorf("not mended: %v", err)
	}
}

// TestPowerCut leaves every file of a cache, by chance, as it was, or without
// its bytes in whole or in part, or without its name: what a power cut may do to
// files that were renamed and never synced.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	f, sound, _, budget := faultsCache(t)
	files, _ := faultsFiles(t, sound.Dir())
	ways := []string{"", "", "missing", "empty", "zeros", "zeros at the end", "without its end"}
	spoil := faultsOfFiles()
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	for trial := range 100 {
		s, _ := newStore(t, faultsCopy(t, sound.Dir()))
		var done []string
		for _, path := range files {
			way := ways[random.IntN(len(ways))]
			if way == "" {
				continue
			}
			done = append(done, fmt.Sprintf("%s %s", kindOf(sound.Dir(), path), way))
			if err := spoil[way](strings.Replace(path, sound.Dir(), s.Dir(), 1)); err != nil {
				t.Fatal(err)
			}
		}
		if trial%2 == 0 {
			faultsFound(t, s, cache.VerifyOptions{})
			for _, fault := range faultsFound(t, s, cache.VerifyOptions{}) {
				if !fault.Lost {
					t.Errorf("%q: Verify tells again of %+v", done, fault)
				}
			}
		}
		if err := errors.Join(f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
			t.Fatalf("seed %d, %q: %v", seed, done, err)
		}
		f.spent()
		if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
			t.Fatalf("seed %d, %q: not mended: %v", seed, done, err)
		}
		faultsWant(t, s, cache.VerifyOptions{})
		if t.Failed() {
			t.Fatalf("seed %d, %q", seed, done)
		}
	}
}

// TestNoFiles takes away every set of files that one directory holds, and each
// directory with all that is in it.
func TestNoFiles(t *testing.T) {
	f, sound, _, budget := faultsCache(t)
	_, dirs := faultsFiles(t, sound.Dir())
	for _, emptied := range []bool{false, true} {
		for _, dir := range slices.Backward(dirs) {
			s, log := newStore(t, faultsCopy(t, sound.Dir()))
			gone := strings.Replace(dir, sound.Dir(), s.Dir(), 1)
			if err := os.RemoveAll(gone); err != nil {
				t.Fatal(err)
			}
			if emptied {
				if err := os.Mkdir(gone, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
				t.Errorf("%s: %v", kindOf(sound.Dir(), dir), err)
			}
			f.spent()
			if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
				t.Errorf("%s: not mended: %v", kindOf(sound.Dir(), dir), err)
			}
			faultsWant(t, s, cache.VerifyOptions{})
			if log.String() != "" {
				t.Errorf("%s: log: %s", kindOf(sound.Dir(), dir), log)
			}
		}
	}
}
