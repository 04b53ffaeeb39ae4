//go:build unix

package lockfile

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

// TestLockFile shows that a lock file is made for its owner alone, keeps others
// out, and that what somebody has planted in its place is neither followed nor
// waited on.
func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.lock")
	unlock, err := LockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := LockFile(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	if unlock, err = LockFile(t.Context(), path); err != nil {
		t.Fatalf("after it was released: %v", err)
	}
	unlock()

	planted, elsewhere := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, planted); err != nil {
		t.Fatal(err)
	}
	if _, err := LockFile(t.Context(), planted); err == nil {
		t.Error("a link was taken for the lock file")
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made where the link leads: %v", err)
	}

	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Whether a pipe can be locked is for the system to say.
		if unlock, err := LockFile(t.Context(), pipe); err == nil {
			unlock()
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a pipe is waited on")
	}
}
