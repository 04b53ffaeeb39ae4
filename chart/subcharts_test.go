package chart_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

// chartFiles is a small chart. Files of the charts in its charts/ are added
// below that.
func chartFiles(name, version string) map[string]string {
	return map[string]string{
		"Chart.yaml":         "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n",
		"values.yaml":        "who: " + name + "\n",
		"templates/cm.yaml":  "# " + name + "\n",
		"values.schema.json": "{}",
	}
}

// with adds files below a directory.
func with(files map[string]string, dir string, more map[string]string) map[string]string {
	all := maps.Clone(files)
	for name, body := range more {
		all[dir+"/"+name] = body
	}
	return all
}

// packedFiles is an archive as another tool makes it: in another order, with
// directories, under another name.
func packedFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	entries := []entry{special(tar.TypeDir, "elsewhere/", "")}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) {
		e := file("elsewhere/"+name, files[name])
		e.Mode, e.ModTime = 0o755, time.Unix(1_700_000_000, 0)
		entries = append(entries, e)
	}
	return string(tgz(t, entries...))
}

// However the charts in charts/ are given, the package is the same.
func TestPackageSubchartForms(t *testing.T) {
	chain := chartFiles("chain", "2.0.0")
	buoy := chartFiles("buoy", "1.0.0")
	pier := chartFiles("pier", "1.2.3")
	pier["Chart.yaml"] += "dependencies: [{name: buoy}]\n"
	nested := with(buoy, "charts/chain", chain)
	want := packaged(t, write(t, t.TempDir(), with(pier, "charts/buoy", nested)), nil)
	packedChain := map[string]string{"chain-2.0.0.tgz": packedFiles(t, chain)}
	for name, files := range map[string]map[string]string{
		"directories of other names":       with(pier, "charts/1", with(buoy, "charts/2", chain)),
		"an archive":                       with(pier, "charts", map[string]string{"buoy-1.0.0.tgz": packedFiles(t, nested)}),
		"an archive of another name":       with(pier, "charts", map[string]string{"b.tgz": packedFiles(t, nested)}),
		"an archive in a directory":        with(pier, "charts/buoy", with(buoy, "charts", packedChain)),
		"an archive in an archive":         with(pier, "charts", map[string]string{"b.tgz": packedFiles(t, with(buoy, "charts", packedChain))}),
		"a directory in an archive":        with(pier, "charts", map[string]string{"b.tgz": packedFiles(t, with(buoy, "charts/x", chain))}),
		"our own archive":                  with(pier, "charts", map[string]string{"b.tgz": string(packaged(t, write(t, t.TempDir(), nested), nil))}),
		"what Helm leaves out is left out": with(with(pier, "charts/buoy", with(nested, "charts/.x", chain)), "charts", map[string]string{"_off.tgz": "no archive"}),
	} {
		t.Run(name, func(t *testing.T) {
			got := packaged(t, write(t, t.TempDir(), files), nil)
			if diff := cmp.Diff(contents(t, archive(t, want, nil)), contents(t, archive(t, got, nil))); diff != "" {
				t.Fatalf("content (-want +got):\n%s", diff)
			}
			if !bytes.Equal(want, got) {
				t.Error("the packages differ")
			}
		})
	}
}

func TestPackageTwoVersions(t *testing.T) {
	pier := chartFiles("pier", "1.2.3")
	pier["Chart.yaml"] += "dependencies: [{name: buoy, version: 1.x.x}, {name: buoy, version: 2.x.x, alias: second}]\n"
	one, two := chartFiles("buoy", "1.0.0+a"), chartFiles("buoy", "2.0.0")
	forms := []map[string]string{
		with(with(pier, "charts/buoy", one), "charts/second", two),
		with(with(pier, "charts/buoy", two), "charts", map[string]string{"buoy-1.0.0.tgz": packedFiles(t, one)}),
		with(pier, "charts", map[string]string{"a.tgz": packedFiles(t, two), "b.tgz": packedFiles(t, one)}),
	}
	first := packaged(t, write(t, t.TempDir(), forms[0]), nil)
	got := contents(t, archive(t, first, nil))
	if got["charts/buoy-1.0.0+a/Chart.yaml"] != one["Chart.yaml"] || got["charts/buoy-2.0.0/Chart.yaml"] != two["Chart.yaml"] {
		t.Errorf("files = %v", slices.Sorted(maps.Keys(got)))
	}
	for _, files := range forms[1:] {
		if !bytes.Equal(first, packaged(t, write(t, t.TempDir(), files), nil)) {
			t.Errorf("another package of %v", slices.Sorted(maps.Keys(files)))
		}
	}
}

// Charts of apiVersion v1 have their dependencies in requirements.yaml, at any
// depth, and keep it as it is.
func TestPackageV1(t *testing.T) {
	v1 := func(name, requirements string) map[string]string {
		return map[string]string{"Chart.yaml": "name: " + name + "\nversion: 1.0.0\n", "requirements.yaml": requirements, "requirements.lock": "dependencies: []\n"}
	}
	chain := v1("chain", "")
	buoy := with(v1("buoy", "dependencies: [{name: chain, version: 1.0.0}]\n"), "charts", map[string]string{"chain-1.0.0.tgz": packedFiles(t, chain)})
	pier := v1("pier", "dependencies: [{name: buoy, version: 1.x.x, alias: light}]\n")
	for name, files := range map[string]map[string]string{
		"a directory": with(pier, "charts/buoy", buoy),
		"an archive":  with(pier, "charts", map[string]string{"buoy-1.0.0.tgz": packedFiles(t, buoy)}),
	} {
		dir := write(t, t.TempDir(), files)
		a := archive(t, packaged(t, dir, nil), nil)
		m, err := a.Metadata()
		if err != nil || m.APIVersion != "v1" || len(m.Dependencies) != 1 || m.Dependencies[0].Alias != "light" {
			t.Errorf("%s: Metadata = %+v, %v", name, m, err)
		}
		got := contents(t, a)
		if got["requirements.yaml"] != pier["requirements.yaml"] || got["charts/buoy/requirements.yaml"] != buoy["requirements.yaml"] || got["charts/buoy/charts/chain/Chart.yaml"] != chain["Chart.yaml"] {
			t.Errorf("%s: %v", name, got)
		}
		again, err := a.Unpack(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p, err := chart.Pack(t.Context(), again, nil)
		if err != nil || len(p.Metadata.Dependencies) != 1 {
			t.Fatalf("%s: %v, %v", name, p, err)
		}
		p.Close()
	}
	if _, err := chart.Package(t.Context(), write(t, t.TempDir(), pier), io.Discard, nil); !errors.Is(err, chart.ErrMissingDependency) {
		t.Errorf("error = %v, want ErrMissingDependency", err)
	}
}

// What stands in a directory is chosen by the chart's .helmignore; an archive
// is packaged as it is. Neither looks at the .helmignore of a chart in charts/.
func TestPackageIgnoresInDirectoriesOnly(t *testing.T) {
	pier := chartFiles("pier", "1.2.3")
	pier[".helmignore"] = "*.bak\ncharts/none.tgz\n"
	pier["charts/none.tgz"] = "ignored, and so not read"
	buoy := with(chartFiles("buoy", "1.0.0"), "files", map[string]string{"x.bak": "", "y.own": ""})
	buoy[".helmignore"] = "*.own\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		bak   bool
	}{
		{"a directory", with(pier, "charts/buoy", buoy), false},
		{"an archive", with(pier, "charts", map[string]string{"buoy.tgz": packedFiles(t, buoy)}), true},
	} {
		got := contents(t, archive(t, packaged(t, write(t, t.TempDir(), tc.files), nil), nil))
		_, bak := got["charts/buoy/files/x.bak"]
		_, own := got["charts/buoy/files/y.own"]
		if bak != tc.bak || !own {
			t.Errorf("%s: x.bak is there: %v, y.own: %v", tc.name, bak, own)
		}
	}
}

func TestPackageRefusesSubcharts(t *testing.T) {
	pier, buoy := chartFiles("pier", "1.2.3"), chartFiles("buoy", "1.0.0")
	packed := packedFiles(t, buoy)
	broken := func(name, body string) string {
		files := maps.Clone(buoy)
		files[name] = body
		return packedFiles(t, files)
	}
	small := &chart.PackageOptions{Limits: chart.Limits{Total: 1 << 20, Entries: 20, Depth: 10}}
	for _, tc := range []struct {
		name  string
		files map[string]string // of charts/
		opts  *chart.PackageOptions
		want  error
		says  []string
	}{
		{"as a directory and as an archive", map[string]string{"buoy/Chart.yaml": buoy["Chart.yaml"], "buoy-1.0.0.tgz": packed}, nil, chart.ErrInvalidArchive, []string{"charts/buoy-1.0.0.tgz", `"charts/buoy"`, "remove one"}},
		{"two archives of one version", map[string]string{"a.tgz": packed, "b.tgz": packed}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", "charts/b.tgz"}},
		{"a name that is another's with its version", map[string]string{
			"a.tgz": packed, "b.tgz": packedFiles(t, chartFiles("buoy", "2.0.0")), "c.tgz": packedFiles(t, chartFiles("buoy-2.0.0", "1.0.0"))}, nil, chart.ErrInvalidArchive, []string{"charts/b.tgz", "charts/c.tgz"}},
		{"names that differ in case alone", map[string]string{"a.tgz": packed, "b.tgz": packedFiles(t, chartFiles("BUOY", "1.0.0"))}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", "charts/b.tgz"}},
		{"a name that Helm leaves out", map[string]string{"a.tgz": packedFiles(t, chartFiles("_off", "1.0.0"))}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", "_off"}},
		{"a name like an archive's", map[string]string{"a/Chart.yaml": "name: x.tgz\nversion: 1.0.0\n"}, nil, chart.ErrInvalidArchive, []string{"charts/a", "x.tgz"}},
		{"a file beside", map[string]string{"a.tgz": broken("charts/README.md", "")}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", "charts/README.md"}},
		{"no Chart.yaml in an archive", map[string]string{"a.tgz": packedFiles(t, map[string]string{"x": ""})}, nil, chart.ErrNotChart, []string{"charts/a.tgz", "no Chart.yaml"}},
		{"no Chart.yaml between", map[string]string{"a/charts/b/Chart.yaml": buoy["Chart.yaml"]}, nil, chart.ErrNotChart, []string{"charts/a"}},
		{"bad metadata in an archive", map[string]string{"a.tgz": broken("Chart.yaml", "name: x\n")}, nil, chart.ErrInvalidMetadata, []string{"charts/a.tgz", "version is missing"}},
		{"bad values in an archive", map[string]string{"a.tgz": broken("values.yaml", "- 1\n")}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", `"values.yaml"`}},
		{"a bad schema in an archive in an archive", map[string]string{"a.tgz": broken("charts/b.tgz", broken("values.schema.json", "{"))}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz/charts/b.tgz", `"values.schema.json"`}},
		{"requirements.yaml is no YAML", map[string]string{"a.tgz": broken("requirements.yaml", "{")}, nil, chart.ErrInvalidMetadata, []string{"charts/a.tgz", "requirements.yaml"}},
		{"an empty archive", map[string]string{"a.tgz": ""}, nil, chart.ErrInvalidArchive, []string{"charts/a.tgz", "empty"}},
		{"a path that leaves an archive in an archive", map[string]string{"a.tgz": broken("charts/b.tgz", string(tgz(t, file("b/../../x", ""))))}, nil, chart.ErrUnsafeArchive, []string{"charts/a.tgz/charts/b.tgz", "b/../../x"}},
		{"more files than all may have", map[string]string{"a.tgz": broken("charts/b.tgz", packed), "c.tgz": broken("charts/b.tgz", packed), "d.tgz": packed}, small, chart.ErrTooLarge, []string{"charts/d.tgz", "20 files"}},
		{"more bytes than all may have", map[string]string{"a.tgz": broken("x", strings.Repeat("x", 600_000)), "b.tgz": broken("x", strings.Repeat("x", 600_000))}, small, chart.ErrTooLarge, []string{"charts/b.tgz", `"x"`}},
		{"a file beyond its limit", map[string]string{"a.tgz": broken("x", strings.Repeat("x", 101))}, &chart.PackageOptions{Limits: chart.Limits{File: 100}}, chart.ErrTooLarge, []string{"charts/a.tgz", `"x"`, "100"}},
		{"more archives than entries", map[string]string{"a.tgz": manyArchives(t, 30, packed)}, small, chart.ErrTooLarge, []string{"charts/a.tgz", "archives"}},
		{"archives within archives", map[string]string{"a.tgz": nest(t, 12, packed)}, &chart.PackageOptions{Limits: chart.Limits{Depth: 10}}, chart.ErrTooLarge, []string{"deeper than 10"}},
		{"archives that multiply", map[string]string{"a.tgz": manyArchives(t, 8, manyArchives(t, 8, manyArchives(t, 8, manyArchives(t, 8, string(bomb(t, 200_000))))))}, nil, chart.ErrTooLarge, nil},
		{"archives of zeros after the end", map[string]string{"a.tgz": manyArchives(t, 200, string(gzipped(t, append(tarred(t, file("x/Chart.yaml", chartYAML)), make([]byte, 1<<20)...))))}, &chart.PackageOptions{Limits: chart.Limits{Total: 10 << 20}}, chart.ErrTooLarge, []string{"limits"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			dir := write(t, t.TempDir(), with(pier, "charts", tc.files))
			_, err := chart.Package(t.Context(), dir, &b, tc.opts)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			for _, says := range tc.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error = %v, want it to say %s", err, says)
				}
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

// manyArchives is an archive of a chart with n archives in its charts/.
func manyArchives(t testing.TB, n int, packed string) string {
	files := chartFiles("many", "1.0.0")
	for i := range n {
		files[fmt.Sprintf("charts/%03d.tgz", i)] = packed
	}
	return packedFiles(t, files)
}

// nest puts an archive into an archive, n times.
func nest(t testing.TB, n int, packed string) string {
	for range n {
		packed = manyArchives(t, 1, packed)
	}
	return packed
}

// An archive may be larger than any file of a chart, as its content is when it
// stands in a directory.
func TestPackageLargeSubchart(t *testing.T) {
	buoy := chartFiles("buoy", "1.0.0")
	for i := range 3 {
		noise := make([]byte, 900)
		rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
		buoy[fmt.Sprintf("files/%d", i)] = string(noise)
	}
	packed := packedFiles(t, buoy)
	if len(packed) < 1000 {
		t.Fatalf("the archive has %d bytes", len(packed))
	}
	inner := packedFiles(t, with(chartFiles("chain", "1.0.0"), "charts", map[string]string{"b.tgz": packed}))
	for _, form := range []string{packed, inner} {
		dir := write(t, t.TempDir(), with(chartFiles("pier", "1.0.0"), "charts", map[string]string{"a.tgz": form}))
		if _, err := chart.Package(t.Context(), dir, io.Discard, &chart.PackageOptions{Limits: chart.Limits{File: 1000}}); err != nil {
			t.Error(err)
		}
	}
}
