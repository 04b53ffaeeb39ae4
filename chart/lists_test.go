package chart_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// listsAge makes the tag lists in the cache older.
func (h *harbour) listsAge(t *testing.T, age time.Duration) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(h.dir, "parts", "*", "tags", "*"))
	if len(files) == 0 {
		t.Fatal("no tag list is kept")
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, data, _ = bytes.Cut(data, []byte("\n"))
		var list map[string]any
		if err := json.Unmarshal(data, &list); err != nil {
			t.Fatal(err)
		}
		list["listed"] = time.Now().Add(-age)
		if data, err = json.Marshal(list); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if err := os.WriteFile(path, []byte(hex.EncodeToString(sum[:])+"\n"+string(data)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func listsOnly(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/tags/list") }

// TestRangeWithinMaxAge: what a list has is believed for max-age, and what it
// has not for a minute (a pipeline that publishes, then deploys).
func TestRangeWithinMaxAge(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{MaxAge: time.Hour})
	h.push(t, "1.0.0")
	resolve := func(version, want, cost string, listed time.Duration) {
		t.Helper()
		h.Reset()
		got, err := h.client.Resolve(t.Context(), h.repo, chart.Selector{Version: version})
		if want == "" && !errors.Is(err, chart.ErrNoMatch) || want != "" && (err != nil || got.Version != want) {
			t.Fatalf("%q: %+v, %v, want %q", version, got, err, want)
		}
		if want != "" && (time.Since(got.Listed)-listed).Abs() > 30*time.Second {
			t.Errorf("%q: listed at %s, want %s ago", version, got.Listed, listed)
		}
		h.costs(t, version, cost, 0)
	}
	h.pull(t, h.client, h.repo, chart.PullOptions{})
	resolve("^1", "1.0.0", "", 0)
	h.push(t, "1.1.0", "2.0.0")
	resolve("^2", "", "", 0)
	h.listsAge(t, 2*time.Minute)
	resolve("^1", "1.0.0", "", 2*time.Minute)
	resolve("^2", "2.0.0", "GET HEAD", 0)
	h.push(t, "3.0.0")
	h.listsAge(t, 2*time.Minute)
	resolve("v3.0.0", "3.0.0", "HEAD GET HEAD", 0)
	h.push(t, "4.0.0")
	h.listsAge(t, 2*time.Minute)
	h.Reset()
	var listing cache.Listing
	for v, err := range h.client.Versions(t.Context(), h.repo, chart.VersionOptions{Version: "^4", Listed: func(l cache.Listing) { listing = l }}) {
		if err != nil || v.Version != "4.0.0" || listing.Origin != cache.FromNetwork {
			t.Errorf("versions: %+v, %v, %+v", v, err, listing)
		}
	}
	h.costs(t, "versions", "GET", 0)
	h.listsAge(t, 2*time.Hour)
	resolve("^1", "1.1.0", "GET HEAD", 0)
	resolve("^9", "", "", 0)
}

// TestRangeFromStaleList: a list that had to stand in makes the choice stale,
// also where the tag was confirmed and the archive was sent.
func TestRangeFromStaleList(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{StaleIfError: time.Hour})
	h.push(t, "1.0.0")
	for _, err := range h.client.Versions(t.Context(), h.repo, chart.VersionOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.listsAge(t, 10*time.Minute)
	h.push(t, "1.1.0")
	h.SetFaults(&registrytest.Faults{Cut: true, Match: listsOnly})
	old := func(then time.Time) bool { return (time.Since(then) - 10*time.Minute).Abs() < time.Minute }

	pulled := h.pull(t, h.client, h.repo, chart.PullOptions{}).Origin
	if pulled.From != cache.FromStale || pulled.Host != h.Host || pulled.Resolved.Tag != "1.0.0" || !old(pulled.Listed) || time.Since(pulled.Confirmed) > time.Minute {
		t.Errorf("pulled %+v", pulled)
	}
	resolved, err := h.client.Resolve(t.Context(), h.repo, chart.Selector{Version: "^1"})
	if err != nil || resolved.From != cache.FromStale || resolved.Version != "1.0.0" || !old(resolved.Listed) {
		t.Errorf("resolved %+v, %v", resolved, err)
	}
	if exact, err := h.client.Resolve(t.Context(), h.repo, chart.Selector{Version: "1.1.0"}); err != nil || exact.From != cache.FromNetwork || !exact.Listed.IsZero() {
		t.Errorf("a tag, for which no list is needed: %+v, %v", exact, err)
	}
	told := 0
	for v, err := range h.client.Versions(t.Context(), h.repo, chart.VersionOptions{Listed: func(l cache.Listing) {
		if told++; l.Origin != cache.FromStale || !old(l.Listed) || !errors.Is(l.Err, registry.ErrUnavailable) {
			t.Errorf("listing %+v", l)
		}
	}}) {
		if err != nil || v.Version != "1.0.0" || told != 1 {
			t.Errorf("%+v, %v, told %d times", v, err, told)
		}
	}

	// It is no proof that there is nothing.
	if _, err := h.client.Resolve(t.Context(), h.repo, chart.Selector{Version: "^9"}); !errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a range that a stale list does not have: %v", err)
	}
	for _, err := range h.client.Versions(t.Context(), h.repo, chart.VersionOptions{Version: "^9"}) {
		if !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("versions that a stale list does not have: %v", err)
		}
	}
}

// TestDependencyWithinMaxAge: so it is with the ranges of dependencies.
func TestDependencyWithinMaxAge(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{MaxAge: time.Hour, StaleIfError: time.Hour})
	h.stock(t, "mast:1.0.0")
	update := func(version string) error {
		dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast "+version+" team"))
		h.Reset()
		_, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{})
		return err
	}
	if err := update("^1"); err != nil {
		t.Fatal(err)
	}
	h.stock(t, "mast:2.0.0")
	if err := update("^2"); !errors.Is(err, chart.ErrNoMatch) {
		t.Errorf("within a minute: %v", err)
	}
	h.costs(t, "within a minute", "", 0)
	h.listsAge(t, 2*time.Minute)
	if err := update("^1"); err != nil {
		t.Error(err)
	}
	h.costs(t, "what the list has", "", 0)
	if err := update("^2"); err != nil {
		t.Error(err)
	}
	h.costs(t, "after a minute", "GET GET GET", 0)
	h.listsAge(t, 2*time.Minute)
	h.SetFaults(&registrytest.Faults{Cut: true, Match: listsOnly})
	if err := update("^3"); !errors.Is(err, registry.ErrUnavailable) || errors.Is(err, chart.ErrNoMatch) {
		t.Errorf("stale: %v", err)
	}
}
