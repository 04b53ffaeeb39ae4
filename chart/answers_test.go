package chart_test

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// Who keeps records sees which host gave the archive, and who said what the
// tag names.
func TestOriginTellsOfMirrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tags   bool                 // the mirror resolves tags too
		faults *registrytest.Faults // of the mirror
		mirror bool
		tag    bool
	}{
		{"content", false, nil, true, false},
		{"tags and content", true, nil, true, true},
		{"tags alone", true, &registrytest.Faults{Status: 404, Match: registrytest.Blobs}, false, true},
		{"down", true, &registrytest.Faults{Cut: true}, false, false},
		{"lying", false, &registrytest.Faults{Corrupt: true, Match: registrytest.Blobs}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			h.push(t, "1.0.0")
			mirror := registrytest.New(&registrytest.Options{Upstream: h.URL})
			t.Cleanup(mirror.Close)
			mirror.SetFaults(tc.faults)
			client := h.mirrored(t, registry.Mirror{Host: mirror.Host, Tags: tc.tags})
			resolved, err := client.Resolve(t.Context(), h.repo, chart.Selector{})
			if err != nil {
				t.Fatal(err)
			}
			got := h.pull(t, client, h.repo.WithTag("1.0.0"), chart.PullOptions{}).Origin
			host, tag := h.Host, ""
			if tc.mirror {
				host = mirror.Host
			}
			if tc.tag {
				tag = mirror.Host
			}
			if got.From != cache.FromNetwork || got.Host != host || got.Mirror != tc.mirror || got.TagMirror != tag || resolved.TagMirror != tag {
				t.Errorf("origin %+v, resolved by %q; want host %s, tag mirror %q", got, resolved.TagMirror, host, tag)
			}
			again := h.pull(t, client, resolved.Reference, chart.PullOptions{}).Origin
			if again.From != cache.FromCache || again.Host != "" || again.Mirror || again.TagMirror != "" {
				t.Errorf("from the cache: %+v", again)
			}
			data, err := json.Marshal(again)
			if err != nil || strings.Contains(string(data), "irror") {
				t.Errorf("in JSON: %s, %v", data, err)
			}
		})
	}
}

// mirrored makes a client of the harbour that asks a mirror.
func (h *harbour) mirrored(t *testing.T, mirror registry.Mirror) *chart.Client {
	t.Helper()
	r, err := registry.NewClient(&registry.Options{Retry: soon, Hosts: func(host string) (c registry.HostConfig, _ error) {
		if host == h.Host {
			c.Mirrors = []registry.Mirror{mirror}
		}
		return c, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// watching counts what it is told.
type watching struct {
	mu       sync.Mutex
	up, down map[string]int64 // bytes of ended transfers by digest
	steps    []string
}

func (w *watching) Moved(t registry.Transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.down
	if t.Upload {
		at = w.up
	}
	if t.Ended {
		at[string(t.Descriptor.Digest)] += t.Done
	}
}

func (w *watching) Stepped(s registry.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, string(s.Kind))
}

// take returns the bytes that went up and came down, and the steps, since the
// last call.
func (w *watching) take() (up, down int64, steps string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.up {
		up += n
	}
	for _, n := range w.down {
		down += n
	}
	steps = strings.Join(w.steps, " ")
	w.up, w.down, w.steps = map[string]int64{}, map[string]int64{}, nil
	return up, down, steps
}

// What moves is told of, once, also when it has to be sent or fetched in
// parts; what is there is not.
func TestProgressOfCharts(t *testing.T) {
	h := newHarbour(t, registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}}, cache.Policy{})
	w := &watching{}
	w.take()
	ctx := registry.WithProgress(t.Context(), w)
	filler := make([]byte, 1<<20)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range filler {
		filler[i] = 'a' + byte(source.Uint32()%26)
	}
	packed := voyage(t, "1.0.0", filler...)
	whole := packed.Layer.Size + packed.Config.Size + packed.Manifest.Size
	check := func(what string, up, down int64, steps string) {
		t.Helper()
		if gotUp, gotDown, gotSteps := w.take(); gotUp != up || gotDown != down || gotSteps != steps {
			t.Errorf("%s: %d up, %d down, %q; want %d, %d, %q", what, gotUp, gotDown, gotSteps, up, down, steps)
		}
	}
	push := func() {
		t.Helper()
		if _, err := h.client.Push(ctx, packed, h.repo, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	push()
	check("push", whole, 0, "")
	push()
	check("push again", 0, 0, "")
	ref := h.repo.WithTag("1.0.0")
	pull := func(client *chart.Client) {
		t.Helper()
		pulled, err := client.Pull(ctx, ref, chart.PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pulled.Close()
	}
	elsewhere := (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, cache.Policy{})
	h.SetFaults(&registrytest.Faults{Match: registrytest.Blobs, Cut: true, At: registrytest.MidBody, Times: 1})
	pull(elsewhere)
	check("pull with a broken connection", 0, packed.Manifest.Size+packed.Layer.Size, "resolve retry")
	pull(elsewhere)
	check("pull again", 0, 0, "resolve")

	fetch := func(context.Context) (io.ReadCloser, error) { return packed.Fetch(ctx, packed.Layer) }
	adopted, err := elsewhere.Adopt(ctx, "", fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	adopted.Close()
	check("adopt", 0, packed.Layer.Size, "")
}

// A wait that the registry asks for is told of by whoever waits.
func TestProgressOfWaits(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	h.SetFaults(&registrytest.Faults{Status: 429, Header: registrytest.RetryAfter(time.Second), Times: 1})
	w := &watching{}
	w.take()
	ctx := registry.WithProgress(t.Context(), w)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := h.client.Resolve(ctx, h.repo.WithTag("1.0.0"), chart.Selector{}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(200 * time.Millisecond)
	}
	all.Wait()
	if _, _, steps := w.take(); steps != "resolve retry resolve wait" {
		t.Errorf("steps %q", steps)
	}
}
