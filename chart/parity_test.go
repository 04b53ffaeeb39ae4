package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/variant"
)

// pushedByHelm is what Helm pushed for the charts in testdata, recorded from
// helm.sh/helm/v4 v4.3.1: file name to content.
func pushedByHelm(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/helm-4.3.1.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, section := range strings.Split("\n"+string(data), "\n-- ")[1:] {
		name, body, _ := strings.Cut(section, " --\n")
		files[name] = strings.TrimSuffix(body, "\n")
	}
	return files
}

func testCharts(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/odd/*")
	if err != nil || len(dirs) < 30 {
		t.Fatalf("%d charts in testdata/odd, %v", len(dirs), err)
	}
	return append(dirs, "testdata/charts/mariner")
}

// The digest of each package also watches Go's tar and flate encoders: should
// a release of Go change their output, every chart gets another digest, which
// must not happen unnoticed.
func TestPackEqualsHelmPush(t *testing.T) {
	want := pushedByHelm(t)
	for _, dir := range testCharts(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			p, err := chart.Pack(t.Context(), dir, &chart.PackOptions{Created: "2024-01-02T03:04:05+02:00"})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if got := p.Layer.Digest.String(); got != want[name+"/package"] {
				t.Errorf("package = %s, want %s", got, want[name+"/package"])
			}
			r, err := p.Fetch(t.Context(), p.Config)
			if diff := cmp.Diff(want[name+"/config.json"], read(t, r, err)); diff != "" {
				t.Errorf("config differs from Helm's (-helm +ours):\n%s", diff)
			}
			r, err = p.Fetch(t.Context(), p.Manifest)
			got := strings.Replace(read(t, r, err), fmt.Sprintf(`"digest":"%s","size":%d`, p.Layer.Digest, p.Layer.Size), `"digest":"LAYER","size":0`, 1)
			if diff := cmp.Diff(want[name+"/manifest.json"], got); diff != "" {
				t.Errorf("manifest differs from Helm's (-helm +ours):\n%s", diff)
			}
		})
	}
}

// Any release of Helm may have written an archive; the ones at hand all pass
// the strict reader.
func TestCorpus(t *testing.T) {
	archives, err := filepath.Glob("../../shared/corpus/*.tgz")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		p, err := chart.Pack(t.Context(), path, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := p.Metadata.Name + "-" + p.Metadata.Version + ".tgz"; filepath.Base(path) != want {
			t.Errorf("%s holds %s", path, want)
		}
		files := contents(t, p.Archive())
		one, two := write(t, t.TempDir(), files), filepath.Join(t.TempDir(), "other", "parent")
		if err := variant.Chart(files).Write(two, 1); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(packaged(t, one, nil), packaged(t, two, nil)) {
			t.Errorf("two copies of %s give different packages", path)
		}
		p.Close()
	}
}
