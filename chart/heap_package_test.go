package chart_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
)

// TestHeapOfPackaging packages 80 MB, once as files and once as an archive in
// charts/, and unpacks them, in a process of its own.
func TestHeapOfPackaging(t *testing.T) {
	if dir := os.Getenv("PORTOLAN_HEAP_PACKAGING"); dir != "" {
		packagingChild(t, dir, os.Getenv("PORTOLAN_HEAP_ARCHIVE"))
		return
	}
	dir, archive := t.TempDir(), largeArchive(t)
	write(t, dir, map[string]string{"files/Chart.yaml": chartYAML, "packed/Chart.yaml": chartYAML, "packed/charts/.keep": "", "unpacked/.keep": ""})
	for i := range 16 {
		path := filepath.Join(dir, "files", fmt.Sprint(i))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 5<<20); err != nil {
			t.Fatal(err)
		}
	}
	// Zeros, as above: what does not compress takes a minute under the race
	// detector.
	if _, _, err := chart.PackageFile(t.Context(), filepath.Join(dir, "files"), filepath.Join(dir, "packed", "charts"), nil); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeapOfPackaging$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_HEAP_PACKAGING="+dir, "PORTOLAN_HEAP_ARCHIVE="+archive)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "grew the heap") != 4 {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func packagingChild(t *testing.T, dir, archive string) {
	sized := func(what string, f func(w io.Writer) error) {
		var w counter
		var err error
		grown := heap.Growth(func() { err = f(&w) })
		if err != nil {
			t.Fatal(what, err)
		}
		if grown > heapBound {
			t.Errorf("%s: %d bytes of heap, more than %d", what, grown, heapBound)
			return
		}
		fmt.Printf("%s grew the heap by %.1f MiB, wrote %d bytes\n", what, float64(grown)/(1<<20), w)
	}
	for _, form := range []string{"files", "packed"} {
		sized("package of "+form, func(w io.Writer) error {
			_, err := chart.Package(t.Context(), filepath.Join(dir, form), w, nil)
			return err
		})
	}
	a, err := chart.Open(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	sized("unpacking", func(io.Writer) error {
		_, err := a.Unpack(t.Context(), filepath.Join(dir, "unpacked"))
		return err
	})
	sized("CRDs", func(io.Writer) error {
		for _, err := range a.CRDs(t.Context()) {
			return err
		}
		return nil
	})
	info, err := os.Stat(filepath.Join(dir, "unpacked", "large", "files", "15"))
	if err != nil || info.Size() != 5<<20 {
		t.Errorf("unpacked: %v, %v", info, err)
	}
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
