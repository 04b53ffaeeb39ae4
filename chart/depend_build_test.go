package chart_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// sortedMethods sorts the methods of the requests, which come in no order.
func (h *harbour) sortedMethods(t *testing.T) string {
	t.Helper()
	m := strings.Fields(h.Cost().Methods())
	slices.Sort(m)
	h.Reset()
	return strings.Join(m, " ")
}

func TestDependencyBudget(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.1.0", "sail:1.0.0", "oar:1.0.0", "oar:2.0.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs(
		"mast ^1 team", "mast 1.x team fore", "mast 1.0.0 team aft", "sail 1.0.0 team", "oar 1.x team", "oar >=2 team spare"))
	run := func(what, want string, policy cache.Policy, cached bool, options chart.DependencyOptions, build bool) {
		t.Helper()
		client := h.newClient(t, policy)
		if !cached {
			client = (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, policy)
		}
		h.Reset()
		update := client.UpdateDependencies
		if build {
			update = client.BuildDependencies
		}
		if _, err := update(t.Context(), dir, options); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if sent := h.Cost().Sent; sent > 0 && want == "HEAD HEAD HEAD HEAD HEAD" {
			t.Errorf("%s: %d bytes of body", what, sent)
		}
		if got := h.sortedMethods(t); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	// Five charts of three repositories, two of them in ranges.
	run("update, nothing cached", strings.Repeat("GET ", 11)+"GET", cache.Policy{}, true, chart.DependencyOptions{}, false)
	run("update, nothing new", "GET GET HEAD HEAD HEAD HEAD HEAD", cache.Policy{}, true, chart.DependencyOptions{}, false)
	run("build, warm", "HEAD HEAD HEAD HEAD HEAD", cache.Policy{}, true, chart.DependencyOptions{}, true)
	run("build, warm, no check", "", cache.Policy{}, true, chart.DependencyOptions{SkipCheck: true}, true)
	run("build, warm, offline", "", cache.Policy{Offline: true}, true, chart.DependencyOptions{}, true)
	run("build, warm, within max-age", "", cache.Policy{MaxAge: time.Hour}, true, chart.DependencyOptions{}, true)
	run("build, nothing cached", strings.Repeat("GET ", 9)+"GET", cache.Policy{}, false, chart.DependencyOptions{}, true)
	if err := os.Remove(filepath.Join(dir, chart.DigestsFile)); err != nil {
		t.Fatal(err)
	}
	run("build without pins, warm", "HEAD HEAD HEAD HEAD HEAD", cache.Policy{}, true, chart.DependencyOptions{}, true)
	run("build without pins, nothing cached", strings.Repeat("GET ", 9)+"GET", cache.Policy{}, false, chart.DependencyOptions{}, true)
	if _, err := os.Stat(filepath.Join(dir, chart.DigestsFile)); err == nil {
		t.Error("a build has written pins")
	}
}

// TestBuildTagMoved: content that changed under its version fails, and says from
// what to what; so does a version that is gone. Nothing but manifests is read.
func TestBuildTagMoved(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "sail:1.0.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team", "sail ^1 team"))
	lock, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	client := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	other := pack(t, ship(t, t.TempDir(), "sail", "1.0.0", "description: sewn anew"))
	if _, err := client.Push(t.Context(), other, registry.Reference{Host: h.Host, Repository: "team/sail"}, chart.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for name, client := range map[string]*chart.Client{"warm": h.client, "cold": (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, cache.Policy{})} {
		h.Reset()
		_, err = client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{})
		all, ok := errors.AsType[*chart.DependenciesError](err)
		if !errors.Is(err, registry.ErrTagMoved) || !ok || len(all.Failed) != 1 || all.Failed[0].Dependency.Name != "sail" {
			t.Fatalf("%s: %v", name, err)
		}
		for _, d := range []string{lock.Pins[1].Manifest.String(), other.Manifest.Digest.String()} {
			if !strings.Contains(err.Error(), d) {
				t.Errorf("%s: %s is not in: %v", name, d, err)
			}
		}
		for _, r := range h.Requests() {
			if strings.Contains(r.Path, other.Layer.Digest.String()) {
				t.Errorf("%s: the archive of a version that moved was fetched", name)
			}
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("a failure changed (-before +after):\n%s", diff)
	}
	if _, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{SkipCheck: true}); err != nil {
		t.Errorf("without a check: %v", err)
	}
	updated, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
	if err != nil || updated.Digest != lock.Digest || updated.Pins[1].Manifest != other.Manifest.Digest {
		t.Errorf("update: %+v, %v", updated, err)
	}
	if after := tree(t, dir); after["Chart.lock"] != before["Chart.lock"] || after["charts/sail-1.0.0.tgz"] == before["charts/sail-1.0.0.tgz"] {
		t.Error("the update has rewritten the lock, or has not taken the new content")
	}
}

func TestBuildWantsPins(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.1.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team"))
	strict := chart.DependencyOptions{RequireDigests: true}
	if _, err := h.client.BuildDependencies(t.Context(), dir, strict); !errors.Is(err, chart.ErrLockOutdated) {
		t.Errorf("no lock: %v", err)
	}
	if _, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.BuildDependencies(t.Context(), dir, strict); err != nil {
		t.Errorf("after an update: %v", err)
	}
	ship(t, dir, "boat", "1.0.0", h.needs("mast 1.1.0 team"))
	_, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{})
	if !errors.Is(err, chart.ErrLockOutdated) || !strings.Contains(err.Error(), "update the dependencies") {
		t.Errorf("the chart has changed: %v", err)
	}
	// What Helm would make of it: a new lock beside the old digests.
	team := "oci://" + h.Host + "/team"
	lock := &chart.Lock{Dependencies: []*chart.Dependency{{Name: "mast", Version: "1.1.0", Repository: team}}}
	lock.Digest = chart.LockDigest(lock.Dependencies, lock.Dependencies)
	data, err := lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"Chart.lock": string(data)})
	if built, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil || built.Pinned || built.Pins[0].Layer == "" {
		t.Errorf("stale digests: %+v, %v", built, err)
	}
	if _, err := h.client.BuildDependencies(t.Context(), dir, strict); !errors.Is(err, chart.ErrLockOutdated) {
		t.Errorf("stale digests: %v", err)
	}
	write(t, dir, map[string]string{chart.DigestsFile: "apiVersion: v9\n"})
	if _, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); !errors.Is(err, chart.ErrInvalidMetadata) {
		t.Errorf("digests of a later format: %v", err)
	}
}
