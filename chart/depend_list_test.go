package chart_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestListDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	names := []string{"ok", "unpacked", "renamed", "missing", "wrong", "range", "misnamed", "corrupt", "many", "short"}
	var deps []string
	for _, n := range names {
		deps = append(deps, n+" ^1.0.0 team")
	}
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs(deps...))
	charts := filepath.Join(dir, "charts")
	add := func(file, name, version string) {
		t.Helper()
		path, _, err := chart.PackageFile(t.Context(), ship(t, t.TempDir(), name, version), t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, charts, map[string]string{file: string(data)})
	}
	add("ok-1.2.0.tgz", "ok", "1.2.0")
	add("ok-others-1.0.0.tgz", "ok-others", "1.0.0")
	ship(t, filepath.Join(charts, "unpacked"), "unpacked", "1.0.0")
	add("other.tgz", "renamed", "1.0.0")
	add("wrong-2.0.0.tgz", "wrong", "2.0.0")
	ship(t, filepath.Join(charts, "range"), "range", "0.9.0")
	add("misnamed-1.0.0.tgz", "another", "1.0.0")
	write(t, charts, map[string]string{"corrupt-1.0.0.tgz": "no archive", "README.md": "text", "empty/x": "", ".hidden/x": ""})
	add("many-1.0.0.tgz", "many", "1.0.0")
	add("many-1.1.0.tgz", "many", "1.1.0")
	add("short-1.tgz", "short", "1.0.0")
	list, err := chart.ListDependencies(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range list.Dependencies {
		got[d.Dependency.Name] = d.Status
	}
	want := map[string]string{"ok": "ok", "unpacked": "unpacked", "renamed": "unpacked", "missing": "missing", "wrong": "wrong version",
		"range": "wrong version", "misnamed": "misnamed", "corrupt": "corrupt", "many": "too many matches", "short": "ok"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"corrupt-1.0.0.tgz", "empty", "misnamed-1.0.0.tgz", "ok-others-1.0.0.tgz"}, list.Undeclared); diff != "" {
		t.Errorf("undeclared (-want +got):\n%s", diff)
	}
	if _, err := chart.ListDependencies(t.Context(), t.TempDir(), nil); !errors.Is(err, chart.ErrNotChart) {
		t.Errorf("no chart: %v", err)
	}
	if _, err := chart.ListDependencies(t.Context(), filepath.Join(dir, "absent"), nil); err == nil {
		t.Error("no directory, and no error")
	}
}
