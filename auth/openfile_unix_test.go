//go:build unix

package auth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// What another user of the directory puts where the lock file would be keeps
// nobody waiting, and makes no file anywhere else.
func TestPlantedLock(t *testing.T) {
	put := func(t *testing.T, path string) error {
		t.Helper()
		f, err := NewDockerStore(path, &FileOptions{Plaintext: PlaintextStore})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		go func() {
			_, err := f.Put(ctx, Resource{Host: "ghcr.io"}, Credential{Username: "user", Password: NewSecret("secret")})
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("waits longer than its context")
			return nil
		}
	}
	t.Run("pipe", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := syscall.Mkfifo(path+".lock", 0o666); err != nil {
			t.Fatal(err)
		}
		put(t, path) // whether a pipe can be locked is for the system to say
	})
	t.Run("link", func(t *testing.T) {
		path, elsewhere := filepath.Join(t.TempDir(), "config.json"), filepath.Join(t.TempDir(), "planted")
		if err := os.Symlink(elsewhere, path+".lock"); err != nil {
			t.Fatal(err)
		}
		if err := put(t, path); err == nil {
			t.Error("a link was taken for the lock file")
		}
		if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file was made where the link leads: %v", err)
		}
	})
}

// A pipe that takes the place of a file at the wrong moment is not waited on.
func TestPipeInPlaceOfFile(t *testing.T) {
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "config.json"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	switch err := swapFiles(path, pipe); {
	case errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "linux" && runtime.GOOS != "darwin":
		t.Skip(err) // the test needs it, not the code
	case err != nil:
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				swapFiles(path, pipe)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 { // one of the first few, without the care
			readConfig(path)
			readToken(path, false)
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("waits on a pipe")
	}
}

// A file that somebody else has put into a directory for everybody does not
// become his again with the secret in it.
func TestOwnerOfPlantedFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	const stranger = 65534
	for name, c := range map[string]struct {
		mode    fs.FileMode // of the directory
		dir     int         // its owner
		wantUID uint32
	}{
		"in a directory for everybody": {0o777 | fs.ModeSticky, 0, 0},
		"in one for a group":           {0o775, 0, 0},
		"in root's own":                {0o755, 0, stranger},
		"in the owner's":               {0o700, stranger, stranger},
		"in the owner's, for a group":  {0o775, stranger, stranger},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "auth.json")
			err := errors.Join(os.WriteFile(path, []byte("{}"), 0o644), os.Chown(path, stranger, stranger), os.Chown(dir, c.dir, c.dir), os.Chmod(dir, c.mode))
			if err != nil {
				t.Fatal(err)
			}
			f, err := NewContainersStore(path, &FileOptions{Plaintext: PlaintextStore})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Put(t.Context(), Resource{Host: "ghcr.io"}, Credential{Username: "user", Password: NewSecret("secret")}); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Sys().(*syscall.Stat_t).Uid; got != c.wantUID || info.Mode().Perm() != 0o600 {
				t.Errorf("owner %d, mode %v, want %d and 0600", got, info.Mode(), c.wantUID)
			}
		})
	}
}

// A link that somebody else has put into a directory for everybody does not
// take the secret to where he likes; one's own link is followed there too.
func TestPlantedLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a link of somebody else")
	}
	for name, c := range map[string]struct {
		mode  fs.FileMode // of the directory
		owner int         // of the link
		want  bool        // that it is followed
	}{
		"a stranger's, for everybody": {0o777 | fs.ModeSticky, 65534, false},
		"one's own, for everybody":    {0o777 | fs.ModeSticky, 0, true},
		"a stranger's, in one's own":  {0o755, 65534, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, target := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere.json")
			path := filepath.Join(dir, "auth.json")
			if err := errors.Join(os.Symlink(target, path), os.Lchown(path, c.owner, c.owner), os.Chmod(dir, c.mode)); err != nil {
				t.Fatal(err)
			}
			f, err := NewContainersStore(path, &FileOptions{Plaintext: PlaintextStore})
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Put(t.Context(), Resource{Host: "ghcr.io"}, Credential{Username: "user", Password: NewSecret("secret")})
			_, missing := os.Lstat(target)
			if followed := err == nil && missing == nil; followed != c.want {
				t.Errorf("followed: %t, want %t; %v, %v", followed, c.want, err, missing)
			}
		})
	}
}
