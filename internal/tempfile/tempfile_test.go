package tempfile_test

import (
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/portolan-oci/portolan/internal/tempfile"
)

func TestNew(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	f, err := tempfile.New()
	if err != nil {
		t.Fatal(err)
	}
	left := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if n := left(); n != 0 && runtime.GOOS != "windows" {
		t.Errorf("%d names while it is open", n)
	}
	if _, err := f.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if n := left(); n != 0 {
		t.Errorf("%d names once it is closed", n)
	}
}
