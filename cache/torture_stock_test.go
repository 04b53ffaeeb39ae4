package cache_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// tortureChart is what a process knows of a chart: enough to tell right bytes
// from wrong ones.
type tortureChart struct {
	Tag                     string
	Manifest, Config, Layer ocispec.Descriptor
	Referrer                ocispec.Descriptor `json:",omitzero"`
}

// tortureMoving is a tag that names one chart of the stock after the other.
const tortureMoving = "edge"

// tortureCharts has charts of 700 bytes to 1 MiB, of which two share a layer.
func tortureCharts() (*fakeSource, []tortureChart) {
	f := newFake()
	var charts []tortureChart
	for i, layer := range []struct {
		size int
		seed uint64
	}{{700, 1}, {20_000, 2}, {90_000, 3}, {1 << 20, 4}, {700, 5}, {20_000, 2}, {90_000, 6}, {1 << 20, 7}} {
		c := tortureChart{Tag: fmt.Sprintf("%d.0.0", i+1)}
		c.Manifest, c.Layer = f.add(c.Tag, noise(layer.size, layer.seed))
		var m ocispec.Manifest
		json.Unmarshal(f.content[c.Manifest.Digest], &m) // add has made it
		c.Config = m.Config
		charts = append(charts, c)
	}
	f.tags[tortureMoving] = charts[0].Manifest
	return f, charts
}

// tortureRefer gives some of the charts in the registry a referrer.
func tortureRefer(t *testing.T, repo *registry.Repository, charts []tortureChart) {
	t.Helper()
	empty := ocispec.DescriptorEmptyJSON
	if err := repo.Push(t.Context(), empty, bytes.NewReader(empty.Data)); err != nil {
		t.Fatal(err)
	}
	for i := range charts[:4] {
		m := ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			ArtifactType: "application/vnd.example.note", Config: empty, Layers: []ocispec.Descriptor{empty},
			Subject: &charts[i].Manifest,
		}
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		charts[i].Referrer = describe(m.MediaType, data)
		if err := repo.Push(t.Context(), charts[i].Referrer, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
}

// right tells whether bytes are those of the chart of that tag.
func (o tortureOrder) right(tag string, layer []byte) error {
	got := describe("", layer).Digest
	ok := slices.ContainsFunc(o.Stock, func(c tortureChart) bool {
		return (c.Tag == tag || tag == tortureMoving) && c.Layer.Digest == got
	})
	if !ok {
		return fmt.Errorf("wrong bytes of %s: %d of %s", tag, len(layer), got)
	}
	return nil
}
