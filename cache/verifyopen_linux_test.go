package cache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// A file that is told to be bad is not open: Windows would not let it go, and
// whoever is told may take his time.
func TestVerifyHoldsNoFile(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	flip(t, blobPath(s, f.layer))
	told := 0
	for fault, err := range s.Verify(t.Context(), cache.VerifyOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		told++
		open, err := filepath.Glob("/proc/self/fd/*")
		if err != nil || len(open) == 0 {
			t.Fatal(open, err)
		}
		for _, fd := range open {
			if name, _ := os.Readlink(fd); strings.HasPrefix(name, fault.Path) {
				t.Errorf("%s is open", name)
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told")
	}
}
