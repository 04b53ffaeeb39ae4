package classic_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/internal/heap"
)

// heapBound is by how much the heap may grow for an index of any size.
const heapBound = 16 << 20

const largeIndex = 60 << 20 // bytes: the largest public ones

// writeLargeIndex writes an index as Helm does: one chart with 4,000 versions,
// and 500 with some 50.
func writeLargeIndex(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	size, _ := fmt.Fprint(w, "apiVersion: v1\nentries:\n")
	description := strings.Repeat("        - kind: changed\n          description: \"something: else\"\n", 28)
	for c := 0; size < largeIndex; c++ {
		n, _ := fmt.Fprintf(w, "  chart-%03d:\n", c)
		size += n
		versions := 50
		if c == 1 {
			versions = 4000
		}
		for v := range versions {
			n, _ := fmt.Fprintf(w, "  - annotations:\n      artifacthub.io/changes: |\n%s    apiVersion: v2\n    appVersion: \"1.0\"\n    created: \"2024-01-02T03:04:05.678Z\"\n    digest: %064x\n    name: chart-%03d\n    urls:\n    - charts/chart-%03d-%d.tgz\n    version: %d.0.0\n",
				description, c*1000+v, c, c, versions-v, versions-v)
			size += n
		}
	}
	fmt.Fprint(w, "generated: \"2024-01-02T03:04:05Z\"\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHeapStaysSmall looks charts up in a large index in a process of its own,
// with the collector as it is by default.
func TestHeapStaysSmall(t *testing.T) {
	if address := os.Getenv("PORTOLAN_HEAP_URL"); address != "" {
		heapChild(t, address)
		return
	}
	dir := t.TempDir()
	writeLargeIndex(t, filepath.Join(dir, "index.yaml"))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeapStaysSmall$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_HEAP_URL="+server.URL)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "4000 versions") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func heapChild(t *testing.T, address string) {
	client := newClient(t, "")
	options := &classic.Options{Dir: t.TempDir()}
	for _, what := range []string{"download", "kept"} {
		grown := heap.Growth(func() {
			r := open(t, client, address, options)
			versions, err := r.Versions(t.Context(), "chart-001")
			if err != nil || len(versions) != 4000 {
				t.Errorf("%d versions, %v", len(versions), err)
			}
			e, err := r.Entry(t.Context(), "chart-002", "1.0.0")
			if err != nil || e.URLs[0] != "charts/chart-002-1.tgz" {
				t.Errorf("%+v, %v", e, err)
			}
			fmt.Printf("%d versions\n", len(versions))
		})
		fmt.Printf("%s grew the heap by %.1f MiB\n", what, float64(grown)/(1<<20))
		if grown > heapBound {
			t.Errorf("%s: more than %d bytes", what, heapBound)
		}
	}
}
