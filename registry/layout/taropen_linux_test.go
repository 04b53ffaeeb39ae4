package layout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry/layout"
)

// The tar file that is replaced is not open any more: Windows would refuse.
func TestTarIsReplacedClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layout.tar")
	for _, tag := range []string{"1", "2"} {
		w, err := layout.CreateTar(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		put(t, w, tag, tag, nil)
		if err := w.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		open, err := filepath.Glob("/proc/self/fd/*")
		if err != nil || len(open) == 0 {
			t.Fatal(open, err)
		}
		for _, fd := range open {
			if name, _ := os.Readlink(fd); strings.HasPrefix(name, path) {
				t.Errorf("%s is open", name)
			}
		}
	}
}
