package chart_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

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
		Retry:       soon,
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
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store, Policy: &policy})
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
	r, err := registry.NewClient(&registry.Options{Retry: soon})
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
