package chart_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// cutOff is a machine without a network.
type cutOff struct{ t *testing.T }

func (c cutOff) RoundTrip(req *http.Request) (*http.Response, error) {
	c.t.Errorf("%s %s was asked for", req.Method, req.URL)
	return nil, errors.New("no network")
}

// TestDigestsWithoutNetwork: what a push would store is known before there is
// a registry, and does not change with it.
func TestDigestsWithoutNetwork(t *testing.T) {
	ordinary := http.DefaultTransport
	http.DefaultTransport = cutOff{t}
	defer func() { http.DefaultTransport = ordinary }()
	r, err := registry.NewClient(&registry.Options{Retry: soon, Transport: cutOff{t}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	packed := voyage(t, "1.0.0+b.1")
	for _, desc := range packed.Descriptors() {
		rc, err := packed.Fetch(t.Context(), desc)
		if content := read(t, rc, err); digest.FromString(content) != desc.Digest || int64(len(content)) != desc.Size {
			t.Errorf("%s is not %+v", desc.MediaType, desc)
		}
	}
	kept, err := client.Keep(t.Context(), packed, registry.Reference{Host: "registry.example", Repository: "team/voyage"})
	if err != nil || kept.Digest != packed.Manifest.Digest || kept.Tag != "1.0.0_b.1" {
		t.Errorf("kept as %s, %v", kept, err)
	}
	again, err := client.Kept(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	http.DefaultTransport = ordinary

	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	pushed, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{})
	if err != nil || pushed.Manifest.Digest != kept.Digest {
		t.Errorf("pushed %+v, %v, want %s", pushed, err, kept.Digest)
	}
}
