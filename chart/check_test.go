package chart_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// forge stores a chart's archive under a tag with another config.
func (h *harbour) forge(t *testing.T, tag string, packed *chart.Packed, config string) {
	t.Helper()
	h.put(t, packed)
	desc := ocispec.Descriptor{MediaType: chart.ConfigMediaType, Digest: digest.FromString(config), Size: int64(len(config))}
	if err := h.repository(t).Push(t.Context(), desc, strings.NewReader(config)); err != nil {
		t.Fatal(err)
	}
	h.putManifest(t, tag, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Config: desc, Layers: []ocispec.Descriptor{packed.Layer},
		Annotations: map[string]string{ocispec.AnnotationTitle: packed.Metadata.Name, ocispec.AnnotationVersion: packed.Metadata.Version}})
}

func configOf(t *testing.T, packed *chart.Packed, change func(*chart.Metadata)) string {
	t.Helper()
	rc, err := packed.Fetch(t.Context(), packed.Config)
	m, err := chart.ParseConfig([]byte(read(t, rc, err)))
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCheck(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	for _, tc := range []struct {
		name, config string
		fails        error
		says         []string
	}{
		{"the same", configOf(t, packed, func(*chart.Metadata) {}), nil, nil},
		{"other order and keys that nobody reads", `{"version":"1.0.0","apiVersion":"v2","description":"A\tchart","name":"voyage","engine":"gotpl","keywords":[]}`, nil, nil},
		{"name", configOf(t, packed, func(m *chart.Metadata) { m.Name, m.AppVersion = "journey", "2" }), chart.ErrInvalidManifest, []string{"name", `"journey"`, `"voyage"`}},
		{"version", configOf(t, packed, func(m *chart.Metadata) { m.Version, m.AppVersion = "1.0.1", "2" }), chart.ErrInvalidManifest, []string{"version", `"1.0.1"`, `"1.0.0"`}},
		{"field that Chart.yaml lacks", configOf(t, packed, func(m *chart.Metadata) { m.Deprecated = true }), chart.ErrInvalidManifest, []string{"deprecated", "true", "missing"}},
		{"field that the config lacks", configOf(t, packed, func(m *chart.Metadata) { m.Description = "" }), chart.ErrInvalidManifest, []string{"description is missing", `"A chart"`}},
		{"dependencies", configOf(t, packed, func(m *chart.Metadata) {
			m.Dependencies = []*chart.Dependency{{Name: strings.Repeat("x", 5000)}}
		}), chart.ErrInvalidManifest, []string{"dependencies", "…"}},
		{"empty", "{}", chart.ErrInvalidMetadata, []string{"name is missing"}},
		{"no JSON", "<html>", chart.ErrInvalidMetadata, []string{"cannot be read"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.forge(t, "1.0.0", packed, tc.config)
			pulled := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
			m, err := pulled.Check(t.Context())
			if tc.fails == nil {
				if err != nil || m.Name != "voyage" {
					t.Errorf("Check = %+v, %v", m, err)
				}
				return
			}
			if !errors.Is(err, tc.fails) || m != nil || len(err.Error()) > 2000 || strings.Count(err.Error(), h.Host) != 1 {
				t.Errorf("Check = %+v, %v, want %v", m, err, tc.fails)
			}
			for _, s := range tc.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q is not in: %v", s, err)
				}
			}
		})
	}
}

// TestCheckReadsToTheEnd: a second Chart.yaml at the end fools nothing.
func TestCheckReadsToTheEnd(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	data := tgz(t, file("voyage/Chart.yaml", chartYAML), file("voyage/Chart.yaml", strings.ReplaceAll(chartYAML, "1.2.3", "6.6.6")))
	packed := chartNamed(t, "pier", "1.2.3")
	layer := ocispec.Descriptor{MediaType: chart.LayerMediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	h.put(t, packed)
	if err := h.repository(t).Push(t.Context(), layer, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	h.putManifest(t, "1.2.3", ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Config: packed.Config, Layers: []ocispec.Descriptor{layer}})
	pulled := h.pull(t, h.client, h.repo.WithTag("1.2.3"), chart.PullOptions{})
	if _, err := pulled.Check(t.Context()); !errors.Is(err, chart.ErrUnsafeArchive) {
		t.Errorf("Check = %v", err)
	}
}

func TestReadConfigBudget(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	pulled := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
	h.Reset()
	for _, cost := range []string{"GET", ""} {
		if m, err := pulled.ReadConfig(t.Context()); err != nil || m.Name != "voyage" {
			t.Fatalf("%+v, %v", m, err)
		}
		h.costs(t, "config", cost, 0)
	}
	offline := h.newClient(t, cache.Policy{Offline: true})
	if _, err := h.pull(t, offline, h.repo.WithTag("1.0.0"), chart.PullOptions{}).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOwnVersion: what a tag says of the version, and what the chart says.
func TestOwnVersion(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.2.0+b.1")
	h.push(t, "1.2.0+b.1")
	for _, tag := range []string{"latest", "1.2", "9.9.9", "v1.2.0_b.1"} {
		h.forge(t, tag, packed, configOf(t, packed, func(*chart.Metadata) {}))
	}
	for tag, want := range map[string]struct{ version, own string }{
		"1.2.0+b.1":  {"1.2.0+b.1", ""},
		"v1.2.0+b.1": {"v1.2.0+b.1", ""},
		"latest":     {"", "1.2.0+b.1"},
		"1.2":        {"1.2", "1.2.0+b.1"},
		"9.9.9":      {"9.9.9", "1.2.0+b.1"},
	} {
		pulled := h.pull(t, h.client, h.repo.WithTag(tag), chart.PullOptions{})
		if pulled.Version != want.version || pulled.OwnVersion != want.own {
			t.Errorf("%s: version %q, own version %q, want %v", tag, pulled.Version, pulled.OwnVersion, want)
		}
		if m, err := pulled.Check(t.Context()); err != nil || m.Version != "1.2.0+b.1" {
			t.Errorf("%s: Check = %+v, %v: another tag is no error", tag, m, err)
		}
	}
}

// TestKeptOfPulled: a chart that was pulled can be opened as one that was
// packed, whatever its pull did not ask for.
func TestKeptOfPulled(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	tag := h.repo.WithTag("1.0.0")
	h.pull(t, h.client, tag, chart.PullOptions{})
	h.Reset()
	offline := h.newClient(t, cache.Policy{Offline: true})
	if _, err := offline.Kept(t.Context(), tag); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "registry in reach") {
		t.Errorf("offline, without its config: %v", err)
	}
	h.costs(t, "offline", "", 0)
	for _, client := range []*chart.Client{h.client, offline} {
		kept, err := client.Kept(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		if kept.Metadata.Name != "voyage" || kept.Manifest.Digest != voyage(t, "1.0.0").Manifest.Digest {
			t.Errorf("kept %+v", kept)
		}
		kept.Close()
	}
	h.costs(t, "its config", "GET", 0)

	// A listing leaves manifest and config behind. They are no chart to push.
	h.push(t, "2.0.0")
	h.described(t, h.client)
	h.Reset()
	if _, err := h.client.Kept(t.Context(), h.repo.WithTag("2.0.0")); !errors.Is(err, registry.ErrNotFound) || strings.Count(err.Error(), h.Host) != 1 {
		t.Errorf("without its archive: %v", err)
	}
	h.costs(t, "without its archive", "", 0)

	packed := voyage(t, "3.0.0")
	h.forge(t, "3.0.0", packed, configOf(t, packed, func(m *chart.Metadata) { m.Name = "other" }))
	h.pull(t, h.client, h.repo.WithTag("3.0.0"), chart.PullOptions{})
	if _, err := h.client.Kept(t.Context(), h.repo.WithTag("3.0.0")); !errors.Is(err, chart.ErrInvalidManifest) {
		t.Errorf("whose config is another's: %v", err)
	}
}
