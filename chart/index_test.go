package chart_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestPullFromIndex(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	pier, quay := h.put(t, chartNamed(t, "pier", "1.0.0")), h.put(t, chartNamed(t, "quay", "1.0.0"))
	image, attested := h.runnable(t, `{"os":"linux"}`), h.runnable(t, `{}`)
	nested := h.index(t, "nested", as(pier, chart.ConfigMediaType, "", ""))
	const ours, other = chart.ConfigMediaType, "application/vnd.acme+json"
	attestation := as(attested, "", "unknown/unknown", "")
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	broken := h.putManifest(t, "", ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Config: chartNamed(t, "pier", "1.0.0").Config, Layers: []ocispec.Descriptor{}})
	docker := as(pier, "", "", "")
	docker.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
	long := pier
	long.Size++
	many := []ocispec.Descriptor{as(image, "", "linux/amd64", "")}
	for i := range 17 {
		many = append(many, h.runnable(t, strings.Repeat(" ", i)+"{}"))
	}
	list := func(children ...ocispec.Descriptor) []ocispec.Descriptor { return children }
	for _, tc := range []struct {
		name     string
		children []ocispec.Descriptor
		chart    string
		want     *ocispec.Descriptor
		fails    error
		says     string
	}{
		{"by artifact type", list(as(image, "", "linux/amd64", ""), as(pier, ours, "", "")), "", &pier, nil, ""},
		{"by artifact type, beside what says none", list(quay, as(pier, ours, "", "")), "", &pier, nil, ""},
		{"by artifact type, with a platform", list(as(pier, ours, "linux/amd64", "")), "", &pier, nil, ""},
		{"by config type", list(as(image, "", "linux/amd64", ""), attestation, pier), "", &pier, nil, ""},
		{"by config type, beside an image without a platform", list(image, pier), "", &pier, nil, ""},
		{"by config type, with an unknown platform", list(as(pier, "", "unknown/unknown", "")), "", &pier, nil, ""},
		{"by config type, beside another artifact", list(as(quay, other, "", ""), pier), "", &pier, nil, ""},
		{"the same twice", list(as(pier, ours, "", ""), as(pier, ours, "", "")), "", &pier, nil, ""},
		{"two charts", list(as(pier, ours, "", ""), as(quay, ours, "", "")), "", nil, chart.ErrAmbiguous, `"pier" ` + string(pier.Digest)},
		{"two charts by config type", list(pier, quay), "", nil, chart.ErrAmbiguous, `"quay" ` + string(quay.Digest)},
		{"one of two by its manifest's title", list(as(pier, ours, "", ""), as(quay, ours, "", "")), "quay", &quay, nil, ""},
		{"one of two by the index's title", list(as(pier, ours, "", "east"), as(quay, ours, "", "west")), "east", &pier, nil, ""},
		{"none of that name", list(as(pier, ours, "", ""), as(quay, ours, "", "")), "dock", nil, registry.ErrNotFound, `"dock"`},
		{"not the one", list(as(pier, ours, "", "")), "quay", nil, registry.ErrNotFound, `"pier"`},
		{"two of one name", list(as(pier, ours, "", "x"), as(quay, ours, "", "x")), "x", nil, chart.ErrAmbiguous, string(quay.Digest)},
		{"an image for several platforms", list(as(image, "", "linux/amd64", ""), as(attested, "", "linux/arm64", "")), "", nil, chart.ErrNotChart, "image index"},
		{"nothing", nil, "", nil, chart.ErrNotChart, "image index"},
		{"an index", list(nested), "", nil, chart.ErrNotChart, "not looked into"},
		{"a chart beside an index", list(nested, as(quay, ours, "", "")), "", &quay, nil, ""},
		{"a Docker manifest", list(docker), "", nil, chart.ErrNotChart, "image index"},
		{"no chart that is called one", list(as(image, ours, "", "")), "", nil, chart.ErrNotChart, "container image"},
		{"a broken one", list(broken), "", nil, chart.ErrInvalidManifest, "0 chart layers"},
		{"more than are read", many, "", nil, chart.ErrAmbiguous, "17 manifests"},
		{"wrong size", list(as(long, ours, "", "")), "", nil, registry.ErrDigestMismatch, "resolve"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			index := h.index(t, "2.0.0", tc.children...)
			for _, client := range []*chart.Client{h.client, (&harbour{Server: h.Server}).newClient(t, cache.Policy{})} {
				pulled, err := client.Pull(t.Context(), h.repo.WithTag("2.0.0"), chart.PullOptions{Selector: chart.Selector{Chart: tc.chart}})
				if tc.fails != nil {
					if !errors.Is(err, tc.fails) || tc.says != "resolve" && !strings.Contains(err.Error(), tc.says) || errors.Is(err, chart.ErrNoMatch) {
						t.Errorf("error = %v, want %v with %q", err, tc.fails, tc.says)
					}
					if strings.Count(err.Error(), h.Host) != 1 {
						t.Errorf("the error does not name its subject once: %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				defer pulled.Close()
				m, err := pulled.Check(t.Context())
				if err != nil || pulled.Manifest.Digest != tc.want.Digest {
					t.Errorf("pulled %+v, %v with manifest %s, want %s", m, err, pulled.Manifest.Digest, tc.want.Digest)
				}
				if o := pulled.Origin; o.Index != index.Digest || o.Manifest != tc.want.Digest || o.Resolved != h.repo.WithTag("2.0.0").WithDigest(index.Digest) {
					t.Errorf("origin = %+v", o)
				}
				if pulled.Version != "2.0.0" || pulled.OwnVersion != "1.0.0" {
					t.Errorf("version %s, own version %q", pulled.Version, pulled.OwnVersion)
				}
			}
		})
	}
}

func TestIndexBudget(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	pier, image := h.put(t, chartNamed(t, "pier", "1.0.0")), h.runnable(t, "{}")
	typed := h.index(t, "1.0.0", as(image, "", "linux/amd64", ""), as(pier, chart.ConfigMediaType, "", ""))
	h.index(t, "1.0.0-untyped", as(image, "", "linux/amd64", ""), pier)
	tag := h.repo.WithTag("1.0.0")
	h.Reset()
	h.pull(t, h.client, tag, chart.PullOptions{})
	h.costs(t, "pull of an index, nothing cached", "GET GET GET", 0)
	h.pull(t, h.client, tag, chart.PullOptions{})
	h.costs(t, "pull of an index, unchanged", "HEAD", 0)
	offline := h.newClient(t, cache.Policy{Offline: true})
	h.pull(t, offline, tag, chart.PullOptions{})
	h.pull(t, h.client, tag.WithDigest(typed.Digest), chart.PullOptions{})
	byChild := h.pull(t, h.client, tag.WithDigest(pier.Digest), chart.PullOptions{})
	if byChild.Origin.Index != "" || byChild.Manifest.Digest != pier.Digest {
		t.Errorf("by the chart's own digest: %+v", byChild.Origin)
	}
	resolved, err := offline.Resolve(t.Context(), tag, chart.Selector{Chart: "pier"})
	if err != nil || resolved.Reference != h.repo.WithDigest(pier.Digest) || resolved.Index != typed.Digest || resolved.Version != "1.0.0" {
		t.Errorf("resolved by name: %+v, %v", resolved, err)
	}
	h.costs(t, "offline and by digest", "", 0)
	plain := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	h.pull(t, plain, h.repo.WithTag("1.0.0-untyped"), chart.PullOptions{})
	h.costs(t, "pull of an index that says no types, without a cache", "GET GET GET", 0)
	if r, err := h.client.Resolve(t.Context(), tag, chart.Selector{}); err != nil || r.Reference.Digest != typed.Digest {
		t.Errorf("Resolve = %+v, %v, want what the tag names", r, err)
	}
	h.costs(t, "resolve", "HEAD", 0)
}

func TestIndexWithoutItsChart(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	pier := h.put(t, chartNamed(t, "pier", "1.0.0"))
	h.index(t, "1.0.0", as(pier, chart.ConfigMediaType, "", ""))
	h.SetFaults(&registrytest.Faults{Status: 404, Code: "MANIFEST_UNKNOWN", Match: func(req *http.Request) bool {
		return strings.HasSuffix(req.URL.Path, string(pier.Digest))
	}})
	_, err := h.client.Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if !errors.Is(err, registry.ErrNotFound) || errors.Is(err, chart.ErrNoMatch) || !strings.Contains(err.Error(), string(pier.Digest)) {
		t.Errorf("error = %v, want that the chart's manifest is not there", err)
	}
}

func TestSelectorChart(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	tag := h.repo.WithTag("1.0.0")
	if _, err := h.client.Pull(t.Context(), tag, chart.PullOptions{Selector: chart.Selector{Chart: "other"}}); !errors.Is(err, registry.ErrNotFound) || errors.Is(err, chart.ErrNoMatch) || !strings.Contains(err.Error(), "voyage") {
		t.Errorf("another chart: %v", err)
	}
	h.pull(t, h.client, tag, chart.PullOptions{Selector: chart.Selector{Chart: "voyage"}})
	if r, err := h.client.Resolve(t.Context(), tag, chart.Selector{Chart: "voyage"}); err != nil || r.Reference.Tag != "1.0.0" || r.Index != "" {
		t.Errorf("Resolve = %+v, %v", r, err)
	}
	pier, quay := h.put(t, chartNamed(t, "pier", "1.0.0")), h.put(t, chartNamed(t, "quay", "1.0.0"))
	h.index(t, "2.0.0", as(pier, chart.ConfigMediaType, "", ""), as(quay, chart.ConfigMediaType, "", "../quay"))
	for name, file := range map[string]string{"pier": "pier-2.0.0.tgz", "../quay": ""} {
		pulled := h.pull(t, h.client, h.repo.WithTag("2.0.0"), chart.PullOptions{Selector: chart.Selector{Chart: name}})
		path, err := pulled.Save(t.Context(), t.TempDir())
		if file == "" && !errors.Is(err, registry.ErrInvalidReference) || file != "" && filepath.Base(path) != file {
			t.Errorf("%s saved as %s, %v", name, path, err)
		}
	}
}

func TestPushOverAnIndex(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	for _, tag := range []string{"1.0.0", "latest"} {
		h.index(t, tag, as(h.put(t, packed), chart.ConfigMediaType, "", ""))
		_, err := h.client.Push(t.Context(), packed, h.repo.WithTag(tag), chart.PushOptions{})
		if !errors.Is(err, registry.ErrExists) || !strings.Contains(err.Error(), "image index") {
			t.Errorf("over the index %s: %v", tag, err)
		}
		if _, err := h.client.Push(t.Context(), packed, h.repo.WithTag(tag), chart.PushOptions{Force: true}); err != nil {
			t.Errorf("forced over the index %s: %v", tag, err)
		}
	}
}
