package chart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// described lists all versions with their metadata.
func (h *harbour) described(t *testing.T, client *chart.Client) []chart.Version {
	t.Helper()
	var all []chart.Version
	for v, err := range client.Versions(t.Context(), h.repo, chart.VersionOptions{Prereleases: true, Metadata: true}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// methods counts the requests, whatever their order.
func (h *harbour) methods(t *testing.T, what, want string) {
	t.Helper()
	all := strings.Fields(h.Cost().Methods())
	slices.Sort(all)
	counts := ""
	for i := 0; i < len(all); {
		n := i
		for n < len(all) && all[n] == all[i] {
			n++
		}
		counts += fmt.Sprintf(" %d×%s", n-i, all[i])
		i = n
	}
	if strings.TrimSpace(counts) != want {
		t.Errorf("%s: cost%s, want %s", what, counts, want)
	}
	h.Reset()
}

func TestListingBudget(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("1.%d.0", 19-i))
	}
	h.push(t, want...)
	var layers []string
	for _, v := range want {
		layers = append(layers, string(voyage(t, v).Layer.Digest))
	}
	h.Reset()
	for _, tc := range []struct {
		name   string
		policy cache.Policy
		cost   string
	}{
		{"nothing cached", cache.Policy{}, "41×GET"},
		{"cached", cache.Policy{}, "1×GET 20×HEAD"},
		{"within max-age", cache.Policy{MaxAge: time.Hour}, ""},
		{"offline", cache.Policy{Offline: true}, ""},
	} {
		var got []string
		for _, v := range h.described(t, h.newClient(t, tc.policy)) {
			if v.Err != nil || v.Metadata == nil || v.Metadata.Version != v.Version || v.Metadata.Description != "A chart" || v.Digest == "" || v.OwnVersion != "" || !v.Created.IsZero() {
				t.Fatalf("%s: %+v", tc.name, v)
			}
			got = append(got, v.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tc.name, got, want)
		}
		for _, req := range h.Requests() {
			if slices.ContainsFunc(layers, func(d string) bool { return strings.HasSuffix(req.Path, d) }) {
				t.Errorf("%s: %s asks for an archive", tc.name, req)
			}
		}
		h.methods(t, tc.name, tc.cost)
	}
}

func TestListingSharesConfigs(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	if _, err := h.newClient(t, cache.Policy{}).Push(t.Context(), packed, h.repo, chart.PushOptions{Tags: []string{"v1.0.0", "1.0"}}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", t.TempDir()} {
		other := &harbour{Server: h.Server, repo: h.repo, dir: dir}
		h.Reset()
		all := other.described(t, other.newClient(t, cache.Policy{}))
		if len(all) != 2 || all[0].Metadata == nil || all[1].Metadata == nil || all[0].Metadata == all[1].Metadata {
			t.Errorf("%+v", all)
		}
		h.methods(t, "two tags of one manifest", "4×GET") // tags, two manifests, one config
	}
}

// TestListingGoesOn: one version that cannot be described is one version.
func TestListingGoesOn(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "2.0.0", "3.0.0", "4.0.0")
	image(t, h, "5.0.0", ocispec.MediaTypeImageConfig, 1)
	image(t, h, "6.0.0", chart.ConfigMediaType, 2)
	image(t, h, "7.0.0", chart.ConfigMediaType, 1) // its config is {}
	pier, quay := h.put(t, chartNamed(t, "pier", "8.0.0")), h.put(t, chartNamed(t, "quay", "8.0.0"))
	h.index(t, "8.0.0", pier, quay)
	h.index(t, "9.0.0", pier)
	lost := string(voyage(t, "4.0.0").Config.Digest)
	h.SetFaults(&registrytest.Faults{Corrupt: true, Match: func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, lost) }})
	got := map[string]chart.Version{}
	for _, v := range h.described(t, h.client) {
		got[v.Version] = v
	}
	for version, want := range map[string]error{
		"1.0.0": nil, "2.0.0": nil, "3.0.0": nil, "9.0.0": nil,
		"4.0.0": registry.ErrDigestMismatch,
		"5.0.0": chart.ErrNotChart, "6.0.0": chart.ErrInvalidManifest, "7.0.0": chart.ErrInvalidMetadata, "8.0.0": chart.ErrAmbiguous,
	} {
		v, ok := got[version]
		if !ok || !errors.Is(v.Err, want) || (v.Metadata == nil) != (want != nil) || v.Digest == "" {
			t.Errorf("%s: %+v, want error %v", version, v, want)
		}
	}
	if v := got["9.0.0"]; v.OwnVersion != "8.0.0" || v.Metadata.Name != "pier" {
		t.Errorf("%+v", v)
	}
	data, err := json.Marshal(got["5.0.0"])
	var plain map[string]any
	if err := errors.Join(err, json.Unmarshal(data, &plain)); err != nil || !strings.Contains(fmt.Sprint(plain["error"]), "container image") || plain["version"] != "5.0.0" || plain["metadata"] != nil {
		t.Errorf("as JSON: %s, %v", data, err)
	}
}

func TestListingEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		want   error // nil: it goes on
	}{
		{"unauthorized", registrytest.Faults{Status: 401, Code: "UNAUTHORIZED"}, registry.ErrUnauthorized},
		{"rate limit", registrytest.Faults{Status: 429, Code: "TOOMANYREQUESTS"}, registry.ErrRateLimited},
		{"no answer", registrytest.Faults{Cut: true}, registry.ErrUnavailable},
		{"denied", registrytest.Faults{Status: 403, Code: "DENIED"}, nil},
		{"failing", registrytest.Faults{Status: 500, Code: "UNKNOWN"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			h.push(t, "1.0.0", "2.0.0")
			tc.faults.Match = registrytest.Blobs
			h.SetFaults(&tc.faults)
			listed, failed := 0, 0
			for v, err := range h.client.Versions(t.Context(), h.repo, chart.VersionOptions{Metadata: true}) {
				if err != nil {
					if failed++; !errors.Is(err, tc.want) {
						t.Errorf("ends with %v, want %v", err, tc.want)
					}
				} else if listed++; v.Err == nil {
					t.Errorf("%s has no error", v.Version)
				}
			}
			if tc.want == nil && (listed != 2 || failed != 0) || tc.want != nil && (listed != 0 || failed != 1) {
				t.Errorf("%d versions and %d errors", listed, failed)
			}
		})
	}
}

// TestListingStops: nothing runs on when the consumer stops or the context
// ends.
func TestListingStops(t *testing.T) {
	h := newHarbour(t, registrytest.Options{Latency: 2 * time.Millisecond}, cache.Policy{})
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("1.%d.0", i))
	}
	h.push(t, all...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		stop func(listed int) bool
	}{
		{"consumer", t.Context(), func(n int) bool { return n == 3 }},
		{"context", ctx, func(n int) bool {
			if n == 3 {
				cancel()
			}
			return false
		}},
	} {
		client := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
		h.Reset()
		listed := 0
		var last error
		for _, err := range client.Versions(tc.ctx, h.repo, chart.VersionOptions{Metadata: true}) {
			if err != nil {
				last = err
				continue
			}
			if listed++; tc.stop(listed) {
				break
			}
		}
		buf := make([]byte, 1<<20)
		if stacks := string(buf[:runtime.Stack(buf, true)]); strings.Contains(stacks, "describer") {
			t.Errorf("%s: a lookup goes on:\n%s", tc.name, stacks)
		}
		if tc.name == "context" && (!errors.Is(last, context.Canceled) || listed != 3) {
			t.Errorf("context: %d listed, %v", listed, last)
		}
		if n := h.Cost().Requests; n > 1+2*(3+8) {
			t.Errorf("%s: %d requests for three versions", tc.name, n)
		}
	}
}

func TestListingCreated(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	h.put(t, packed)
	for tag, created := range map[string]string{"1.0.0": "2024-02-29T12:00:00+02:00", "1.0.1": "yesterday"} {
		h.putManifest(t, tag, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			Config: packed.Config, Layers: []ocispec.Descriptor{packed.Layer}, Annotations: map[string]string{ocispec.AnnotationCreated: created}})
	}
	all := h.described(t, h.client)
	if len(all) != 2 || !all[0].Created.IsZero() || all[0].OwnVersion != "1.0.0" || !all[1].Created.Equal(time.Date(2024, 2, 29, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", all)
	}
}
