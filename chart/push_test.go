package chart_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestPushThenPullGivesTheBytes(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0+build.7")
	pushed, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{Tags: []string{"stable"}})
	if err != nil {
		t.Fatal(err)
	}
	if pushed.Reference.Tag != "1.0.0_build.7" {
		t.Errorf("pushed as %s", pushed.Reference)
	}
	want, err := io.ReadAll(packed.Archive().Reader())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []registry.Reference{h.repo.WithTag("1.0.0+build.7"), h.repo.WithTag("stable"), pushed.Reference, h.repo} {
		pulled := h.pull(t, h.client, ref, chart.PullOptions{})
		dir := t.TempDir()
		path, err := pulled.Save(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Base(path); got != "voyage-1.0.0+build.7.tgz" {
			t.Errorf("saved as %s", got)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want the %d that were pushed", ref, len(got), err, len(want))
		}
	}
}

func TestPushRefuses(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	image(t, h, "2.0.0", "application/vnd.oci.image.config.v1+json", 1)
	image(t, h, "image", "application/vnd.oci.image.config.v1+json", 1)
	other := voyage(t, "1.0.0", []byte("#other")...)
	for _, tc := range []struct {
		name   string
		packed *chart.Packed
		ref    registry.Reference
		want   error
		forced bool // whether Force helps
	}{
		{"other content under a version", other, h.repo, registry.ErrExists, true},
		{"over an image", voyage(t, "2.0.0"), h.repo, registry.ErrExists, true},
		{"tag of another version", other, h.repo.WithTag("3.0.0"), registry.ErrInvalidReference, false},
		{"another digest", other, h.repo.WithTag("1.0.0").WithDigest(voyage(t, "1.0.0").Manifest.Digest), registry.ErrInvalidReference, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.Reset()
			_, err := h.client.Push(t.Context(), tc.packed, tc.ref, chart.PushOptions{})
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if c := h.Cost(); c.Received != 0 {
				t.Errorf("%d bytes were sent all the same", c.Received)
			}
			_, err = h.client.Push(t.Context(), tc.packed, tc.ref, chart.PushOptions{Force: true})
			if (err == nil) != tc.forced {
				t.Errorf("forced: %v", err)
			}
		})
	}
	t.Run("further tags", func(t *testing.T) {
		for _, tc := range []struct {
			tag  string
			want error
		}{
			{"v1.0.0", nil},
			{"1.0.0", registry.ErrExists},
			{"7.0.0", registry.ErrInvalidReference},
			{"1.0", nil},
			{"2.0.0", registry.ErrInvalidReference},
			{"image", registry.ErrExists},
			{"no tag", registry.ErrInvalidReference},
		} {
			_, err := h.client.Push(t.Context(), voyage(t, "1.0.0", []byte("#third")...), h.repo.WithTag("third"), chart.PushOptions{Tags: []string{tc.tag}})
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", tc.tag, err, tc.want)
			}
		}
	})
	t.Run("latest moves", func(t *testing.T) {
		for _, v := range []string{"4.0.0", "5.0.0"} {
			if _, err := h.client.Push(t.Context(), voyage(t, v), h.repo.WithTag("latest"), chart.PushOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
}

// image pushes a manifest of that config type with so many chart layers.
func image(t *testing.T, h *harbour, tag, configType string, charts int) {
	t.Helper()
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository(h.repo)
	if err != nil {
		t.Fatal(err)
	}
	pushManifest(t, repo, tag, configType, charts)
}

func TestPushThatFailsAtAFurtherTag(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.SetFaults(&registrytest.Faults{Status: 500, Match: func(req *http.Request) bool {
		return req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, "/manifests/latest")
	}})
	pushed, err := h.client.Push(t.Context(), voyage(t, "1.0.0"), h.repo, chart.PushOptions{Tags: []string{"latest"}})
	if !errors.Is(err, registry.ErrUnavailable) || pushed == nil || pushed.Reference.Tag != "1.0.0" || len(pushed.Tags) != 0 {
		t.Errorf("pushed %+v, %v, want the version without its further tag", pushed, err)
	}
	pushed, err = h.client.Push(t.Context(), voyage(t, "2.0.0"), h.repo, chart.PushOptions{Tags: []string{"no tag"}})
	if !errors.Is(err, registry.ErrInvalidReference) || pushed != nil {
		t.Errorf("pushed %+v, %v with a tag that is none", pushed, err)
	}
	if _, err := h.client.Resolve(t.Context(), h.repo.WithTag("2.0.0"), chart.Selector{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the version was published all the same: %v", err)
	}
}

func TestNothingPacked(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	if _, err := h.client.Push(t.Context(), nil, h.repo, chart.PushOptions{}); err == nil {
		t.Error("pushed nothing")
	}
	if err := new(chart.Pulled).Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := new(chart.Packed).Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := chart.NewArchive(nil, 0, nil); !errors.Is(err, chart.ErrInvalidArchive) {
		t.Errorf("archive of nothing: %v", err)
	}
}
