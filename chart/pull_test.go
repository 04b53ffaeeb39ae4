package chart_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestPullRefuses(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0")
	image(t, h, "image", "application/vnd.oci.image.config.v1+json", 1)
	image(t, h, "twice", chart.ConfigMediaType, 2)
	image(t, h, "none", chart.ConfigMediaType, 0)
	old := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{}).Manifest.Digest
	for _, tc := range []struct {
		name    string
		ref     registry.Reference
		options chart.PullOptions
		want    error
		says    string
	}{
		{"an image", h.repo.WithTag("image"), chart.PullOptions{}, chart.ErrNotChart, "container image"},
		{"two chart layers", h.repo.WithTag("twice"), chart.PullOptions{}, chart.ErrInvalidManifest, "2 chart layers"},
		{"no chart layer", h.repo.WithTag("none"), chart.PullOptions{}, chart.ErrInvalidManifest, "0 chart layers"},
		{"no such tag", h.repo.WithTag("9.9.9"), chart.PullOptions{}, chart.ErrNoMatch, "1.1.0, 1.0.0"},
		{"no such version", h.repo, chart.PullOptions{Selector: chart.Selector{Version: "9.9.9"}}, chart.ErrNoMatch, "1.1.0, 1.0.0"},
		{"no version in the range", h.repo, chart.PullOptions{Selector: chart.Selector{Version: "^9"}}, chart.ErrNoMatch, "1.1.0, 1.0.0"},
		{"no such version is not found", h.repo, chart.PullOptions{Selector: chart.Selector{Version: "^9"}}, registry.ErrNotFound, ""},
		{"no such repository", registry.Reference{Host: h.Host, Repository: "team", Tag: "1"}, chart.PullOptions{}, registry.ErrNotFound, ""},
		{"bad range", h.repo, chart.PullOptions{Selector: chart.Selector{Version: ">>1"}}, registry.ErrInvalidReference, ""},
		{"tag and another version", h.repo.WithTag("1.0.0"), chart.PullOptions{Selector: chart.Selector{Version: "1.1.0"}}, registry.ErrInvalidReference, ""},
		{"digest and a version", h.repo.WithDigest(old), chart.PullOptions{Selector: chart.Selector{Version: "1.0.0"}}, registry.ErrInvalidReference, ""},
		{"tag that moved", h.repo.WithTag("1.1.0").WithDigest(old), chart.PullOptions{CheckTag: true}, registry.ErrTagMoved, ""},
		{"tag that is gone", h.repo.WithTag("1.2.0").WithDigest(old), chart.PullOptions{CheckTag: true}, registry.ErrNotFound, ""},
		{"check of a tag alone", h.repo.WithTag("1.1.0"), chart.PullOptions{CheckTag: true}, registry.ErrInvalidReference, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := h.client.Pull(t.Context(), tc.ref, tc.options)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v, want %v saying %q", err, tc.want, tc.says)
			}
		})
	}
	t.Run("tag beside a digest is a remark", func(t *testing.T) {
		pulled := h.pull(t, h.client, h.repo.WithTag("1.1.0").WithDigest(old), chart.PullOptions{})
		if pulled.Manifest.Digest != old {
			t.Errorf("pulled %s, want what the digest says", pulled.Manifest.Digest)
		}
	})
}

func TestPullFromFaultyRegistry(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		want   error
	}{
		{"corrupt manifest", registrytest.Faults{Match: registrytest.Manifests, Corrupt: true}, registry.ErrDigestMismatch},
		{"corrupt archive", registrytest.Faults{Match: registrytest.Blobs, Corrupt: true}, registry.ErrDigestMismatch},
		{"cut archive", registrytest.Faults{Match: registrytest.Blobs, Truncate: true}, registry.ErrUnavailable},
		{"HTML", registrytest.Faults{HTML: true}, registry.ErrUnavailable},
		{"cut", registrytest.Faults{Cut: true}, registry.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			h.push(t, "1.0.0")
			h.SetFaults(&tc.faults)
			if _, err := h.client.Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{}); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if left, _ := filepath.Glob(filepath.Join(h.dir, "ingest", "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			h.SetFaults(nil)
			h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{}) // and nothing wrong was kept
		})
	}
}

func TestPullTrustsNobody(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	t.Run("a layer of any size", func(t *testing.T) {
		r, err := registry.NewClient(&registry.Options{Retry: soon})
		if err != nil {
			t.Fatal(err)
		}
		client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Archives: chart.ArchiveOptions{Limits: chart.Limits{Total: 1, Entries: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		big := voyage(t, "2.0.0", noise(2<<20)...)
		if _, err := h.client.Push(t.Context(), big, h.repo, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
		h.Reset()
		if _, err := client.Pull(t.Context(), h.repo.WithTag("2.0.0"), chart.PullOptions{}); !errors.Is(err, chart.ErrTooLarge) {
			t.Errorf("error = %v", err)
		}
		h.costs(t, "pull of what is too large", "GET", 0)
	})
	t.Run("an archive that changes under it", func(t *testing.T) {
		pulled := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
		blob := filepath.Join(h.dir, "blobs", "sha256", pulled.Layer.Digest.Encoded())
		if err := os.WriteFile(blob, bytes.Repeat([]byte("x"), int(pulled.Layer.Size)), 0o666); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if path, err := pulled.Save(t.Context(), dir); !errors.Is(err, registry.ErrDigestMismatch) {
			t.Errorf("saved to %s, %v", path, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("a chart that is named as another", func(t *testing.T) {
		harmless := registry.Reference{Host: h.Host, Repository: "team/harmless", Tag: "3.0.0"}
		if _, err := h.client.Push(t.Context(), voyage(t, "3.0.0"), harmless, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
		path, err := h.pull(t, h.client, harmless, chart.PullOptions{}).Save(t.Context(), t.TempDir())
		if err != nil || filepath.Base(path) != "harmless-3.0.0.tgz" {
			t.Errorf("saved as %s, %v", path, err)
		}
	})
}

func TestCancelledPull(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.client.Pull(ctx, h.repo.WithTag("1.0.0"), chart.PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
