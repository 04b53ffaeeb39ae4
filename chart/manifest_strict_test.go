package chart_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
)

// TestManifestReadOneWay: a manifest in which two JSON readers find different
// charts is none.
func TestManifestReadOneWay(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	layers := func(d digest.Digest) string {
		return fmt.Sprintf(`[{"mediaType":%q,"digest":%q,"size":1}]`, chart.LayerMediaType, d)
	}
	config := fmt.Sprintf(`"config":{"mediaType":%q,"digest":%q,"size":1}`, chart.ConfigMediaType, a)
	for name, text := range map[string]string{
		"twice":            `{` + config + `,"layers":` + layers(a) + `,"layers":[{"digest":"` + string(b) + `"}]}`,
		"upper case":       `{` + config + `,"layers":` + layers(a) + `,"LAYERS":` + layers(b) + `}`,
		"upper case alone": `{` + config + `,"LAYERS":` + layers(b) + `}`,
		"long s":           `{` + config + `,"layers":` + layers(a) + `,"layerſ":` + layers(b) + `}`,
		"in a descriptor":  `{` + config + `,"layers":[{"mediaType":"` + chart.LayerMediaType + `","digest":"` + string(a) + `","Digest":"` + string(b) + `","size":1}]}`,
		"in the config":    `{"config":{"mediaType":"x","mediaType":"` + chart.ConfigMediaType + `","digest":"` + string(a) + `","size":1},"layers":` + layers(a) + `}`,
		"in annotations":   `{` + config + `,"layers":` + layers(a) + `,"annotations":{"a":"1","a":"2"}}`,
	} {
		l, err := chart.ReadManifest([]byte(text), "")
		if !errors.Is(err, chart.ErrInvalidManifest) || l != nil {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	text := `{` + config + `,"layers":` + layers(a) + `,"annotations":{"Layers":"1","layers":"2"},"org.example.new":{"Digest":1}}`
	if _, err := chart.ReadManifest([]byte(text), ""); err != nil {
		t.Errorf("keys that only look alike: %v", err)
	}
}

func TestManifestBomb(t *testing.T) {
	const size = 4<<20 - 200
	config := `{"schemaVersion":2,"config":{"mediaType":"` + chart.ConfigMediaType + `"},`
	keys := func(n int) string {
		var b strings.Builder
		for i := range n / 12 {
			fmt.Fprintf(&b, `,"%06x":""`, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"layers":      config + `"layers":[{}` + strings.Repeat(",{}", size/3) + "]}",
		"blobs":       config + `"blobs":[{}` + strings.Repeat(",{}", size/3) + "]}",
		"URLs":        config + `"layers":[{"urls":[""` + strings.Repeat(`,""`, size/3) + "]}]}",
		"annotations": config + `"annotations":{"x":""` + keys(size) + "}}",
		"unknown":     config + `"x":{"x":""` + keys(size) + "}}",
		"depth":       config + `"x":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2) + "}",
	} {
		var err error
		if grown := heap.Growth(func() { _, err = chart.ReadManifest([]byte(text), "") }); grown > 48<<20 {
			t.Errorf("%s grew the heap by %d", name, grown)
		}
		if !errors.Is(err, chart.ErrInvalidManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
