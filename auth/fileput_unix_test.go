//go:build unix

package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// filesUmask lets nothing hide the modes that we ask for.
func filesUmask(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
}

func filesMode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func filesDocker(t *testing.T, path string, opts *FileOptions) *FileStore {
	t.Helper()
	f, err := NewDockerStore(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	f.settle = time.Millisecond
	return f
}

// Test16Links: a link stays a link, whether its target is there or not yet, in
// another directory, on another file system, or behind more links; the target
// is replaced as a whole.
func Test16Links(t *testing.T) {
	r := Resource{Host: "r.io"}
	elsewhere := t.TempDir()
	if dir, err := os.MkdirTemp("/dev/shm", "files"); err == nil { // a file system of its own, where there is one
		t.Cleanup(func() { os.RemoveAll(dir) })
		elsewhere = dir
	}
	for _, tc := range []struct{ name, dir, content string }{
		{"there", t.TempDir(), `{"x":1}`},
		{"dangling", t.TempDir(), ""},
		{"other file system", elsewhere, `{"x":1}`},
		{"dangling on another file system", elsewhere, ""},
		{"directory to be made", filepath.Join(t.TempDir(), "new"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home, target := t.TempDir(), filepath.Join(tc.dir, strings.ReplaceAll(tc.name, " ", "-"))
			if tc.content != "" {
				writeFile(t, target, tc.content)
			}
			relative, err := filepath.Rel(home, target)
			if err != nil {
				t.Fatal(err)
			}
			link, second := filepath.Join(home, "config.json"), filepath.Join(home, "second")
			if err := errors.Join(os.Symlink(second, link), os.Symlink(relative, second)); err != nil {
				t.Fatal(err)
			}
			f := filesDocker(t, link, plaintext)
			if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil {
				t.Fatal(err)
			}
			if filesMode(t, link)&fs.ModeSymlink == 0 || filesMode(t, second)&fs.ModeSymlink == 0 {
				t.Error("a link was replaced")
			}
			if got := read(t, target); !strings.Contains(got, b64("u:1")) || tc.content != "" && !strings.Contains(got, `"x": 1`) || filesMode(t, target).Perm() != 0o600 {
				t.Errorf("the target is %s", got)
			}
			if entries, _ := os.ReadDir(home); len(entries) != 2 {
				t.Errorf("beside the link: %v", entries)
			}
		})
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if _, err := filesDocker(t, loop, plaintext).Put(t.Context(), r, password("u", "1")); err == nil {
		t.Error("a link to itself was written")
	}
}

// Test16Synced: the new file is on the disk, whole, before it takes the place
// of the target, and its name after that: with the link left alone, and whether
// the file is exchanged, renamed or new.
func Test16Synced(t *testing.T) {
	for name, prepare := range map[string]func(*FileStore){
		"exchanged": func(f *FileStore) { writeFile(t, f.Path(), "{}") },
		"renamed": func(f *FileStore) {
			writeFile(t, f.Path(), "{}")
			f.swap = func(_, _ string) error { return errors.ErrUnsupported }
		},
		"new": func(*FileStore) {},
	} {
		home, dir := t.TempDir(), t.TempDir()
		link := filepath.Join(home, "config.json")
		if err := os.Symlink(filepath.Join(dir, "target"), link); err != nil {
			t.Fatal(err)
		}
		f := filesDocker(t, link, plaintext)
		prepare(f)
		var synced []string
		f.sync = func(file *os.File) error {
			what := "the new file"
			if file.Name() == dir {
				what = "the directory"
			} else if got := read(t, file.Name()); filepath.Dir(file.Name()) != dir || !strings.Contains(got, b64("u:1")) {
				t.Errorf("%s: %s was synced, with %s", name, file.Name(), got)
			}
			if now, _ := os.ReadFile(link); strings.Contains(string(now), b64("u:1")) {
				what += ", in its place"
			}
			synced = append(synced, what)
			return file.Sync()
		}
		if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "1")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"the new file", "the directory, in its place"}; !slices.Equal(synced, want) {
			t.Errorf("%s: synced were %q, want %q", name, synced, want)
		}
		f.sync = func(*os.File) error { return errors.New("the disk is broken") }
		before := read(t, link)
		if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "2")); err == nil || read(t, link) != before || len(filesLeft(t, f)) > 0 {
			t.Errorf("%s: a disk that does not take it: %v", name, err)
		}
	}
}

// Test16ReadOnly: what cannot be written is an error that names the file and
// leaves it as it is; a file that says already what it shall say is not
// written; and a file that is read-only in a directory that is not is replaced
// by one that is read-only.
func Test16ReadOnly(t *testing.T) {
	r := Resource{Host: "r.io"}
	link := filepath.Join(t.TempDir(), "config.json")
	places := map[string]string{"file under a file": filepath.Join(writeFile(t, filepath.Join(t.TempDir(), "file"), ""), "config.json")}
	if _, err := os.Stat("/proc/self"); err == nil { // where not even root may write
		if err := os.Symlink("/proc/config.json", link); err != nil {
			t.Fatal(err)
		}
		places["link into /proc"] = link
	}
	dir := t.TempDir()
	fixed := writeFile(t, filepath.Join(dir, "config.json"), auths("r.io", "u:1"))
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	if os.Geteuid() != 0 {
		places["read-only directory"] = fixed
	}
	for name, path := range places {
		before, _ := os.ReadFile(path)
		_, err := filesDocker(t, path, plaintext).Put(t.Context(), r, password("u", canary))
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(path); string(now) != string(before) {
			t.Errorf("%s: it is now %s", name, now)
		}
	}
	if _, err := filesDocker(t, fixed, plaintext).Put(t.Context(), r, password("u", "1")); err != nil {
		t.Errorf("nothing to write: %v", err) // docker/cli#5553
	}
	if _, err := os.Stat(fixed + ".lock"); err == nil {
		t.Error("a lock was taken for nothing")
	}
	readOnly := writeFile(t, filepath.Join(t.TempDir(), "config.json"), `{}`)
	if err := os.Chmod(readOnly, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := filesDocker(t, readOnly, plaintext).Put(t.Context(), r, password("u", "1")); err != nil || filesMode(t, readOnly) != 0o400 {
		t.Errorf("a read-only file is now %o, %v", filesMode(t, readOnly), err)
	}
}

// Test17Modes: with nothing in the way, what is new is for its user alone, a
// mode is never widened, and a secret takes away what others may do or is
// refused, as the options say.
func Test17Modes(t *testing.T) {
	filesUmask(t)
	r := Resource{Host: "r.io"}
	for _, m := range []fs.FileMode{0o400, 0o600, 0o640, 0o644, 0o666} {
		for profile, f := range filesOpen(t, `{"auths":{"s.io":{"auth":"dTox"}}}`, plaintext) {
			if err := os.Chmod(f.Path(), m); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Delete(t.Context(), Resource{Host: "s.io"}); err != nil || filesMode(t, f.Path()) != m {
				t.Errorf("%s: %o: removing an entry made it %o, %v", profile, m, filesMode(t, f.Path()), err)
			}
			strict := filesDocker(t, f.Path(), &FileOptions{Plaintext: PlaintextStore, RefuseShared: true})
			_, err := strict.Put(t.Context(), r, password("u", "1"))
			if shared := m&0o077 != 0; errors.Is(err, ErrPlaintextRefused) != shared || (err == nil) == shared || shared && filesMode(t, f.Path()) != m {
				t.Errorf("%s: %o: with RefuseShared: %v", profile, m, err)
			}
			if _, err := f.Put(t.Context(), r, password("u", "2")); err != nil || filesMode(t, f.Path()) != m&0o600 {
				t.Errorf("%s: %o: a secret made it %o, %v", profile, m, filesMode(t, f.Path()), err)
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "new", "dir")
	f := filesDocker(t, filepath.Join(dir, "config.json"), plaintext)
	looks := 0
	look := func() {
		for _, name := range filesLeft(t, f) {
			looks++
			if mode := filesMode(t, filepath.Join(dir, name)); mode != 0o600 {
				t.Errorf("while it is written, the new file has the mode %o", mode)
			}
		}
	}
	f.afterCreate, f.beforeCompare = look, look
	if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil {
		t.Fatal(err)
	}
	if looks != 2 {
		t.Errorf("the new file was seen %d times, want twice", looks)
	}
	for path, want := range map[string]fs.FileMode{f.Path(): 0o600, f.Path() + ".lock": 0o600, dir: fs.ModeDir | 0o700, filepath.Dir(dir): fs.ModeDir | 0o700} {
		if got := filesMode(t, path); got != want {
			t.Errorf("%s has the mode %o, want %o", path, got, want)
		}
	}
}
