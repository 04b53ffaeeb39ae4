package chart_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestListingHeap: a listing holds what is on its way, not what it has shown
// (kargo#7034). Its versions weigh 32 MiB: each has its description in the
// manifest and in the config. They are listed in a process of its own, since
// the registry's memory is in this one.
func TestListingHeap(t *testing.T) {
	const versions, text = 256, 64 << 10
	if host := os.Getenv("PORTOLAN_LISTING_HOST"); host != "" {
		h := &harbour{Server: &registrytest.Server{Host: host}, repo: registry.Reference{Host: host, Repository: "team/voyage"}}
		listed := 0
		grown := heap.Growth(func() {
			for v, err := range h.newClient(t, cache.Policy{}).Versions(t.Context(), h.repo, chart.VersionOptions{Metadata: true}) {
				if err != nil || v.Err != nil || len(v.Metadata.Description) < text {
					t.Fatalf("%s: %v, %v", v.Version, err, v.Err)
				}
				listed++
			}
		})
		if listed != versions || grown > heapBound {
			t.Errorf("%d versions grew the heap by %d bytes, want %d and at most %d", listed, grown, versions, heapBound)
		}
		t.Logf("%d versions grew the heap by %d bytes", listed, grown)
		return
	}
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	for i := range versions {
		dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": fmt.Sprintf(
			"apiVersion: v2\nname: pier\nversion: 1.%d.0\ndescription: %s\n", i, strings.Repeat("rope", text/4))})
		packed, err := chart.Pack(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.putChart(t, packed, packed.Metadata.Version)
		packed.Close()
	}
	h.Reset()
	cmd := exec.Command(os.Args[0], "-test.run=^TestListingHeap$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_LISTING_HOST="+h.Host)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "versions grew") || h.Cost().Sent < 2*versions*text {
		t.Errorf("%v, the registry sent %d bytes\n%s", err, h.Cost().Sent, out)
	}
	t.Logf("%s", out)
}

func (h *harbour) putChart(t *testing.T, packed *chart.Packed, tag string) {
	t.Helper()
	h.put(t, packed)
	if err := h.repository(t).Tag(t.Context(), packed.Manifest, tag); err != nil {
		t.Fatal(err)
	}
}
