package chart_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/chart"
)

// TestLinkFan: directories full of links to the next multiply, without a file.
func TestLinkFan(t *testing.T) {
	files := map[string]string{"Chart.yaml": chartYAML, ".helmignore": "*.log\n"}
	for i := range 8 {
		for j := range 6 {
			files[fmt.Sprintf("fan/d%d/l%d->", i, j)] = fmt.Sprintf("../d%d", i+1)
		}
	}
	files["fan/d8/.keep/x.log"] = ""
	ignored := map[string]string{"Chart.yaml": chartYAML, ".helmignore": "*.log\n"}
	for i := range 1000 {
		ignored[fmt.Sprintf("logs/%d.log", i)] = ""
		ignored[fmt.Sprintf("links/l%d->", i)] = "../logs"
	}
	deep := map[string]string{"Chart.yaml": chartYAML, strings.Repeat("d/", 1500) + "l->": "."}
	for name, files := range map[string]map[string]string{"fan": files, "ignored files": ignored, "depth": deep} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, t.TempDir(), files)
			start := time.Now()
			_, err := chart.Package(t.Context(), dir, io.Discard, nil)
			if took := time.Since(start); !errors.Is(err, chart.ErrTooLarge) || took > 10*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

// TestIgnoredFilesDoNotCount: what lies beside a chart and is left out may be
// more than the chart may have.
func TestIgnoredFilesDoNotCount(t *testing.T) {
	files := map[string]string{"Chart.yaml": chartYAML, ".helmignore": "*.log\n", "real/a": "", "link->": "real"}
	for i := range 50 {
		files[fmt.Sprintf("%d.log", i)] = ""
	}
	dir := write(t, t.TempDir(), files)
	if _, err := chart.Package(t.Context(), dir, io.Discard, &chart.PackageOptions{Limits: chart.Limits{Entries: 8}}); err != nil {
		t.Error(err)
	}
}

// TestProvenanceBeside: what is found is sent only if it is what it seems.
func TestProvenanceBeside(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"link":          func(p string) error { return os.Symlink("secret", p) },
		"dangling link": func(p string) error { return os.Symlink("nowhere", p) },
		"directory":     func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, t.TempDir(), map[string]string{"secret": "token", "x.tgz": string(tgz(t, file("pier/Chart.yaml", chartYAML)))})
			path := filepath.Join(dir, "x.tgz")
			if err := make(path + ".prov"); err != nil {
				t.Fatal(err)
			}
			p, err := chart.Pack(t.Context(), path, nil)
			if !errors.Is(err, chart.ErrUnsafeArchive) || !strings.Contains(err.Error(), path+".prov") || p != nil {
				t.Fatalf("Pack = %v, %v", p, err)
			}
			if name != "link" {
				return
			}
			// Who names it means it.
			p, err = chart.Pack(t.Context(), path, &chart.PackOptions{Provenance: path + ".prov"})
			if err != nil || p.Provenance == nil || p.Provenance.Size != 5 {
				t.Fatalf("Pack = %+v, %v", p, err)
			}
			p.Close()
		})
	}
}
