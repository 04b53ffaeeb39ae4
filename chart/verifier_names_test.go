package chart_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestVerifierOfPinnedDependencies: what the cache holds by the digests of the
// lock is judged like what is fetched.
func TestVerifierOfPinnedDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	s := &shelf{dir: t.TempDir(), client: h.client}
	s.put(t, "mast", "1.0.0")
	dir := ship(t, t.TempDir(), "fleet", "1.0.0", h.needs("mast 1.0.0 https://shelf.example/charts"))
	options := chart.DependencyOptions{Repositories: func(context.Context, string) (chart.Repository, error) { return s, nil }}
	if _, err := h.client.UpdateDependencies(t.Context(), dir, options); err != nil {
		t.Fatal(err)
	}
	var answer error
	v := judge(func(_ context.Context, s chart.Subject) (string, error) {
		if s.Name != "mast" || s.Version != "1.0.0" {
			t.Errorf("judged %+v", s)
		}
		return "alice", answer
	})
	for _, offline := range []bool{false, true} {
		options.SkipCheck = !offline
		client := h.verified(t, cache.Policy{Offline: offline}, v)
		for _, refusal := range []error{fmt.Errorf("%w: forged", chart.ErrVerification), nil} {
			if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
				t.Fatal(err)
			}
			answer = refusal
			_, err := client.BuildDependencies(t.Context(), dir, options)
			if !errors.Is(err, refusal) || (refusal == nil) != (len(inCharts(t, dir)) == 1) {
				t.Errorf("offline %t, verifier says %v: %v, charts/ has %q", offline, refusal, err, inCharts(t, dir))
			}
		}
	}
}
