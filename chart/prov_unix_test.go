//go:build unix

package chart_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// TestPipeBeside: opening a pipe that nobody writes to would wait for ever.
func TestPipeBeside(t *testing.T) {
	path := filepath.Join(write(t, t.TempDir(), map[string]string{"x.tgz": string(tgz(t, file("pier/Chart.yaml", chartYAML)))}), "x.tgz")
	if err := syscall.Mkfifo(path+".prov", 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := chart.Pack(t.Context(), path, nil); !errors.Is(err, chart.ErrUnsafeArchive) {
		t.Errorf("Pack = %v, %v", p, err)
	}
}
