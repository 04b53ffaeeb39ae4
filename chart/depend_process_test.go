package chart_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestUpdatesTogether is helm#13110: many at once in one directory.
func TestUpdatesTogether(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.1.0", "sail:1.0.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1 team", "sail 1.0.0 team"))
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			run := h.client.UpdateDependencies
			if i%2 == 1 {
				run = h.client.BuildDependencies
			}
			if _, err := run(t.Context(), dir, chart.DependencyOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"mast-1.1.0.tgz", "sail-1.0.0.tgz"}, inCharts(t, dir)); diff != "" {
		t.Errorf("charts/ (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.client.UpdateDependencies(ctx, dir, chart.DependencyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

// dependEnv makes this test binary a process that updates until it is killed.
const dependEnv = "CHART_TEST_DEPEND"

func updateProcess(t *testing.T, dir string) {
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(filepath.Join(filepath.Dir(dir), "cache"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpdateProcesses kills some of those that update one directory. The rest
// come to the right end, and nothing is left behind.
func TestUpdateProcesses(t *testing.T) {
	if dir := os.Getenv(dependEnv); dir != "" {
		updateProcess(t, dir)
		return
	}
	h := newHarbour(t, registrytest.Options{Latency: 2 * time.Millisecond}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.1.0", "sail:1.0.0", "sail:2.0.0", "oar:1.0.0")
	dir := ship(t, filepath.Join(t.TempDir(), "boat"), "boat", "1.0.0", h.needs("mast 1.0.0 team", "sail 1.0.0 team", "oar 1.0.0 team"))
	if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	old := inCharts(t, dir)
	ship(t, dir, "boat", "1.0.0", h.needs("mast ^1 team", "sail ^2 team", "oar 1.0.0 team"))
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestUpdateProcesses$")
		cmd.Env = append(os.Environ(), dependEnv+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	for i := range 12 {
		cmd := start()
		time.Sleep(time.Duration(5+4*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, or done
		now := inCharts(t, dir)
		for _, name := range old {
			if !slices.Contains(now, name) && !slices.Contains(now, map[string]string{"mast-1.0.0.tgz": "mast-1.1.0.tgz", "sail-1.0.0.tgz": "sail-2.0.0.tgz"}[name]) {
				t.Fatalf("killed: %s is gone from %v", name, now)
			}
		}
	}
	var rest []*exec.Cmd
	for range 4 {
		rest = append(rest, start())
	}
	for _, cmd := range rest {
		if err := cmd.Wait(); err != nil {
			t.Error("beside others:", err)
		}
	}
	if diff := cmp.Diff([]string{"mast-1.1.0.tgz", "oar-1.0.0.tgz", "sail-2.0.0.tgz"}, inCharts(t, dir)); diff != "" {
		t.Errorf("charts/ (-want +got):\n%s", diff)
	}
	if built, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{RequireDigests: true}); err != nil || !built.Pinned {
		t.Errorf("build: %+v, %v", built, err)
	}
}
