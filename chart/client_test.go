package chart_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// harbour is a registry and a client of it with a cache.
type harbour struct {
	*registrytest.Server
	client *chart.Client
	repo   registry.Reference
	dir    string // of the cache; empty: none
}

// schemes are the two kinds of registry that budgets hold for.
var schemes = []struct {
	name    string
	options registrytest.Options
}{
	{"open", registrytest.Options{}},
	{"bearer", registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}}},
}

func newHarbour(t *testing.T, options registrytest.Options, policy cache.Policy) *harbour {
	t.Helper()
	h := &harbour{Server: registrytest.New(&options), dir: t.TempDir()}
	t.Cleanup(h.Close)
	h.repo = registry.Reference{Host: h.Host, Repository: "team/voyage"}
	h.client = h.newClient(t, policy)
	return h
}

// newClient makes another client with the same cache and no tokens.
func (h *harbour) newClient(t *testing.T, policy cache.Policy) *chart.Client {
	t.Helper()
	r, err := registry.NewClient(&registry.Options{
		Credentials: auth.Static(auth.Resource{Host: h.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	store := cache.None()
	if h.dir != "" {
		if store, err = cache.Open(h.dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// voyage packs a chart of that version, with filler to make it larger.
func voyage(t *testing.T, version string, filler ...byte) *chart.Packed {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("Chart.yaml", "apiVersion: v2\nname: voyage\nversion: "+version+"\ndescription: A chart\n")
	write("values.yaml", "port: 80\n"+string(filler))
	write("templates/config.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: voyage}\n")
	packed, err := chart.Pack(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return packed
}

// push is somebody else's: nothing of it is in our cache.
func (h *harbour) push(t *testing.T, versions ...string) {
	t.Helper()
	elsewhere := &harbour{Server: h.Server}
	client := elsewhere.newClient(t, cache.Policy{})
	for _, v := range versions {
		if _, err := client.Push(t.Context(), voyage(t, v), h.repo, chart.PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *harbour) pull(t *testing.T, client *chart.Client, ref registry.Reference, options chart.PullOptions) *chart.Pulled {
	t.Helper()
	pulled, err := client.Pull(t.Context(), ref, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pulled.Close() })
	return pulled
}

// costs compares what happened since the last Reset with a budget.
func (h *harbour) costs(t *testing.T, what, methods string, tokens int) {
	t.Helper()
	c := h.Cost()
	if c.Methods() != methods {
		t.Errorf("%s: %s, want %q", what, c, methods)
	}
	if c.Tokens != tokens || c.Challenges > tokens {
		t.Errorf("%s: %d challenges and %d tokens, want at most 1 and %d", what, c.Challenges, c.Tokens, tokens)
	}
	h.Reset()
}

func TestPullBudget(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			token := int(scheme.options.Auth) / int(registrytest.Bearer)
			h := newHarbour(t, scheme.options, cache.Policy{})
			h.push(t, "1.0.0", "1.1.0", "2.0.0-rc.1")
			tag := h.repo.WithTag("1.0.0")
			h.Reset()

			h.client = h.newClient(t, cache.Policy{})
			cold := h.pull(t, h.client, tag, chart.PullOptions{})
			h.costs(t, "pull by tag, nothing cached", "GET GET", token)
			if cold.Origin.From != cache.FromNetwork {
				t.Errorf("cold pull from %s", cold.Origin.From)
			}
			h.pull(t, h.client, tag, chart.PullOptions{})
			if c := h.Cost(); c.Sent != 0 {
				t.Errorf("an unchanged tag cost %d bytes of body", c.Sent)
			}
			h.costs(t, "pull by tag, unchanged", "HEAD", 0)
			h.pull(t, h.newClient(t, cache.Policy{}), tag, chart.PullOptions{})
			h.costs(t, "pull by tag, unchanged, new process", "HEAD", token)

			digest := tag.WithDigest(cold.Manifest.Digest)
			byDigest := h.pull(t, h.client, digest, chart.PullOptions{})
			if byDigest.Origin.From != cache.FromCache {
				t.Errorf("pull by digest from %s", byDigest.Origin.From)
			}
			h.pull(t, h.client, h.repo.WithDigest(cold.Manifest.Digest), chart.PullOptions{})
			h.pull(t, h.newClient(t, cache.Policy{MaxAge: time.Hour}), tag, chart.PullOptions{})
			h.pull(t, h.newClient(t, cache.Policy{Offline: true}), tag, chart.PullOptions{})
			h.costs(t, "pulls by digest, within max-age, offline", "", 0)

			newest := h.pull(t, h.client, h.repo, chart.PullOptions{})
			if newest.Version != "1.1.0" {
				t.Errorf("newest stable version is %s", newest.Version)
			}
			h.costs(t, "newest version, not cached", "GET GET GET", 0)
			h.pull(t, h.client, h.repo, chart.PullOptions{Selector: chart.Selector{Version: "^1"}})
			h.costs(t, "newest version in a range, cached", "GET HEAD", 0)
		})
	}
}

func TestPushBudget(t *testing.T) {
	large := noise(400 << 10)
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			token := int(scheme.options.Auth) / int(registrytest.Bearer)
			h := newHarbour(t, scheme.options, cache.Policy{})
			small, big := voyage(t, "1.0.0"), voyage(t, "2.0.0", large...)
			if small.Layer.Size > 64<<10 || big.Layer.Size <= 64<<10 {
				t.Fatalf("layers of %d and %d bytes test nothing", small.Layer.Size, big.Layer.Size)
			}
			for _, tc := range []struct {
				what    string
				packed  *chart.Packed
				options chart.PushOptions
				most    int
				exists  bool
			}{
				{"new chart with small blobs", small, chart.PushOptions{}, 6, false},
				{"the same again", small, chart.PushOptions{}, 1, true},
				{"new chart with a large layer", big, chart.PushOptions{}, 8, false},
				{"a further tag", big, chart.PushOptions{Tags: []string{"latest"}}, 3, true},
				{"a further tag again", big, chart.PushOptions{Tags: []string{"latest"}}, 2, true},
			} {
				pushed, err := h.client.Push(t.Context(), tc.packed, h.repo, tc.options)
				if err != nil {
					t.Fatal(tc.what, err)
				}
				c := h.Cost()
				if c.Requests > tc.most || c.Tokens > token || c.Challenges > token {
					t.Errorf("%s: %s, want at most %d requests and %d tokens", tc.what, c, tc.most, token)
				}
				if pushed.Exists != tc.exists {
					t.Errorf("%s: exists %v, want %v", tc.what, pushed.Exists, tc.exists)
				}
				if !tc.exists && c.Received != pushed.Sent {
					t.Errorf("%s: says %d bytes were sent, the registry received %d", tc.what, pushed.Sent, c.Received)
				}
				h.Reset()
				token = 0
			}
		})
	}
}

// pseudo is a line of noise that does not change between runs.
func pseudo(i int) []byte {
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	var line []byte
	for range 40 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		line = append(line, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[x%64])
	}
	return line
}

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
	r, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository(h.repo)
	if err != nil {
		t.Fatal(err)
	}
	pushManifest(t, repo, tag, configType, charts)
}

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

func TestResolve(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.2.0+b.2", "1.2.0+b.10")
	image(t, h, "v3.1.0", chart.ConfigMediaType, 1)
	image(t, h, "20240101", chart.ConfigMediaType, 1)
	image(t, h, "20240101.1", chart.ConfigMediaType, 1)
	image(t, h, "1.2", chart.ConfigMediaType, 1) // floats beside 1.2.0
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
		{"version in another spelling", h.repo, chart.Selector{Version: "3.1"}, "v3.1.0", chart.ByVersion},
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

func TestPullTrustsNobody(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	t.Run("a layer of any size", func(t *testing.T) {
		r, err := registry.NewClient(nil)
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

// noise is n bytes of comment lines that hardly compress.
func noise(n int) []byte {
	var all []byte
	for i := 0; len(all) < n; i++ {
		all = append(append(all, "\n# "...), pseudo(i)...)
	}
	return all
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

func TestKeep(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	ref, err := h.client.Keep(ctx, packed, h.repo)
	if err != nil || ref.Tag != "1.0.0" {
		t.Fatalf("kept as %s, %v", ref, err)
	}
	if n := h.Cost().Requests; n != 0 {
		t.Errorf("keeping cost %d requests", n)
	}
	other := h.newClient(t, cache.Policy{})
	kept, err := other.Kept(ctx, h.repo.WithTag("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	pushed, err := other.Push(ctx, kept, ref, chart.PushOptions{})
	if err != nil || pushed.Manifest.Digest != packed.Manifest.Digest {
		t.Fatalf("pushed %v, %v, want %s", pushed, err, packed.Manifest.Digest)
	}
	if err := other.Release(ctx, ref); err != nil {
		t.Fatal(err)
	}
	again, err := other.Kept(ctx, ref.WithTag("1.0.0"))
	if err != nil {
		t.Fatalf("after the release, which the cache need not forget at once: %v", err)
	}
	defer again.Close()
	h.Reset()
	if pushed, err := other.Push(ctx, again, ref, chart.PushOptions{}); err != nil || !pushed.Exists {
		t.Errorf("pushed again: %v, %v", pushed, err)
	}
	h.costs(t, "push of what was pushed", "HEAD", 0)
	if _, err := other.Kept(ctx, ref.WithDigest(voyage(t, "1.0.0", []byte("#other")...).Manifest.Digest)); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("of another digest: %v", err)
	}
	if _, err := other.Kept(ctx, h.repo.WithTag("9.9.9")); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("never packed: %v", err)
	}
	if _, err := other.Kept(ctx, h.repo); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("without a tag: %v", err)
	}
	if _, err := other.Keep(ctx, packed, h.repo.WithTag("2.0.0")); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("under another version: %v", err)
	}
}

func TestClientWithoutCache(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	r, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.Reset()
		h.pull(t, client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
		h.costs(t, "pull without a cache", "GET GET", 0)
	}
	if _, err := client.Keep(t.Context(), voyage(t, "1.0.0"), h.repo); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("keeping a chart in no cache: %v", err)
	}
	if err := client.Release(t.Context(), h.repo.WithTag("1.0.0")); err != nil {
		t.Errorf("releasing what no cache keeps: %v", err)
	}
	if _, err := chart.NewClient(nil); err == nil {
		t.Error("made a client without a registry")
	}
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
