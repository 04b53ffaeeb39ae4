package chart_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestDenyInternal has only hosts that are judged without a name server.
func TestDenyInternal(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1:5000", "[::1]:5000", "::1", "10.1.2.3", "192.168.0.1:443", "169.254.169.254", "[fd00:ec2::254]", "0.0.0.0:80",
		"[::ffff:127.0.0.1]:80", "localhost", "LOCALHOST:5000", "localhost.", "vault", "vault:8200", "metadata.google.internal", "registry.svc.cluster.local",
		"x.localhost", "2130706433:80", "127.1", "0x7f.1", "1.0x7f000001", "", "[]", ".",
	} {
		if err := chart.DenyInternal(t.Context(), host); err == nil {
			t.Errorf("%q is allowed", host)
		}
	}
	for _, host := range []string{"93.184.216.34", "93.184.216.34:443", "[2606:4700::1]:443"} {
		if err := chart.DenyInternal(t.Context(), host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := chart.DenyInternal(ctx, "registry.example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("a name with an ended context: %v", err)
	}
}

func TestDependenciesAllow(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0")
	boat := func(deps ...string) string { return ship(t, t.TempDir(), "boat", "1.0.0", h.needs(deps...)) }
	opened := func(context.Context, string) (chart.Repository, error) {
		t.Error("a repository was opened")
		return nil, errors.New("no")
	}
	t.Run("internal hosts", func(t *testing.T) {
		_, err := h.client.UpdateDependencies(t.Context(), boat("mast ^1 team", "mast 1.0.0 team fore", "sail * http://10.0.0.1:8080/charts"),
			chart.DependencyOptions{Allow: chart.DenyInternal, Repositories: opened})
		if all, ok := errors.AsType[*chart.DependenciesError](err); !ok || len(all.Failed) != 3 || !errors.Is(err, chart.ErrNotAllowed) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("a lock does not get around it", func(t *testing.T) {
		dir := boat("mast ^1 team")
		if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
			t.Fatal(err)
		}
		h.Reset()
		for _, skip := range []bool{false, true} {
			if _, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{Allow: chart.DenyInternal, SkipCheck: skip}); !errors.Is(err, chart.ErrNotAllowed) {
				t.Errorf("error = %v", err)
			}
		}
	})
	t.Run("it is asked about each host", func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		_, err := h.client.UpdateDependencies(t.Context(), boat("mast ^1 team"), chart.DependencyOptions{Allow: func(_ context.Context, host string) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, host)
			return nil
		}})
		if err != nil || strings.Join(asked, " ") != h.Host {
			t.Errorf("asked about %q, %v", asked, err)
		}
		h.Reset()
	})
	t.Run("a name whose URL nobody knows", func(t *testing.T) {
		_, err := h.client.UpdateDependencies(t.Context(), boat("mast ^1 @stable"), chart.DependencyOptions{Allow: chart.DenyInternal,
			Repositories: func(context.Context, string) (chart.Repository, error) { return &shelf{}, nil }})
		if !errors.Is(err, chart.ErrNotAllowed) {
			t.Errorf("error = %v", err)
		}
	})
	if n := h.Cost().Requests; n > 0 {
		t.Errorf("%d requests to hosts that are refused", n)
	}
}

func TestDependenciesFileRoot(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	base := t.TempDir()
	outside := ship(t, filepath.Join(base, "outside"), "anchor", "1.0.0")
	root := filepath.Join(base, "root")
	ship(t, filepath.Join(root, "libs", "anchor"), "anchor", "1.0.0")
	if err := os.Symlink(outside, filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("libs", filepath.Join(root, "in")); err != nil {
		t.Fatal(err)
	}
	for repository, allowed := range map[string]bool{
		"file://../libs/anchor":                  true,
		"file://" + root + "/libs/anchor":        true,
		"file://../in/anchor":                    true,
		"file://../../outside":                   false,
		"file://" + outside:                      false,
		"file://../out":                          false,
		"file://../../root/../outside":           false,
		"file://" + root + "/libs/../../outside": false,
		"file://../in/../../outside":             false,
	} {
		dir := ship(t, filepath.Join(root, "boat"), "boat", "1.0.0", h.needs("anchor * "+repository))
		_, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{FileRoot: root})
		if allowed && err != nil || !allowed && !errors.Is(err, chart.ErrNotAllowed) {
			t.Errorf("%s: %v", repository, err)
		}
		if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
			t.Errorf("%s without a root: %v", repository, err)
		}
	}
}
