package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCacheFailure gives the command a cache that cannot be written to: the
// pull succeeds all the same, and says what is wrong with the cache.
func TestCacheFailure(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := bigChart(t, "cargo", 1<<20)
	ref := reg.ref("team/cargo:1.0.0")
	newUser(t).json("push", c.path, ref)
	for name, prepare := range map[string]func(*testing.T, string){
		"not a directory": func(t *testing.T, dir string) { writeFile(t, dir, []byte("x")) },
		"read-only file system": func(t *testing.T, dir string) {
			mount(t, dir, "ro")
		},
		"full": func(t *testing.T, dir string) {
			mount(t, dir, "size=64k")
		},
		"full from the start": func(t *testing.T, dir string) {
			mount(t, dir, "size=64k")
			fill(t, filepath.Join(dir, "ballast"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			prepare(t, u.cache())
			r := u.portolan("pull", ref, "-d", u.dir("got"))
			r.ok(t)
			if !bytes.Equal(readFile(t, u.path("got", filepath.Base(c.path))), c.data) {
				t.Error("other bytes")
			}
			if r.stderr == "" {
				t.Error("no word about the cache on standard error")
			}
		})
	}
}

// mount puts a file system of its own at dir, where that is allowed, as it is
// for root in CI.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT TRIED: mounting a file system wants root: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v %s", dir, err, out)
		}
	})
}

// fill writes until there is no room.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}
