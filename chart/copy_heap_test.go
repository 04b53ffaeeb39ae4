package chart_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestCopyHeapStaysSmall copies a chart of 80 MB along all kinds of ends, in a
// process of its own, since the registry's memory is in this one.
func TestCopyHeapStaysSmall(t *testing.T) {
	if dir := os.Getenv("PORTOLAN_COPY_HEAP"); dir != "" {
		copyHeapChild(t, dir, os.Getenv("PORTOLAN_COPY_HEAP_HOST"))
		return
	}
	s := registrytest.New(&registrytest.Options{NoMount: true})
	defer s.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCopyHeapStaysSmall$", "-test.v")
	cmd.Env = append(os.Environ(), "PORTOLAN_COPY_HEAP="+t.TempDir(), "PORTOLAN_COPY_HEAP_ARCHIVE="+largeArchive(t), "PORTOLAN_COPY_HEAP_HOST="+s.Host)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "grew the heap") != 5 {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func copyHeapChild(t *testing.T, dir, host string) {
	ctx := t.Context()
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := chart.Pack(ctx, os.Getenv("PORTOLAN_COPY_HEAP_ARCHIVE"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	h := &harbour{client: client}
	at := func(repository string) registry.Reference {
		return registry.Reference{Host: host, Repository: repository, Tag: packed.Metadata.Version}
	}
	tarFile, err := layout.CreateTar(ctx, filepath.Join(dir, "layout.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer tarFile.Close()
	layoutDir := createLayout(t)
	for _, step := range []struct {
		name string
		from chart.CopySource
		to   chart.CopyTarget
	}{
		{"packed to registry", chart.CopySource{Source: packed}, h.to(t, at("a/large"))},
		{"registry to registry", h.from(t, at("a/large")), h.to(t, at("b/large"))},
		{"registry to tar", h.from(t, at("b/large")), chart.CopyTarget{Target: tarFile}},
		{"tar to directory", chart.CopySource{Source: tarFile}, chart.CopyTarget{Target: layoutDir}},
		{"directory to archive", chart.CopySource{Source: layoutDir}, chart.CopyTarget{Archive: filepath.Join(dir, "x.tgz")}},
	} {
		var err error
		var copied *chart.Copied
		grown := heap.Growth(func() { copied, err = client.Copy(ctx, step.from, step.to, chart.CopyOptions{}) })
		if err != nil || copied.Sent < 80<<20 || grown > heapBound {
			t.Fatalf("%s: %+v, %v, the heap grew by %d bytes", step.name, copied, err, grown)
		}
		fmt.Printf("%s grew the heap by %.1f MiB\n", step.name, float64(grown)/(1<<20))
	}
}
