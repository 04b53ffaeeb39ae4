//go:build unix

package auth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
			t.Skip(err)
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
		t.Skip(err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := swapFiles(path, pipe); err != nil {
		t.Skip(err) // the test needs it, not the code
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
