package chart_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// heapBound is by how much the heap may grow for a chart of any size.
const heapBound = 16 << 20

// TestHeapStaysSmall pushes and pulls a chart of 80 MB in a process of its
// own, since the registry's memory is in this one.
func TestHeapStaysSmall(t *testing.T) {
	if dir := os.Getenv("PORTOLAN_HEAP_TEST"); dir != "" {
		heapChild(t, dir, os.Getenv("PORTOLAN_HEAP_HOST"))
		return
	}
	s := registrytest.New(nil)
	defer s.Close()
	dir := t.TempDir()
	archive := largeArchive(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeapStaysSmall$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_HEAP_TEST="+dir, "PORTOLAN_HEAP_ARCHIVE="+archive, "PORTOLAN_HEAP_HOST="+s.Host)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "pull grew") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if sent := s.Cost().Sent; sent < 80<<20 {
		t.Errorf("the registry sent %d bytes, so nothing large was pulled", sent)
	}
}

func heapChild(t *testing.T, dir, host string) {
	ctx := t.Context()
	ref := registry.Reference{Host: host, Repository: "team/large"}
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(filepath.Join(dir, "cache"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	measure := func(what string, f func() error) {
		var err error
		if grown := heap.Growth(func() { err = f() }); grown > heapBound {
			t.Errorf("%s grew the heap by %d bytes, more than %d", what, grown, heapBound)
		} else {
			fmt.Printf("%s grew the heap by %.1f MiB\n", what, float64(grown)/(1<<20))
		}
		if err != nil {
			t.Fatal(what, err)
		}
	}
	var packed *chart.Packed
	measure("pack", func() (err error) {
		packed, err = chart.Pack(ctx, os.Getenv("PORTOLAN_HEAP_ARCHIVE"), nil)
		return err
	})
	defer packed.Close()
	if packed.Layer.Size < 80<<20 {
		t.Fatalf("the archive has %d bytes", packed.Layer.Size)
	}
	measure("push", func() error {
		_, err := client.Push(ctx, packed, ref, chart.PushOptions{})
		return err
	})
	for _, what := range []string{"pull", "pull from the cache"} {
		measure(what, func() error {
			pulled, err := client.Pull(ctx, ref, chart.PullOptions{})
			if err != nil {
				return err
			}
			defer pulled.Close()
			_, err = pulled.Save(ctx, dir)
			return err
		})
	}
	dir = ship(t, filepath.Join(dir, "boat"), "boat", "1.0.0", "dependencies: [{name: large, version: ^1, repository: 'oci://"+host+"/team'}]")
	measure("dependency update", func() error {
		_, err := client.UpdateDependencies(ctx, dir, chart.DependencyOptions{})
		return err
	})
}
