package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// remount changes a mount of this test.
func faultsRemount(t *testing.T, dir, option string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+option, dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
}

// TestDiskFills uses a cache on a file system that is full after so many pages,
// or after so many files: what the registry can serve is served, nothing is left
// behind, and all is kept once there is room.
func TestDiskFills(t *testing.T) {
	var options []string
	for pages := 1; pages <= 24; pages++ {
		options = append(options, fmt.Sprintf("size=%dk", 4*pages))
	}
	for files := 1; files <= 36; files++ {
		options = append(options, fmt.Sprintf("nr_inodes=%d", files))
	}
	f, _, _, budget := faultsCache(t)
	for _, option := range options {
		t.Run(option, func(t *testing.T) {
			s, log := newStore(t, mount(t, t.TempDir(), option))
			for range 2 {
				if err := f.use(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			wantClean(t, s.Dir())
			faultsWant(t, s, cache.VerifyOptions{})
			if n := strings.Count(log.String(), "\n"); n > 4 {
				t.Errorf("%d lines in the log:\n%s", n, log)
			}
			faultsRemount(t, s.Dir(), "size=1m,nr_inodes=1000")
			if err := errors.Join(f.use(t.Context(), s), f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
				t.Fatal(err)
			}
			f.spent()
			if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
				t.Errorf("not mended: %v", err)
			}
			faultsWant(t, s, cache.VerifyOptions{})
		})
	}
}

// TestEachFileReadOnly spoils each file of a cache that cannot be mended, since
// its file system is read-only, or full: it costs requests and nothing else, and
// is mended as soon as that can be.
func TestEachFileReadOnly(t *testing.T) {
	f, sound, _, budget := faultsCache(t)
	ballast := func(t *testing.T, dir string) {
		file, err := os.Create(filepath.Join(dir, ".ballast"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for block := make([]byte, 4096); ; {
			if _, err := file.Write(block); err != nil {
				return
			}
		}
	}
	for name, state := range map[string]struct {
		spoil, mend func(t *testing.T, dir string)
	}{
		"read-only": {
			func(t *testing.T, dir string) { faultsRemount(t, dir, "ro") },
			func(t *testing.T, dir string) { faultsRemount(t, dir, "rw") },
		},
		"full": {
			ballast,
			func(t *testing.T, dir string) {
				if err := os.Remove(filepath.Join(dir, ".ballast")); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := mount(t, t.TempDir(), "size=1m")
			files, _ := faultsFiles(t, sound.Dir())
			for _, way := range []string{"", "missing", "empty", "other bytes", "a full directory", "a pipe", "a link that leads nowhere"} {
				for i, path := range files {
					kind := way + " " + kindOf(sound.Dir(), path)
					s, log := newStore(t, filepath.Join(dir, fmt.Sprint(way, i)))
					if err := os.CopyFS(s.Dir(), os.DirFS(sound.Dir())); err != nil {
						t.Fatal(err)
					}
					if way != "" {
						if err := faultsOfFiles()[way](strings.Replace(path, sound.Dir(), s.Dir(), 1)); err != nil {
							t.Fatal(err)
						}
					}
					state.spoil(t, dir)
					err := faultsSoon(t, func(ctx context.Context) error {
						faultsFound(t, s, cache.VerifyOptions{KeepBad: name == "full"})
						return errors.Join(f.use(ctx, s), f.use(ctx, s))
					})
					if err != nil {
						t.Errorf("%s: %v", kind, err)
					}
					if name == "read-only" && (way == "empty" || way == "other bytes") && !strings.HasPrefix(kindOf(sound.Dir(), path), "parts:default:known") {
						if found := faultsFound(t, s, cache.VerifyOptions{}); len(found) != 1 || found[0].Removed {
							t.Errorf("%s: Verify tells of %+v", kind, found)
						}
					}
					if n := strings.Count(log.String(), "going on without"); n > 3 {
						t.Errorf("%s: %d lines in the log: %s", kind, n, log)
					}
					state.mend(t, dir)
					if err := errors.Join(f.use(t.Context(), s), f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
						t.Errorf("%s: with room again: %v", kind, err)
					}
					f.spent()
					if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
						t.Errorf("%s: not mended: %v", kind, err)
					}
					if err := os.RemoveAll(s.Dir()); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// nobody is a user without rights.
const nobody = 65534

// TestPermissions takes rights away from each directory and each file of a
// cache, and gives them back. Root has them all: it runs the test as nobody.
func TestPermissions(t *testing.T) {
	if os.Getuid() == 0 {
		dir := t.TempDir()
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestPermissions$")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("as nobody: %v: %s", err, out)
		}
		return
	}
	f, sound, _, budget := faultsCache(t)
	files, dirs := faultsFiles(t, sound.Dir())
	denied := 0
	check := func(path string, mode os.FileMode) {
		s, _ := newStore(t, faultsCopy(t, sound.Dir()))
		kind := fmt.Sprintf("%s %v", kindOf(sound.Dir(), path), mode)
		path = strings.Replace(path, sound.Dir(), s.Dir(), 1)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		err = faultsSoon(t, func(ctx context.Context) error {
			for fault, err := range s.Verify(ctx, cache.VerifyOptions{}) {
				if fault.Removed || fault.Lost || err != nil && path != s.Dir() {
					t.Errorf("%s: Verify tells of %+v, %v", kind, fault, err)
				}
				if err != nil || strings.Contains(fault.Problem, "permission denied") {
					denied++
				}
			}
			return errors.Join(f.use(ctx, s), f.use(ctx, s))
		})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if err := os.Chmod(path, info.Mode().Perm()); err != nil { // of a file, maybe a new one
			t.Fatal(err)
		}
		if err := errors.Join(f.use(t.Context(), s), f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
			t.Errorf("%s, given back: %v", kind, err)
		}
		f.spent()
		if err := f.use(t.Context(), s); err != nil || f.spent() != budget {
			t.Errorf("%s: not mended: %v", kind, err)
		}
		faultsWant(t, s, cache.VerifyOptions{})
	}
	for _, dir := range dirs {
		for _, mode := range []os.FileMode{0, 0o111, 0o333, 0o444, 0o555, 0o666} {
			check(dir, mode)
		}
	}
	for _, file := range files {
		for _, mode := range []os.FileMode{0, 0o222, 0o444} {
			check(file, mode)
		}
	}
	if denied < len(dirs)+len(files) {
		t.Errorf("%d times only was anything denied", denied)
	}
}
