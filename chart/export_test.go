package chart_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// carry exports into a new layout and returns what it names.
func carry(t *testing.T, client *chart.Client, refs []registry.Reference, options chart.ExportOptions) (*chart.Exported, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundle")
	to, err := layout.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	exported, err := client.Export(t.Context(), to, refs, options)
	return exported, path, err
}

// carriedNames are the references below the namespace team.
func carriedNames(exported *chart.Exported) (names []string) {
	for _, root := range exported.Roots {
		_, name, _ := strings.Cut(root.Reference.String(), "/team/")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestExportDependencies: a chart comes with what its lock has, though there is
// newer, and a directory with its dependencies; both are built without a
// registry.
func TestExportDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "sail:1.0.0", "rope:0.1.0")
	app := registry.Reference{Host: h.Host, Repository: "team/boat"}
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1 team", "sail 1.0.0 team", "buoy 1.0.0 https://charts.example.com"))
	declared, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	without, _, _ := strings.Cut(string(declared), "- name: buoy")
	write(t, dir, map[string]string{"Chart.yaml": without})
	if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{Time: when}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.Push(t.Context(), pack(t, dir), app, chart.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	h.stock(t, "mast:1.1.0")
	fresh := (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, cache.Policy{})

	one, _, err := carry(t, fresh, []registry.Reference{app}, chart.ExportOptions{})
	if err != nil || !slices.Equal(carriedNames(one), []string{"boat:1.0.0"}) {
		t.Errorf("without dependencies: %v, %v", one, err)
	}
	all, _, err := carry(t, fresh, []registry.Reference{app, app.WithTag("1.0.0")}, chart.ExportOptions{Dependencies: true})
	if want := []string{"boat:1.0.0", "mast:1.0.0", "sail:1.0.0"}; err != nil || !slices.Equal(carriedNames(all), want) {
		t.Errorf("with dependencies: %v, %v, want %v", all, err, want)
	}
	of, bundle, err := carry(t, fresh, nil, chart.ExportOptions{Directories: []string{dir}})
	if want := []string{"mast:1.0.0", "sail:1.0.0"}; err != nil || !slices.Equal(carriedNames(of), want) {
		t.Errorf("of a directory: %v, %v, want %v", of, err, want)
	}

	// There, without a registry.
	before := tree(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
		t.Fatal(err)
	}
	there := &harbour{Server: h.Server, dir: t.TempDir()}
	offline := there.newClient(t, cache.Policy{Offline: true})
	store, err := cache.Open(there.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	from, err := layout.Open(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := store.Import(t.Context(), from, cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	h.Reset()
	if _, err := offline.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Errorf("build: %v", err)
	}
	if got := tree(t, dir); got["charts/mast-1.0.0.tgz"] != before["charts/mast-1.0.0.tgz"] || got["charts/sail-1.0.0.tgz"] != before["charts/sail-1.0.0.tgz"] {
		t.Errorf("built %v, want %v", got, before)
	}
	if n := len(h.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}

	// A directory without a lock: the newest in range, and what no reference names.
	if err := errors.Join(os.Remove(filepath.Join(dir, "Chart.lock")), os.Remove(filepath.Join(dir, chart.DigestsFile))); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"Chart.yaml": string(declared)})
	newest, _, err := carry(t, fresh, nil, chart.ExportOptions{Directories: []string{dir}})
	if want := []string{"mast:1.1.0", "sail:1.0.0"}; err != nil || !slices.Equal(carriedNames(newest), want) || len(newest.Left) != 1 || newest.Left[0].Name != "buoy" {
		t.Errorf("without a lock: %v, %v, want %v", newest, err, want)
	}
}

// TestExportFails: every dependency that cannot be had is named, as is a lock
// that no longer holds.
func TestExportFails(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "sail:1.0.0")
	boat := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team", "sail ^1 team"))
	if _, err := h.client.UpdateDependencies(t.Context(), boat, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	moved := pack(t, ship(t, t.TempDir(), "sail", "1.0.0", "description: sewn anew"))
	if _, err := h.client.Push(t.Context(), moved, registry.Reference{Host: h.Host, Repository: "team/sail"}, chart.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	raft := ship(t, t.TempDir(), "raft", "1.0.0", h.needs("mast 1.0.0 team", "log ^1 team", "mast 7.7.7 team more", "mast 8.8.8 team most"))
	stale := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team"))
	lock, err := os.ReadFile(filepath.Join(boat, "Chart.lock"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, stale, map[string]string{"Chart.lock": string(lock)})
	empty := (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, cache.Policy{Offline: true})
	none := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	mast := registry.Reference{Host: h.Host, Repository: "team/mast", Tag: "1.0.0"}
	for _, tt := range []struct {
		name   string
		client *chart.Client
		refs   []registry.Reference
		dir    string
		want   error
		texts  []string
	}{
		{"a version that moved", h.client, nil, boat, registry.ErrTagMoved, []string{moved.Manifest.Digest.String()}},
		{"a range without a match", h.client, nil, raft, registry.ErrNotFound, []string{"log", "^1"}},
		{"a lock of another chart", h.client, nil, stale, chart.ErrLockOutdated, []string{"Chart.lock"}},
		{"no directory", h.client, nil, filepath.Join(boat, "none"), os.ErrNotExist, nil},
		{"offline", empty, []registry.Reference{mast.WithTag("3.0.0")}, boat, registry.ErrNotFound, []string{"mast:1.0.0", "sail:1.0.0", "mast:3.0.0", "3 are missing"}},
		{"no cache", none, []registry.Reference{mast}, "", registry.ErrUnsupported, nil},
		{"not in the registry", h.client, []registry.Reference{mast.WithTag("7.7.7"), mast, mast.WithTag("8.8.8")}, "", registry.ErrNotFound, []string{"mast:7.7.7", "mast:8.8.8", "2 are missing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			options := chart.ExportOptions{}
			if tt.dir != "" {
				options.Directories = []string{tt.dir}
			}
			exported, path, err := carry(t, tt.client, tt.refs, options)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%+v, %v", exported, err)
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q is not in: %v", text, err)
				}
			}
			if blobs, _ := filepath.Glob(filepath.Join(path, "blobs", "*", "*")); len(blobs) > 0 {
				t.Errorf("written all the same: %v", blobs)
			}
		})
	}
	allow := chart.ExportOptions{Directories: []string{boat}, Allow: chart.DenyInternal}
	if _, _, err := carry(t, h.client, nil, allow); !errors.Is(err, chart.ErrNotAllowed) {
		t.Errorf("a host that is not allowed: %v", err)
	}
}
