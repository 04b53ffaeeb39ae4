package chart_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// harbourOf is a registry with the same chart in some repositories, and a
// client without a cache.
func harbourOf(t *testing.T, options registrytest.Options, repositories int, content []byte) (*harbour, []registry.Reference, *chart.Client) {
	t.Helper()
	h := newHarbour(t, options, cache.Policy{})
	packed := voyage(t, "1.2.3", content...)
	var refs []registry.Reference
	for i := range repositories {
		ref := registry.Reference{Host: h.Host, Repository: fmt.Sprintf("fleet%d/voyage", i), Tag: "1.2.3"}
		if _, err := h.client.Push(t.Context(), packed, ref, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	h.dir = ""
	h.Reset()
	return h, refs, h.newClient(t, cache.Policy{})
}

// Of 2,000 pulls from a server of which three requests in ten fail, none is
// wrong and none is lost.
func TestPullsFromAFlakyRegistry(t *testing.T) {
	const workers, pulls = 8, 250
	h, refs, client := harbourOf(t, registrytest.Options{}, workers, bytes.Repeat([]byte("# harbour\n"), 500))
	h.SetFaults(
		&registrytest.Faults{Cut: true, Probability: 0.06, Seed: 1},
		&registrytest.Faults{Reset: true, Probability: 0.06, Seed: 2},
		&registrytest.Faults{Status: 503, Probability: 0.06, Seed: 3},
		&registrytest.Faults{Status: 429, Probability: 0.06, Seed: 4},
		&registrytest.Faults{Truncate: true, Probability: 0.05, Seed: 5},
		&registrytest.Faults{Cut: true, At: registrytest.LastByte, Probability: 0.06, Seed: 6},
	)
	want := h.packed(t, client, refs[0])
	h.Reset()
	var all sync.WaitGroup
	for _, ref := range refs {
		all.Go(func() {
			for range pulls {
				if got := h.packed(t, client, ref); !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, want %d", ref, len(got), len(want))
				}
			}
		})
	}
	all.Wait()
	failed := 0
	for _, r := range h.Requests() {
		if r.Status != 200 && r.Status != 206 {
			failed++
		}
	}
	n := h.Cost().Requests
	t.Logf("%d pulls took %d requests, of which %d were cut or refused", workers*pulls, n, failed)
	if clean := 2 * workers * pulls; n < clean*12/10 || n > clean*17/10 { // 1/(1-0.3) of them is 1.43
		t.Errorf("%d requests for %d pulls", n, workers*pulls)
	}
}

// packed pulls and reads an archive.
func (h *harbour) packed(t *testing.T, client *chart.Client, ref registry.Reference) []byte {
	t.Helper()
	pulled, err := client.Pull(t.Context(), ref, chart.PullOptions{})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer pulled.Close()
	data, err := io.ReadAll(pulled.Archive.Reader())
	if err != nil {
		t.Error(err)
	}
	return data
}

// A hundred charts over a line of 50 ms arrive in a second and a half, over no
// more connections than the default allows.
func TestManyPullsOverALongLine(t *testing.T) {
	const charts, limit, connections = 100, 1500 * time.Millisecond, 16
	h, refs, _ := harbourOf(t, registrytest.Options{Latency: 50 * time.Millisecond}, 1, nil)
	var took time.Duration
	for range 3 { // other work on the machine may slow one of them down
		client := h.newClient(t, cache.Policy{})
		h.Reset()
		before, _ := h.Connections() // of those who came earlier
		start := time.Now()
		var all sync.WaitGroup
		for range charts {
			all.Go(func() { h.packed(t, client, refs[0]) })
		}
		all.Wait()
		took = time.Since(start)
		_, most := h.Connections()
		t.Logf("%d pulls took %s, over %d connections at most", charts, took.Round(time.Millisecond), most-before)
		if most-before > connections {
			t.Errorf("%d connections at once", most-before)
		}
		if took <= limit {
			return
		}
	}
	t.Errorf("took %s", took)
}
