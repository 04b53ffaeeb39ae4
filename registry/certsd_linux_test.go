package registry_test

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// Test58CertDirsThatMayNotBeRead: docker's directories are an error then, and
// containers' are passed by. Root, who may read everything, looks as nobody.
func Test58CertDirsThatMayNotBeRead(t *testing.T) {
	dir := t.TempDir()
	hostsWrite(t, "", dir, "r.example", "x")
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	if os.Getuid() == 0 {
		const nobody = 65534
		runtime.LockOSThread() // it is the thread that is somebody else
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	if _, err := os.ReadDir(dir); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("the directory can be read, so this test shows nothing: %v", err)
	}
	if _, err := registry.DockerCerts(dir)("r.example"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) {
		t.Errorf("docker: %v, want an error that names the directory", err)
	}
	if _, err := registry.ContainersCerts(dir)("r.example"); err != nil {
		t.Errorf("containers: %v", err)
	}
}
