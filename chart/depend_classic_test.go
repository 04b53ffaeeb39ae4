package chart_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// shelf is a classic repository of archives in a directory. It has a URL only
// where one is given.
type shelf struct {
	dir    string
	client *chart.Client // keeps what it opens; nil: nobody does
}

func (s *shelf) Versions(_ context.Context, name string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(s.dir, name+"-*.tgz"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("chart %s: %w", name, registry.ErrNotFound)
	}
	for i, path := range found {
		found[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), name+"-"), ".tgz")
	}
	return append(found, "latest"), err
}

func (s *shelf) Pull(ctx context.Context, name, version string) (*chart.Packed, error) {
	packed, err := chart.Pack(ctx, filepath.Join(s.dir, name+"-"+version+".tgz"), nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("chart %s %s: %w", name, version, registry.ErrNotFound)
	}
	if err == nil && s.client != nil {
		_, err = s.client.Keep(ctx, packed, registry.Reference{Host: "shelf.example", Repository: name})
	}
	return packed, err
}

// named is a shelf that tells its URL.
type named struct {
	*shelf
	url string
}

func (n named) URL() string { return n.url }

func (s *shelf) put(t *testing.T, name, version string, lines ...string) {
	t.Helper()
	if _, _, err := chart.PackageFile(t.Context(), ship(t, t.TempDir(), name, version, lines...), s.dir, nil); err != nil {
		t.Fatal(err)
	}
}

func TestClassicDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	s := &shelf{dir: t.TempDir(), client: h.client}
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0-rc.1", "1.1.9+b.1", "1.1.9+b.2"} {
		s.put(t, "mast", v)
	}
	var opened []string
	options := chart.DependencyOptions{Repositories: func(_ context.Context, url string) (chart.Repository, error) {
		opened = append(opened, url)
		if url == "@stable" {
			return named{s, "https://shelf.example/charts"}, nil
		}
		return s, nil
	}}
	for _, tc := range []struct{ dep, version, repository string }{
		{"mast ^1.0.0 https://shelf.example/charts/", "1.1.9+b.2", "https://shelf.example/charts/"},
		{"mast 1.1.9+b.1 https://shelf.example/charts", "1.1.9+b.1", "https://shelf.example/charts"},
		{"mast 1.0 https://shelf.example/charts", "1.0.0", "https://shelf.example/charts"},
		{"mast >=1.2.0-0 @stable", "1.2.0-rc.1", "https://shelf.example/charts"},
		{"mast 1.0.0 alias:other", "1.0.0", "alias:other"},
	} {
		t.Run(tc.dep, func(t *testing.T) {
			dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs(tc.dep, tc.dep+" twice"))
			lock, err := h.client.UpdateDependencies(t.Context(), dir, options)
			if err != nil {
				t.Fatal(err)
			}
			if d := lock.Dependencies[0]; d.Version != tc.version || d.Repository != tc.repository {
				t.Errorf("locked %s from %s, want %s from %s", d.Version, d.Repository, tc.version, tc.repository)
			}
			if got := inCharts(t, dir); len(got) != 1 || got[0] != "mast-"+tc.version+".tgz" {
				t.Errorf("charts/ has %v", got)
			}
			if built, err := h.client.BuildDependencies(t.Context(), dir, options); err != nil || !built.Pinned {
				t.Errorf("build: %+v, %v", built, err)
			}
		})
	}

	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 https://shelf.example/charts"))
	lock, err := h.client.UpdateDependencies(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "mast", "1.0.0", "description: something else")
	before := tree(t, dir)
	_, err = h.client.BuildDependencies(t.Context(), dir, options)
	if !errors.Is(err, registry.ErrTagMoved) || !strings.Contains(err.Error(), lock.Pins[0].Layer.String()) {
		t.Errorf("an archive that changed: %v", err)
	}
	opened = nil
	options.SkipCheck = true
	if _, err = h.client.BuildDependencies(t.Context(), dir, options); err != nil || len(opened) > 0 {
		t.Errorf("without a check, from the cache: %v, opened %v", err, opened)
	}
	if after := tree(t, dir); after["charts/mast-1.0.0.tgz"] != before["charts/mast-1.0.0.tgz"] {
		t.Error("the build has taken other content than was locked")
	}
	for dep, want := range map[string]error{
		"mast ^3 https://shelf.example/charts": chart.ErrNoMatch, "sail * https://shelf.example/charts": registry.ErrNotFound,
	} {
		dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs(dep))
		if _, err := h.client.UpdateDependencies(t.Context(), dir, options); !errors.Is(err, want) {
			t.Errorf("%s: %v", dep, err)
		}
	}
}

// TestUnknownRepositoryFailsBesideOthers: a name that nobody has configured does
// not hide what is wrong with the other dependencies.
func TestUnknownRepositoryFailsBesideOthers(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	errUnknown := errors.New("no repository has this name")
	s := &shelf{dir: t.TempDir(), client: h.client}
	options := chart.DependencyOptions{Repositories: func(_ context.Context, url string) (chart.Repository, error) {
		if url == "@nobody" {
			return nil, errUnknown
		}
		return s, nil
	}}
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 @nobody", "sail * https://shelf.example/charts", "keel ^1 file://../keel"))
	before := tree(t, dir)
	_, err := h.client.UpdateDependencies(t.Context(), dir, options)
	failed, ok := errors.AsType[*chart.DependenciesError](err)
	if !ok || len(failed.Failed) != 3 || failed.Total != 3 {
		t.Fatalf("want all three: %v", err)
	}
	for i, want := range []error{errUnknown, registry.ErrNotFound, os.ErrNotExist} {
		if !errors.Is(failed.Failed[i], want) {
			t.Errorf("%d: %v, want %v", i, failed.Failed[i], want)
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("the directory has changed: -before +after:\n%s", diff)
	}
}
