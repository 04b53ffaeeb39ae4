package bench_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/bench"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestWorker is the other processes of TestBudgets; alone it does nothing.
func TestWorker(t *testing.T) {
	if _, err := bench.Work(t.Context(), os.Stdin, os.Stdout); err != nil {
		t.Fatal(err)
	}
}

// heapBudget is by how much a pull or a push of any size may grow the heap.
const heapBudget = 16 << 20

// TestBudgets is the comparison in short: it prints the table, whose times say
// little, and holds Portolan to what does not depend on time.
func TestBudgets(t *testing.T) {
	dir := t.TempDir()
	small, err := bench.SmallChart(dir)
	if err != nil {
		t.Fatal(err)
	}
	huge, err := bench.LargeChart(dir, 80)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := bench.Compare(t.Context(), bench.Plan{
		Charts:    []bench.Chart{small, huge},
		Latencies: []time.Duration{0},
		Only:      []string{"pull cold", "pull warm", "pull warm by digest", "push new", "push again", "load", "unpack"},
		Work:      dir,
		Args:      []string{"-test.run=^TestWorker$"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := bench.WriteTable(&table, rows); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())

	want := map[string]int{ // requests
		"pull cold small": 2, "pull warm small": 1, "pull warm by digest small": 0, "push new small": 6, "push again small": 1,
		"pull cold 80 MB": 2, "pull warm 80 MB": 1, "pull warm by digest 80 MB": 0, "push new 80 MB": 7, "push again 80 MB": 1,
		"load small": 0, "unpack small": 0, "load 80 MB": 0, "unpack 80 MB": 0,
	}
	for _, row := range rows {
		name, got := row.Operation+" "+row.Chart, row.Outcomes[0]
		if got.Requests != want[name] {
			t.Errorf("%s: %d requests, want %d", name, got.Requests, want[name])
		}
		delete(want, name)
		if repeated := strings.HasPrefix(row.Operation, "pull warm") || row.Operation == "push again"; repeated && got.Bytes != 0 {
			t.Errorf("%s: %d bytes went over the wire, want none", name, got.Bytes)
		}
		if got.Heap >= heapBudget {
			t.Errorf("%s: the heap grew by %d bytes, budget %d", name, got.Heap, heapBudget)
		}
		// The measure itself: Helm holds the chart in memory, and that must show.
		if helm := row.Outcomes[1]; row.Operation == "pull cold" && row.Chart == huge.Label && helm.Heap < huge.Size {
			t.Errorf("%s: Helm's heap grew by %d bytes, less than the chart's %d: the measure is wrong", name, helm.Heap, huge.Size)
		}
	}
	for name := range want {
		t.Errorf("%s was not measured", name)
	}
}

// TestContenders shows that all do the same job: what one pushes the others
// pull, byte for byte, and what each packages is that chart.
func TestContenders(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	chart, err := bench.SmallChart(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(chart.Archive)
	if err != nil {
		t.Fatal(err)
	}
	server := registrytest.New(nil)
	defer server.Close()
	for _, name := range bench.Names() {
		t.Run(name, func(t *testing.T) {
			ref := server.Host + "/" + name + "/" + chart.Name + ":" + chart.Version
			pusher := contender(t, name)
			if err := pusher.Push(t.Context(), chart.Archive, ref); err != nil {
				t.Fatal(err)
			}
			for _, other := range bench.Names() {
				checkPull(t, contender(t, other), ref, want)
			}
			dest := t.TempDir()
			if err := pusher.Package(t.Context(), chart.Dir, dest); err != nil {
				t.Fatal(err)
			}
			checkPackage(t, dest, chart)
			if r, ok := pusher.(bench.Reader); ok {
				checkReader(t, r, chart)
			} else if name == "portolan" || name == "helm4" {
				t.Errorf("%s does not read archives", name)
			}
		})
	}
}

func contender(t *testing.T, name string) bench.Contender {
	t.Helper()
	c, err := bench.New(name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func checkPull(t *testing.T, c bench.Contender, ref string, want []byte) {
	t.Helper()
	cache, dest := t.TempDir(), t.TempDir()
	for _, when := range []string{"cold", "warm"} {
		rc, err := c.Pull(t.Context(), ref, cache)
		if err != nil {
			t.Fatalf("%T, %s: %v", c, when, err)
		}
		got, err := io.ReadAll(rc)
		rc.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%T, %s: %d bytes (%v), want the %d of the archive", c, when, len(got), err, len(want))
		}
	}
	if err := c.Save(t.Context(), ref, cache, dest); err != nil {
		t.Fatalf("%T: %v", c, err)
	}
	if got := onlyFile(t, dest); !bytes.Equal(got, want) {
		t.Errorf("%T: the file has %d bytes, want the %d of the archive", c, len(got), len(want))
	}
}

func onlyFile(t *testing.T, dir string) []byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v (%v), want one", files, err)
	}
	data, err := os.ReadFile(dir + "/" + files[0].Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checkPackage(t *testing.T, dir string, want bench.Chart) {
	t.Helper()
	got := files(t, onlyFile(t, dir))
	archive, err := os.ReadFile(want.Archive)
	if err != nil {
		t.Fatal(err)
	}
	if all := files(t, archive); !slices.Equal(got, all) {
		t.Errorf("the package has the files %v, want %v", got, all)
	}
}

// checkReader wants what is unpacked to be the chart that it came from.
func checkReader(t *testing.T, r bench.Reader, chart bench.Chart) {
	t.Helper()
	if name, err := r.Load(t.Context(), chart.Archive); err != nil || name != chart.Name {
		t.Errorf("Load = %s, %v", name, err)
	}
	dest := t.TempDir()
	if err := r.Unpack(t.Context(), chart.Archive, dest); err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(chart.Archive)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = fs.WalkDir(os.DirFS(dest), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if want := files(t, archive); err != nil || !slices.Equal(got, want) {
		t.Errorf("unpacked %v (%v), want %v", got, err, want)
	}
}
