//go:build unix

package chart_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// TestUnpackFullDisk unpacks in a process that may write no file of more than
// 1 MiB, which fails as a full disk does: in the middle of a write.
func TestUnpackFullDisk(t *testing.T) {
	if dir := os.Getenv("PORTOLAN_FULL_DISK"); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		a, err := chart.Open(os.Getenv("PORTOLAN_FULL_DISK_ARCHIVE"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		_, err = a.Unpack(t.Context(), dir)
		if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "unpack into "+dir) {
			t.Errorf("error = %v, want EFBIG and the directory", err)
		}
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnpackFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_FULL_DISK="+dir, "PORTOLAN_FULL_DISK_ARCHIVE="+largeish(t))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := snapshot(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// A directory that nobody may write to is left as it is, and so is one that
// changes while the archive is unpacked.
func TestUnpackWhereItCannot(t *testing.T) {
	a := archive(t, packaged(t, "testdata/charts/mariner", nil), nil)
	if os.Getuid() != 0 {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Unpack(t.Context(), dir); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error = %v, want ErrPermission", err)
		}
	}
	// Somebody swaps the hidden directory for a link to elsewhere: nothing goes
	// there.
	data := packaged(t, "testdata/charts/mariner", nil)
	dir, elsewhere := t.TempDir(), t.TempDir()
	swapped := false
	counted := &countingReaderAt{r: bytes.NewReader(data), at: func(int64) {
		hidden, err := filepath.Glob(filepath.Join(dir, ".portolan-*"))
		if err != nil || len(hidden) != 1 || swapped {
			return
		}
		swapped = true
		if err := errors.Join(os.Rename(hidden[0], hidden[0]+"-moved"), os.Symlink(elsewhere, hidden[0])); err != nil {
			t.Error(err)
		}
	}}
	b, err := chart.NewArchive(counted, int64(len(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if path, err := b.Unpack(t.Context(), dir); !errors.Is(err, chart.ErrUnsafeArchive) || !swapped {
		t.Errorf("Unpack = %s, %v, want ErrUnsafeArchive; swapped: %v", path, err, swapped)
	}
	if left := snapshot(t, elsewhere); len(left) != 1 {
		t.Errorf("written through a link: %v", left)
	}
}
