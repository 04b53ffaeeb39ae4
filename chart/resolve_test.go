package chart_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestResolve(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.2.0+b.2", "1.2.0+b.10")
	image(t, h, "v3.1.0", chart.ConfigMediaType, 1)
	image(t, h, "20240101", chart.ConfigMediaType, 1)
	image(t, h, "20240101.1", chart.ConfigMediaType, 1)
	image(t, h, "1.2", chart.ConfigMediaType, 1) // floats beside 1.2.0
	image(t, h, "edge", chart.ConfigMediaType, 1)
	image(t, h, "0.7", chart.ConfigMediaType, 1) // stands alone
	for _, tc := range []struct {
		name     string
		ref      registry.Reference
		selector chart.Selector
		tag, how string
	}{
		{"tag", h.repo.WithTag("1.2.0"), chart.Selector{}, "1.2.0", chart.ByTag},
		{"newest", h.repo, chart.Selector{}, "v3.1.0", chart.ByNewest},
		{"range", h.repo, chart.Selector{Version: "^1"}, "1.10.0", chart.ByRange},
		{"range ties by build metadata", h.repo, chart.Selector{Version: "~1.2"}, "1.2.0_b.10", chart.ByRange},
		{"range with pre-releases", h.repo, chart.Selector{Version: "<3", Prereleases: true}, "2.0.0-rc.1", chart.ByRange},
		{"version", h.repo, chart.Selector{Version: "1.2.0+b.2"}, "1.2.0_b.2", chart.ByTag},
		{"version that a floating tag seems to spell", h.repo, chart.Selector{Version: "1.2.0"}, "1.2.0", chart.ByTag},
		{"range that a floating tag seems to be in", h.repo, chart.Selector{Version: ">=1.1, <1.2.1"}, "1.2.0_b.10", chart.ByRange},
		{"floating tag", h.repo, chart.Selector{Version: "1.2"}, "1.2", chart.ByTag},
		{"short version", h.repo, chart.Selector{Version: "0.7.0"}, "0.7", chart.ByVersion},
		{"version spelled as its tag", h.repo, chart.Selector{Version: "1.2.0_b.2"}, "1.2.0_b.2", chart.ByTag},
		{"version in another spelling", h.repo, chart.Selector{Version: "3.1.0"}, "v3.1.0", chart.ByVersion},
		{"short version that is no tag", h.repo, chart.Selector{Version: "1"}, "1.10.0", chart.ByRange},
		{"short version of one series", h.repo, chart.Selector{Version: "v3.1"}, "v3.1.0", chart.ByRange},
		{"tag beside the repository", h.repo, chart.Selector{Version: "edge"}, "edge", chart.ByTag},
		{"tag that is no version in lists", h.repo, chart.Selector{Version: "20240101"}, "20240101", chart.ByTag},
		{"tag and the range it is in", h.repo.WithTag("1.2.0"), chart.Selector{Version: "^1"}, "1.2.0", chart.ByTag},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := h.client.Resolve(t.Context(), tc.ref, tc.selector)
			if err != nil {
				t.Fatal(err)
			}
			if got.Reference.Tag != tc.tag || got.How != tc.how || got.Reference.Digest == "" {
				t.Errorf("got %s by %s, want tag %s by %s", got.Reference, got.How, tc.tag, tc.how)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	h := newHarbour(t, registrytest.Options{PageSize: 2}, cache.Policy{})
	h.push(t, "1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1")
	image(t, h, "latest", chart.ConfigMediaType, 1)
	image(t, h, "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.sig", chart.ConfigMediaType, 1)
	list := func(o chart.VersionOptions) []string {
		var all []string
		for v, err := range h.client.Versions(t.Context(), h.repo, o) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, v.Version)
		}
		return all
	}
	for _, tc := range []struct {
		name    string
		options chart.VersionOptions
		want    []string
	}{
		{"stable", chart.VersionOptions{}, []string{"1.10.0", "1.9.0", "1.0.0"}},
		{"all", chart.VersionOptions{Prereleases: true}, []string{"2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"}},
		{"range", chart.VersionOptions{Version: "<1.10"}, []string{"1.9.0", "1.0.0"}},
	} {
		if got := list(tc.options); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	for _, err := range h.client.Versions(t.Context(), registry.Reference{Host: h.Host, Repository: "nobody/here"}, chart.VersionOptions{}) {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("no such repository: %v", err)
		}
	}
}

func TestCheckTagAsksTheRegistry(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	tag := h.repo.WithTag("1.0.0")
	pinned := tag.WithDigest(h.pull(t, h.client, tag, chart.PullOptions{}).Manifest.Digest)
	elsewhere := (&harbour{Server: h.Server}).newClient(t, cache.Policy{})
	if _, err := elsewhere.Push(t.Context(), voyage(t, "1.0.0", []byte("#moved")...), h.repo, chart.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	h.Reset()
	if err := h.newClient(t, cache.Policy{MaxAge: time.Hour}).CheckTag(t.Context(), pinned); !errors.Is(err, registry.ErrTagMoved) {
		t.Errorf("within max-age: %v", err)
	}
	h.costs(t, "check of a tag", "HEAD", 0)
	if err := h.newClient(t, cache.Policy{Offline: true}).CheckTag(t.Context(), pinned); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("offline: %v", err)
	}
	// What a digest says needs no confirmation, and says nothing of a tag.
	pulled := h.pull(t, h.client, pinned, chart.PullOptions{})
	if pulled.Version != "" || !pulled.Origin.Confirmed.IsZero() {
		t.Errorf("by digest: version %q, confirmed %v", pulled.Version, pulled.Origin.Confirmed)
	}
}

// TestNoMatch: what does not exist is answered with what does.
func TestNoMatch(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0", "2.0.0-rc.1")
	for _, tc := range []struct {
		name     string
		ref      registry.Reference
		selector chart.Selector
		says     string
	}{
		{"range", h.repo, chart.Selector{Version: "^3"}, `"^3"`},
		{"version", h.repo, chart.Selector{Version: "1.2.3"}, "no version or tag 1.2.3"},
		{"short version", h.repo, chart.Selector{Version: "2.0"}, "no version or tag 2.0"},
		{"tag beside the repository", h.repo, chart.Selector{Version: "latest"}, "no version or tag latest"},
		{"tag", h.repo.WithTag("latest"), chart.Selector{}, "no version or tag latest"},
	} {
		for _, use := range []func() error{
			func() error { _, err := h.client.Resolve(t.Context(), tc.ref, tc.selector); return err },
			func() error {
				_, err := h.client.Pull(t.Context(), tc.ref, chart.PullOptions{Selector: tc.selector})
				return err
			},
		} {
			err := use()
			no, ok := errors.AsType[*chart.NoMatchError](err)
			if !ok || !errors.Is(err, chart.ErrNoMatch) || !errors.Is(err, registry.ErrNotFound) || len(no.Versions) != 3 {
				t.Errorf("%s: %v", tc.name, err)
				continue
			}
			if text := err.Error(); !strings.Contains(text, tc.says) || !strings.Contains(text, "2.0.0-rc.1, 1.1.0, 1.0.0") {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.says)
			}
		}
	}
	devel := newHarbour(t, registrytest.Options{}, cache.Policy{})
	devel.push(t, "1.0.0-alpha.2", "1.0.0-alpha.10")
	if _, err := devel.client.Resolve(t.Context(), devel.repo, chart.Selector{}); !errors.Is(err, chart.ErrNoMatch) || !strings.Contains(err.Error(), "only pre-releases") || !strings.Contains(err.Error(), "alpha.10, 1.0.0-alpha.2") {
		t.Errorf("only pre-releases: %v", err)
	}
}
