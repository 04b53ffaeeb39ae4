package chart_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// A chart that was packed here and has lost a part is in no registry: fetching
// it from one is no advice, and it was packed all the same.
func TestKeptThatIsLostIsPackedAgain(t *testing.T) {
	for name, part := range map[string]func(*chart.Packed) digest.Digest{
		"manifest": func(p *chart.Packed) digest.Digest { return p.Manifest.Digest },
		"archive":  func(p *chart.Packed) digest.Digest { return p.Layer.Digest },
		"config":   func(p *chart.Packed) digest.Digest { return p.Config.Digest },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			packed := voyage(t, "1.0.0")
			ref, err := h.client.Keep(t.Context(), packed, h.repo)
			if err != nil {
				t.Fatal(err)
			}
			h.offlineLose(t, part(packed))
			_, err = h.client.Kept(t.Context(), ref)
			if !errors.Is(err, registry.ErrNotFound) {
				t.Fatalf("%v, want ErrNotFound", err)
			}
			text := err.Error()
			if !strings.Contains(text, "lost") || !strings.Contains(text, "package it again") || !strings.Contains(text, ref.String()) ||
				strings.Contains(text, "offline") || strings.Contains(text, "no chart was packed") {
				t.Error(text)
			}
		})
	}
}
