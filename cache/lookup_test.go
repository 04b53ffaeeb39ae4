package cache_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func TestLookupOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		manifest, _ := f.add("1.0.0", []byte("layer"))
		s, _ := newStore(t, "")
		start := time.Now()
		confirming := s.Through(f, v1, cache.Policy{})
		trusting := s.Through(f, v1, cache.Policy{MaxAge: time.Minute})
		lookup := func(src *cache.Source, origin cache.Origin, fetched, confirmed time.Time) {
			t.Helper()
			got, err := src.Lookup(t.Context(), "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if got.Descriptor.Digest != manifest.Digest || got.Origin != origin || !got.Fetched.Equal(fetched) || !got.Confirmed.Equal(confirmed) {
				t.Errorf("Lookup = %+v, want origin %s, fetched %s, confirmed %s", got, origin, fetched, confirmed)
			}
		}
		lookup(confirming, cache.FromNetwork, time.Time{}, start)
		lookup(trusting, cache.FromNetwork, time.Time{}, start) // nothing to trust yet
		time.Sleep(time.Second)
		if _, err := fetch(t.Context(), confirming, manifest); err != nil {
			t.Fatal(err)
		}
		lookup(trusting, cache.FromCache, start, start)
		time.Sleep(30 * time.Second)
		lookup(confirming, cache.FromNetwork, start, time.Now())
		confirmed := time.Now()
		time.Sleep(59 * time.Second)
		lookup(trusting, cache.FromCache, start, confirmed)
		time.Sleep(time.Second)
		lookup(trusting, cache.FromNetwork, start, time.Now())
	})
}

// A record that a wrong clock dated into the future is not trusted for years.
func TestFutureConfirmation(t *testing.T) {
	f := newFake()
	f.add("1.0.0", []byte("layer"))
	s, _ := newStore(t, "")
	mustPull(t, s.Through(f, v1, cache.Policy{}), "1.0.0", []byte("layer"))
	synctest.Test(t, func(t *testing.T) { // its clock starts in 2000
		f.spent()
		if _, err := s.Through(f, v1, cache.Policy{MaxAge: time.Hour}).Resolve(t.Context(), "1.0.0"); err != nil {
			t.Fatal(err)
		}
		if got := f.spent(); got != "Resolve" {
			t.Errorf("asked the source for %q, want one Resolve", got)
		}
	})
}

func TestInvalidReferences(t *testing.T) {
	s, _ := newStore(t, "")
	src := s.Through(newFake(), team, cache.Policy{})
	for _, reference := range []string{"", "../../x", "a/b", ".", "sha256:zz", strings.Repeat("a", 129)} {
		if _, err := src.Resolve(t.Context(), reference); !errors.Is(err, registry.ErrInvalidReference) {
			t.Errorf("Resolve(%q): %v", reference, err)
		}
		if _, err := src.Fetch(t.Context(), ocispec.Descriptor{Digest: "sha256:../../../etc/passwd"}); !errors.Is(err, registry.ErrInvalidReference) {
			t.Errorf("Fetch of a path: %v", err)
		}
	}
	if _, err := src.Resolve(t.Context(), "absent"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a tag that the source lacks: %v", err)
	}
}
