package chart_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// crate hands out one archive and counts how often.
type crate struct {
	data    []byte
	fetched int
	closed  int
}

func (s *crate) fetch(context.Context) (io.ReadCloser, error) {
	s.fetched++
	return struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(s.data), closer(func() { s.closed++ })}, nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

func newCrate(t *testing.T) (*crate, *chart.Packed) {
	t.Helper()
	packed := voyage(t, "1.0.0")
	data, err := io.ReadAll(packed.Archive().Reader())
	if err != nil {
		t.Fatal(err)
	}
	return &crate{data: data}, packed
}

func TestAdopt(t *testing.T) {
	for _, name := range []string{"with a cache", "without a cache"} {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			if name == "without a cache" {
				h.dir = ""
				h.client = h.newClient(t, cache.Policy{})
			}
			s, want := newCrate(t)
			for _, layer := range []digest.Digest{want.Layer.Digest, want.Layer.Digest, ""} {
				packed, err := h.client.Adopt(t.Context(), layer, s.fetch, nil)
				if err != nil {
					t.Fatal(err)
				}
				if packed.Manifest.Digest != want.Manifest.Digest || packed.Layer.Digest != want.Layer.Digest {
					t.Errorf("manifest %s, want %s", packed.Manifest.Digest, want.Manifest.Digest)
				}
				if err := packed.Close(); err != nil {
					t.Error(err)
				}
			}
			wantFetched := 3
			if h.dir != "" {
				wantFetched = 2 // the second was in the cache, the third nobody could look for
			}
			if s.fetched != wantFetched || s.closed != s.fetched {
				t.Errorf("%d fetched, want %d; %d closed", s.fetched, wantFetched, s.closed)
			}
		})
	}
}

// TestAdoptedIsCached: what was adopted is pulled by digest without a request.
func TestAdoptedIsCached(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	s, want := newCrate(t)
	packed, err := h.client.Adopt(t.Context(), "", s.fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	pulled := h.pull(t, h.client, h.repo.WithDigest(want.Manifest.Digest), chart.PullOptions{})
	if pulled.Layer.Digest != want.Layer.Digest || len(h.Requests()) != 0 {
		t.Errorf("layer %s after %d requests", pulled.Layer.Digest, len(h.Requests()))
	}
}

func TestAdoptProvenance(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	s, _ := newCrate(t)
	packed, err := h.client.Adopt(t.Context(), "", s.fetch, &chart.PackOptions{ProvenanceBytes: []byte("signed")})
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if packed.Provenance == nil || packed.Provenance.Digest != digest.FromString("signed") {
		t.Fatalf("provenance %v", packed.Provenance)
	}
	rc, err := packed.Fetch(t.Context(), *packed.Provenance)
	if got := read(t, rc, err); got != "signed" {
		t.Errorf("provenance %q", got)
	}
}

func TestAdoptRefuses(t *testing.T) {
	s, want := newCrate(t)
	other := *s
	other.data = append([]byte(nil), s.data...)
	other.data[len(other.data)-1] ^= 1
	fault := errors.New("no such file")
	for _, tc := range []struct {
		name  string
		layer digest.Digest
		fetch func(context.Context) (io.ReadCloser, error)
		opts  *chart.PackOptions
		want  error
	}{
		{"other content", want.Layer.Digest, other.fetch, nil, registry.ErrDigestMismatch},
		{"no digest", "md5:x", s.fetch, nil, registry.ErrInvalidReference},
		{"nothing to fetch", want.Layer.Digest, func(context.Context) (io.ReadCloser, error) { return nil, fault }, nil, fault},
		{"a page", "", func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("<html>")), nil
		}, nil, chart.ErrInvalidArchive},
		{"larger than any archive", "", func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(zeros{}, 64<<20)), nil
		}, &chart.PackOptions{PackageOptions: chart.PackageOptions{Limits: chart.Limits{Total: 1, Entries: 1}}}, chart.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			packed, err := h.client.Adopt(t.Context(), tc.layer, tc.fetch, tc.opts)
			if !errors.Is(err, tc.want) || packed != nil {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestLayers(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	for i, wantBodies := range []int{1, 0} {
		h.Reset()
		layers, resolved, err := h.client.Layers(t.Context(), h.repo.WithTag("1.0.0"))
		if err != nil || layers.Chart.Digest == "" || resolved.Version != "1.0.0" || resolved.Reference.Digest == "" {
			t.Fatalf("%+v, %+v, %v", layers, resolved, err)
		}
		if cost := h.Cost(); cost.Requests != 1 || (cost.Sent > 0) != (wantBodies > 0) {
			t.Errorf("time %d: %+v", i, cost)
		}
	}
	if _, _, err := h.client.Layers(t.Context(), h.repo); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("without a tag: %v", err)
	}
}
