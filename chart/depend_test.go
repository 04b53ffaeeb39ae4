package chart_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

// when is the time of every lock in these tests.
var when = time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)

// ship makes a chart directory with these lines in its Chart.yaml.
func ship(t testing.TB, dir, name, version string, lines ...string) string {
	t.Helper()
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n%s\n", name, version, strings.Join(lines, "\n"))
	return write(t, dir, map[string]string{"Chart.yaml": text, "values.yaml": "name: " + name + "\n"})
}

func pack(t testing.TB, dir string) *chart.Packed {
	t.Helper()
	packed, err := chart.Pack(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return packed
}

// stock pushes charts, "name:version", to the repositories team/name. Nothing of
// it is in the cache.
func (h *harbour) stock(t *testing.T, charts ...string) {
	t.Helper()
	client := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	for _, c := range charts {
		name, version, _ := strings.Cut(c, ":")
		ref := registry.Reference{Host: h.Host, Repository: "team/" + name}
		if _, err := client.Push(t.Context(), pack(t, ship(t, t.TempDir(), name, version)), ref, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	h.Reset()
}

// needs are the lines that declare dependencies, each "name version repository
// [alias]"; team stands for the registry's namespace, - for no repository.
func (h *harbour) needs(deps ...string) string {
	var b strings.Builder
	b.WriteString("dependencies:\n")
	for _, d := range deps {
		f := strings.Split(d, " ")
		repository := strings.NewReplacer("team", "oci://"+h.Host+"/team", "-", "").Replace(f[2])
		if f[2] != "team" && f[2] != "-" {
			repository = f[2]
		}
		fmt.Fprintf(&b, "- name: %s\n  version: %q\n  repository: %q\n", f[0], f[1], repository)
		if len(f) > 3 {
			fmt.Fprintf(&b, "  alias: %s\n", f[3])
		}
	}
	return b.String()
}

// tree lists the files below dir with their content, archives by name only.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			if strings.Contains(name, ".portolan-") {
				all[name] = "left behind"
			}
			return nil
		}
		data, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// inCharts lists what is in charts/.
func inCharts(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "charts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUpdateDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.4.2", "mast:2.0.0", "mast:2.1.0-rc.1", "sail:0.3.0", "sail:0.3.1", "oar:1.0.0+wood.2")
	base := t.TempDir()
	ship(t, filepath.Join(base, "anchor"), "anchor", "3.1.4")
	dir := ship(t, filepath.Join(base, "boat"), "boat", "1.0.0", h.needs(
		"mast ^1.0.0 team", "mast >=2.1.0-0 team fore", "sail 0.3.0 team", "sail ~0.3 team spare",
		"oar 1.x team", "anchor ^3 file://../anchor", "hull >=1 -"))
	ship(t, filepath.Join(dir, "charts", "hull"), "hull", "1.1.0")

	lock, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{Time: when})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"anchor-3.1.4.tgz", "hull", "mast-1.4.2.tgz", "mast-2.1.0-rc.1.tgz", "oar-1.0.0+wood.2.tgz", "sail-0.3.0.tgz", "sail-0.3.1.tgz"}
	if diff := cmp.Diff(want, inCharts(t, dir)); diff != "" {
		t.Errorf("charts/ (-want +got):\n%s", diff)
	}
	var versions []string
	for i, d := range lock.Dependencies {
		versions = append(versions, d.Name+" "+d.Version)
		if pinned := lock.Pins[i].Manifest != ""; pinned != strings.HasPrefix(d.Repository, "oci://") {
			t.Errorf("%s from %q: pinned %v", d.Name, d.Repository, pinned)
		}
	}
	if diff := cmp.Diff([]string{"mast 1.4.2", "mast 2.1.0-rc.1", "sail 0.3.0", "sail 0.3.1", "oar 1.0.0+wood.2", "anchor 3.1.4", "hull >=1"}, versions); diff != "" {
		t.Errorf("lock (-want +got):\n%s", diff)
	}
	data, err := os.ReadFile(filepath.Join(dir, "Chart.lock"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), h.Host, "HOST")
	if !strings.HasPrefix(text, "dependencies:\n- name: mast\n  repository: oci://HOST/team\n  version: 1.4.2\n") ||
		!strings.HasSuffix(text, "\ngenerated: \"2026-02-03T04:05:06.000007Z\"\n") {
		t.Errorf("Chart.lock:\n%s", data)
	}
	read, err := chart.ParseLock(data)
	if err != nil || read.Digest != lock.Digest || len(read.Dependencies) != 7 {
		t.Errorf("read back: %+v, %v", read, err)
	}
	if pins, err := chart.ParseDigests([]byte(tree(t, dir)[chart.DigestsFile]), read); err != nil || !slices.Equal(pins, lock.Pins) {
		t.Errorf("pins read back: %v, %v", pins, err)
	}
	if _, err := chart.Pack(t.Context(), dir, nil); err != nil {
		t.Errorf("the chart with its dependencies: %v", err)
	}

	before := tree(t, dir)
	if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("an update with nothing new changed (-before +after):\n%s", diff)
	}
	if err := os.RemoveAll(filepath.Join(dir, "charts", "mast-1.4.2.tgz")); err != nil {
		t.Fatal(err)
	}
	built, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{RequireDigests: true})
	if err != nil || !built.Pinned {
		t.Fatal(built, err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("a build differs from the update (-update +build):\n%s", diff)
	}
}

// TestUpdateKeepsAndRemoves does with what is in charts/ what Helm's
// safeMoveDeps does.
func TestUpdateKeepsAndRemoves(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1 team", "hull * -"))
	ship(t, filepath.Join(dir, "charts", "hull"), "hull", "1.1.0")
	ship(t, filepath.Join(dir, "charts", "mast"), "mast", "0.9.0")
	for _, c := range []string{"mast-0.9.0", "stranger-1.0.0", "hull-1.0.0"} {
		name, version, _ := strings.Cut(c, "-")
		if _, _, err := chart.PackageFile(t.Context(), ship(t, t.TempDir(), name, version), filepath.Join(dir, "charts"), nil); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{
		"charts/README.md": "text", "charts/mast-0.9.0.tgz.prov": "signed", "charts/broken-1.0.0.tgz": "no archive",
		"charts/.portolan-killed/1": "half an archive",
	})
	if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"README.md", "broken-1.0.0.tgz", "hull", "hull-1.0.0.tgz", "mast", "mast-0.9.0.tgz.prov", "mast-1.0.0.tgz"}
	if diff := cmp.Diff(want, inCharts(t, dir)); diff != "" {
		t.Errorf("charts/ (-want +got):\n%s", diff)
	}
}

// TestDependenciesFail: everything that is wrong is told, and nothing changes.
func TestDependenciesFail(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "sail:1.0.0", "sail:1.1.0")
	client := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	elsewhere := registry.Reference{Host: h.Host, Repository: "team/oar"}
	if _, err := client.Push(t.Context(), pack(t, ship(t, t.TempDir(), "paddle", "1.0.0")), elsewhere, chart.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	ship(t, filepath.Join(base, "anchor"), "anchor", "3.1.4")
	ship(t, filepath.Join(base, "winch"), "winch", "1.0.0", "dependencies: [{name: rope, version: 1, repository: 'oci://x.example/y'}]")
	dir := filepath.Join(base, "boat")
	for _, tc := range []struct {
		name string
		dep  string
		want error
		says string
	}{
		{"range without a match", "sail ^2.0.0 team", chart.ErrNoMatch, "there are 1.1.0, 1.0.0"},
		{"only a stable version in it", "mast <1.0.0 team fore", chart.ErrNoMatch, "there are 1.0.0"},
		{"no such version", "sail 1.2.0 team", chart.ErrNoMatch, "no version or tag 1.2.0; there are 1.1.0"},
		{"no such repository", "gull * team", registry.ErrNotFound, "team/gull"},
		{"the name twice", "sail * oci://" + h.Host + "/team/sail", registry.ErrNotFound, "oci://" + h.Host + "/team may be what is meant"},
		{"another chart there", "oar 1.0.0 team", registry.ErrNotFound, `the one chart here is "paddle", not "oar"`},
		{"not in charts/", "hull * -", chart.ErrMissingDependency, "charts/hull"},
		{"directory of another version", "anchor ^4 file://../anchor", chart.ErrNoMatch, "there are 3.1.4"},
		{"directory of another chart", "chain * file://../anchor", chart.ErrInvalidArchive, `is the chart "anchor"`},
		{"no such directory", "chain * file://../chain", fs.ErrNotExist, "chain"},
		{"directory that lacks its own", "winch * file://../winch", chart.ErrMissingDependency, "rope"},
		{"classic without an opener", "chain * https://charts.example", registry.ErrUnsupported, "not set up"},
		{"name without an opener", "chain * @stable", registry.ErrUnsupported, "not set up"},
		{"no repository at all", "chain * stable", registry.ErrInvalidReference, "oci://host/path"},
		{"no range", "sail one team", chart.ErrInvalidMetadata, "no range"},
		{"no version", "sail  team", chart.ErrInvalidMetadata, "write *"},
		{"name that is a path", "../sail * team", chart.ErrInvalidMetadata, "directory"},
		{"no reference", "sail * oci://" + h.Host + "/Team", registry.ErrInvalidReference, "upper-case"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			deps := []string{"mast ^1 team", tc.dep, "sail >=3 team spare"}
			ship(t, dir, "boat", "1.0.0", h.needs(deps...))
			write(t, dir, map[string]string{"charts/mast-0.1.0.tgz": "old", "Chart.lock": "old"})
			before := tree(t, dir)
			_, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error = %v\nwant %v saying %q", err, tc.want, tc.says)
			}
			all, ok := errors.AsType[*chart.DependenciesError](err)
			if tc.name != "name without an opener" && (!ok || len(all.Failed) != 2 || !strings.Contains(err.Error(), "2 of 3") || !strings.Contains(err.Error(), ">=3")) {
				t.Errorf("not every failure is told: %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("a failure changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestDependenciesOfOddCharts(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0")
	t.Run("none declared", func(t *testing.T) {
		dir := ship(t, t.TempDir(), "boat", "1.0.0")
		before := tree(t, dir)
		for _, run := range []func(context.Context, string, chart.DependencyOptions) (*chart.Lock, error){h.client.UpdateDependencies, h.client.BuildDependencies} {
			if lock, err := run(t.Context(), dir, chart.DependencyOptions{RequireDigests: true}); err != nil || len(lock.Dependencies) != 0 {
				t.Fatal(lock, err)
			}
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" || len(inCharts(t, dir)) > 0 {
			t.Errorf("changed (-before +after):\n%s", diff)
		}
	})
	t.Run("apiVersion v1", func(t *testing.T) {
		dir := write(t, t.TempDir(), map[string]string{
			"Chart.yaml":        "apiVersion: v1\nname: boat\nversion: 1.0.0\n",
			"requirements.yaml": h.needs("mast ^1 team"),
		})
		lock, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(maps.Keys(tree(t, dir)))
		if diff := cmp.Diff([]string{chart.DigestsFile, "Chart.yaml", "charts/mast-1.0.0.tgz", "requirements.lock", "requirements.yaml"}, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if built, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil || !built.Pinned || built.Digest != lock.Digest {
			t.Errorf("build: %+v, %v", built, err)
		}
	})
	t.Run("not a chart", func(t *testing.T) {
		if _, err := h.client.UpdateDependencies(t.Context(), t.TempDir(), chart.DependencyOptions{}); !errors.Is(err, chart.ErrNotChart) {
			t.Errorf("empty directory: %v", err)
		}
		if _, err := h.client.UpdateDependencies(t.Context(), filepath.Join(t.TempDir(), "x"), chart.DependencyOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no directory: %v", err)
		}
	})
	t.Run("Chart.lock is a link", func(t *testing.T) {
		dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1 team"))
		write(t, dir, map[string]string{"Chart.lock->": "elsewhere.lock"})
		before := tree(t, t.TempDir())
		if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); !errors.Is(err, chart.ErrUnsafeArchive) {
			t.Errorf("error = %v", err)
		}
		if names := inCharts(t, dir); len(names) > 0 {
			t.Errorf("charts/ has %v after %v", names, before)
		}
	})
	t.Run("charts/ leads out", func(t *testing.T) {
		outside := t.TempDir()
		dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1 team"))
		write(t, dir, map[string]string{"charts->": outside})
		if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err == nil {
			t.Error("wrote through a link out of the chart")
		}
		if got := tree(t, outside); len(got) > 0 {
			t.Errorf("outside of the chart: %v", got)
		}
	})
	t.Run("two charts in one file", func(t *testing.T) {
		base := t.TempDir()
		ship(t, filepath.Join(base, "mast"), "mast", "1.0.0", "description: another")
		dir := ship(t, filepath.Join(base, "boat"), "boat", "1.0.0", h.needs("mast ^1 team", "mast 1.0.0 file://../mast fore"))
		if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); !errors.Is(err, chart.ErrInvalidArchive) {
			t.Errorf("error = %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "charts")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("charts/ was left: %v", err)
		}
	})
}
