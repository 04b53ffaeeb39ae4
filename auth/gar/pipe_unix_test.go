//go:build unix

package gar

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// A file that is a pipe which nobody writes to is not waited on.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := New(&Options{CredentialsFile: pipe})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := p.Credential(ctx, auth.Resource{Host: "us-docker.pkg.dev"})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a credential from a pipe")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("waits longer than its context")
	}
}
