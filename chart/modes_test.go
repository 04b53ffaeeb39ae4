package chart_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestModesOfResults: what each result says of where it came from, and since
// when, once the registry is gone.
func TestModesOfResults(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "sail:1.0.0")
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team", "sail 1.0.0 team"))
	begin := time.Now()
	lock, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range lock.Origins {
		if o.From != cache.FromNetwork || o.Resolved.Digest != lock.Pins[i].Manifest || o.Confirmed.Before(begin) {
			t.Errorf("origin of %s: %+v", lock.Dependencies[i].Name, o)
		}
	}
	confirmed := lock.Origins[0].Confirmed
	ref := registry.Reference{Host: h.Host, Repository: "team/mast"}.WithTag("1.0.0")
	h.Close()
	for _, tc := range []struct {
		name   string
		policy cache.Policy
		want   cache.Origin // empty: registry.ErrUnavailable
		build  time.Time    // when a build says the lock was confirmed
	}{
		{"confirm", cache.Policy{}, "", time.Time{}},
		{"max-age", cache.Policy{MaxAge: time.Hour}, cache.FromCache, confirmed},
		{"stale", cache.Policy{StaleIfError: time.Hour}, cache.FromStale, confirmed},
		{"stale, too old", cache.Policy{StaleIfError: time.Nanosecond}, "", time.Time{}},
		{"offline", cache.Policy{Offline: true}, cache.FromCache, time.Time{}}, // by digest: there is nothing to confirm
	} {
		t.Run(tc.name, func(t *testing.T) {
			ofStore, err := cache.Open(h.dir, &cache.Options{Policy: tc.policy})
			if err != nil {
				t.Fatal(err)
			}
			r, err := registry.NewClient(&registry.Options{Retry: soon})
			if err != nil {
				t.Fatal(err)
			}
			byStore, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: ofStore})
			if err != nil {
				t.Fatal(err)
			}
			for how, client := range map[string]*chart.Client{"of the client": h.newClient(t, tc.policy), "of the call": h.client.WithPolicy(tc.policy), "of the store": byStore} {
				resolved, rerr := client.Resolve(t.Context(), ref, chart.Selector{})
				pulled, perr := client.Pull(t.Context(), ref, chart.PullOptions{})
				lock, berr := client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{})
				if tc.want == "" {
					for _, err := range []error{rerr, perr, berr} {
						if !errors.Is(err, registry.ErrUnavailable) {
							t.Errorf("%s: %v", how, err)
						}
					}
					continue
				}
				if err := errors.Join(rerr, perr, berr); err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				pulled.Close()
				if resolved.From != tc.want || !resolved.Confirmed.Equal(confirmed) || resolved.Moved != nil {
					t.Errorf("%s: resolved %+v, want %s since %s", how, resolved, tc.want, confirmed)
				}
				if o := pulled.Origin; o.From != tc.want || !o.Confirmed.Equal(confirmed) || o.Host != "" {
					t.Errorf("%s: pulled %+v, want %s since %s", how, o, tc.want, confirmed)
				}
				if o := lock.Origins[0]; o.From != tc.want || !o.Confirmed.Equal(tc.build) || o.Resolved.Digest != lock.Pins[0].Manifest {
					t.Errorf("%s: built with %+v, want %s since %s", how, o, tc.want, tc.build)
				}
			}
		})
	}
}

// TestMovedInResults: a version that was pushed again is noted or refused, by
// whatever it is asked for.
func TestMovedInResults(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	old := signed(t, "1.0.0", stamp("one"))
	h.pushPacked(t, old)
	pull := func(client *chart.Client, ref registry.Reference, sel chart.Selector) (*chart.Origin, error) {
		pulled, err := client.Pull(t.Context(), ref, chart.PullOptions{Selector: sel})
		if err != nil {
			return nil, err
		}
		return &pulled.Origin, pulled.Close()
	}
	if o, err := pull(h.client, h.repo, chart.Selector{}); err != nil || o.Moved != nil {
		t.Fatalf("%+v, %v", o, err)
	}
	now := signed(t, "1.0.0", stamp("two"))
	h.pushPacked(t, now)

	refuses := h.newClient(t, cache.Policy{Moved: cache.RefuseMoved})
	for name, sel := range map[string]chart.Selector{"newest": {}, "range": {Version: "^1"}, "version": {Version: "1.0.0"}} {
		for range 2 { // each time
			_, err := pull(refuses, h.repo, sel)
			m, ok := errors.AsType[*cache.TagMoved](err)
			if !ok || !errors.Is(err, registry.ErrTagMoved) || m.Old != old.Manifest.Digest || m.New != now.Manifest.Digest {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := refuses.Resolve(t.Context(), h.repo.WithTag("1.0.0"), chart.Selector{}); !errors.Is(err, registry.ErrTagMoved) {
		t.Errorf("resolve: %v", err)
	}
	if _, err := pull(refuses, h.repo.WithDigest(now.Manifest.Digest), chart.Selector{}); err != nil {
		t.Errorf("by its new digest: %v", err)
	}
	o, err := pull(h.client, h.repo, chart.Selector{Version: "^1"})
	if err != nil || o.Moved == nil || o.Moved.Old != old.Manifest.Digest || o.Moved.New != now.Manifest.Digest || o.Moved.Reference != h.repo.WithTag("1.0.0") {
		t.Errorf("noted: %+v, %v", o, err)
	}
	if o, err := pull(refuses, h.repo, chart.Selector{}); err != nil || o.Moved != nil {
		t.Errorf("once it is taken: %+v, %v", o, err)
	}
}

// TestStaleAnswers: what the registry does answer is never replaced.
func TestStaleAnswers(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	ref := h.repo.WithTag("1.0.0")
	pulled, err := h.client.Pull(t.Context(), ref, chart.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pulled.Close()
	if err := h.repository(t).Delete(t.Context(), pulled.Manifest); err != nil {
		t.Fatal(err)
	}
	stale := h.newClient(t, cache.Policy{StaleIfError: time.Hour})
	if _, err := stale.Pull(t.Context(), ref, chart.PullOptions{}); !errors.Is(err, registry.ErrNotFound) || errors.Is(err, chart.ErrNotCached) {
		t.Errorf("a tag that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := stale.Pull(ctx, ref, chart.PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who is gone: %v", err)
	}
}

// TestMovedDependency: a lock that pins the new content of a version is the word
// of somebody who has taken it, and is built where moves are refused.
func TestMovedDependency(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0")
	elsewhere := (&harbour{Server: h.Server, dir: t.TempDir()}).newClient(t, cache.Policy{})
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast 1.0.0 team"))
	if _, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	other := pack(t, ship(t, t.TempDir(), "mast", "1.0.0", "description: a new one"))
	if _, err := elsewhere.Push(t.Context(), other, registry.Reference{Host: h.Host, Repository: "team/mast"}, chart.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	refuses := h.newClient(t, cache.Policy{Moved: cache.RefuseMoved})
	if _, err := refuses.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); !errors.Is(err, registry.ErrTagMoved) {
		t.Errorf("an update: %v", err)
	}
	if _, err := elsewhere.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{}); err != nil {
		t.Fatal(err)
	}
	lock, err := refuses.BuildDependencies(t.Context(), dir, chart.DependencyOptions{})
	if err != nil || lock.Pins[0].Manifest != other.Manifest.Digest || lock.Origins[0].Moved == nil {
		t.Errorf("a build: %+v, %v", lock, err)
	}
}
