package chart_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
)

func desc(mediaType string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(mediaType), Size: 7}
}

func manifest(t testing.TB, config string, layers ...ocispec.Descriptor) string {
	t.Helper()
	data, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: desc(config), Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReadManifest(t *testing.T) {
	layer, legacy, prov, extra := desc(chart.LayerMediaType), desc(chart.LegacyLayerMediaType), desc(chart.ProvenanceMediaType), desc("text/plain")
	bad := layer
	bad.Digest = "sha256:12"
	negative := layer
	negative.Size = -1
	const image = ocispec.MediaTypeImageManifest
	for _, tc := range []struct {
		name, in, mediaType string
		want                error
		says                string
		layer               ocispec.Descriptor
		prov                bool
	}{
		{"as Helm pushes", manifest(t, chart.ConfigMediaType, layer), image, nil, "", layer, false},
		{"without a type", manifest(t, chart.ConfigMediaType, layer), "", nil, "", layer, false},
		{"any order, others ignored", manifest(t, chart.ConfigMediaType, extra, prov, layer, extra), image, nil, "", layer, true},
		{"with mediaType", strings.Replace(manifest(t, chart.ConfigMediaType, layer), "{", `{"mediaType":"`+image+`",`, 1), image, nil, "", layer, false},
		{"legacy", manifest(t, chart.ConfigMediaType, legacy), image, nil, "", legacy, false},
		{"two charts", manifest(t, chart.ConfigMediaType, layer, desc("x"), layer), image, chart.ErrInvalidManifest, "2 chart layers", layer, false},
		{"a chart of each type", manifest(t, chart.ConfigMediaType, layer, legacy), image, chart.ErrInvalidManifest, "2 chart layers", layer, false},
		{"no chart", manifest(t, chart.ConfigMediaType, prov), image, chart.ErrInvalidManifest, "0 chart layers", layer, false},
		{"two provenances", manifest(t, chart.ConfigMediaType, prov, layer, prov), image, chart.ErrInvalidManifest, "more than one provenance", layer, false},
		{"bad digest", manifest(t, chart.ConfigMediaType, bad), image, chart.ErrInvalidManifest, "sha256:12", layer, false},
		{"negative size", manifest(t, chart.ConfigMediaType, negative), image, chart.ErrInvalidManifest, "-1", layer, false},
		{"image", manifest(t, ocispec.MediaTypeImageConfig, desc(ocispec.MediaTypeImageLayerGzip)), image, chart.ErrNotChart, "a container image (" + ocispec.MediaTypeImageConfig, layer, false},
		{"image with a chart layer", manifest(t, ocispec.MediaTypeImageConfig, layer), image, chart.ErrNotChart, "container image", layer, false},
		{"Docker image", `{"schemaVersion":2}`, "application/vnd.docker.distribution.manifest.v2+json", chart.ErrNotChart, "a Docker image", layer, false},
		{"index", `{"schemaVersion":2,"manifests":[]}`, ocispec.MediaTypeImageIndex, chart.ErrNotChart, "an image index", layer, false},
		{"index without a type", `{"schemaVersion":2,"manifests":[]}`, "", chart.ErrNotChart, "an image index", layer, false},
		{"index that calls itself a manifest", `{"mediaType":"` + ocispec.MediaTypeImageIndex + `"}`, image, chart.ErrNotChart, "an image index", layer, false},
		{"manifest and index", strings.Replace(manifest(t, chart.ConfigMediaType, layer), "{", `{"manifests":[],`, 1), image, chart.ErrInvalidManifest, "both", layer, false},
		{"something else", manifest(t, "application/vnd.acme+json"), image, chart.ErrNotChart, "application/vnd.acme+json", layer, false},
		{"no config", `{}`, image, chart.ErrNotChart, "without a config", layer, false},
		{"HTML", `<html>`, image, chart.ErrInvalidManifest, "invalid character", layer, false},
		{"huge", strings.Repeat(" ", 5<<20), image, chart.ErrInvalidManifest, "more than", layer, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := chart.ReadManifest([]byte(tc.in), tc.mediaType)
			if tc.want != nil {
				if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || l != nil {
					t.Errorf("ReadManifest = %v, %v, want %v with %q", l, err, tc.want, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.Chart.Digest != tc.layer.Digest || l.Config.MediaType != chart.ConfigMediaType || (l.Provenance != nil) != tc.prov {
				t.Errorf("Layers = %+v", l)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	m, err := chart.ParseConfig([]byte(`{"name":"pier","version":"1.0.0","apiVersion":"v2","description":"a\tb"}`))
	if err != nil || m.Name != "pier" || m.Description != "a b" {
		t.Errorf("ParseConfig = %+v, %v", m, err)
	}
	for _, in := range []string{``, `null`, `[]`, `{"name":"pier"}`, `{"name":1}`, `{"name":"a/b","version":"1.0.0"}`} {
		if m, err := chart.ParseConfig([]byte(in)); !errors.Is(err, chart.ErrInvalidMetadata) || m != nil {
			t.Errorf("ParseConfig(%s) = %v, %v", in, m, err)
		}
	}
}
