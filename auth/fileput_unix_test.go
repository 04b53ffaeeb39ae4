//go:build unix

package auth

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPutModesAndLinks(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	mode := func(path string) fs.FileMode {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	r := Resource{Host: "r.io"}
	for _, m := range []fs.FileMode{0o600, 0o640, 0o644} {
		f := fileStore(t, `{"auths":{"s.io":{"auth":"dTox"}}}`, plaintext)
		os.Chmod(f.Path(), m)
		if _, err := f.Delete(t.Context(), Resource{Host: "s.io"}); err != nil || mode(f.Path()) != m {
			t.Errorf("%o: removing an entry made it %o, %v", m, mode(f.Path()), err)
		}
		if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil || mode(f.Path()) != 0o600 {
			t.Errorf("%o: a secret made it %o, %v", m, mode(f.Path()), err)
		}
	}
	dir := filepath.Join(t.TempDir(), "new", "dir")
	f, _ := NewDockerStore(filepath.Join(dir, "config.json"), plaintext)
	if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil {
		t.Fatal(err)
	}
	if mode(f.Path()) != 0o600 || mode(dir).Perm() != 0o700 {
		t.Errorf("new file %o in new directory %o", mode(f.Path()), mode(dir))
	}
	for _, name := range []string{"there.json", "dangling.json"} {
		home, dotfiles := t.TempDir(), t.TempDir()
		target := filepath.Join(dotfiles, name)
		if name == "there.json" {
			writeFile(t, target, `{"x":1}`)
		}
		link := filepath.Join(home, "config.json")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		f, _ := NewDockerStore(link, plaintext)
		if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil {
			t.Fatal(err)
		}
		if mode(link)&fs.ModeSymlink == 0 || !strings.Contains(read(t, target), b64("u:1")) {
			t.Errorf("%s: the link was replaced or its target was not", name)
		}
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "file"), "")
	f, _ = NewDockerStore(filepath.Join(file, "config.json"), plaintext)
	if _, err := f.Put(t.Context(), r, password("u", "1")); err == nil {
		t.Error("a file under a file was written")
	}
}
