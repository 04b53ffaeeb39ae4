package variant

import (
	"os"
	"path/filepath"
	"testing"
)

// Were all copies equal, the tests that use them would show nothing.
func TestVariantsDiffer(t *testing.T) {
	c := Chart{"Chart.yaml": "name: a\n", "x": "x", "charts/b/Chart.yaml": "name: b\n", "charts/b/charts/c/Chart.yaml": "name: c\n", "charts/_off/Chart.yaml": "name: off\n"}
	forms := make(map[string]bool)
	for seed := range uint64(20) {
		dir := filepath.Join(t.TempDir(), "chart")
		if err := c.Write(dir, seed); err != nil {
			t.Fatal(err)
		}
		got, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got["x"] != "x" || got["charts/_off/Chart.yaml"] == "" {
			t.Errorf("seed %d: %v", seed, got)
		}
		info, err := os.Stat(filepath.Join(dir, "x"))
		if err != nil {
			t.Fatal(err)
		}
		forms["mode "+info.Mode().String()], forms["time "+info.ModTime().String()] = true, true
		for name := range got {
			forms["as "+filepath.Ext(filepath.Dir(name))+filepath.Ext(name)] = true
		}
	}
	if len(forms) < 20 {
		t.Errorf("only %d differences: %v", len(forms), forms)
	}
}
