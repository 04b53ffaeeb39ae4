package chart_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestVerifierOfPinnedDependencies: what the cache holds by the digests of the
// lock is judged like what is fetched.
func TestVerifierOfPinnedDependencies(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	s := &shelf{dir: t.TempDir(), client: h.client}
	s.put(t, "mast", "1.0.0")
	dir := ship(t, t.TempDir(), "fleet", "1.0.0", h.needs("mast 1.0.0 https://shelf.example/charts"))
	options := chart.DependencyOptions{Repositories: func(context.Context, string) (chart.Repository, error) { return s, nil }}
	if _, err := h.client.UpdateDependencies(t.Context(), dir, options); err != nil {
		t.Fatal(err)
	}
	var answer error
	v := judge(func(_ context.Context, s chart.Subject) (string, error) {
		if s.Name != "mast" || s.Version != "1.0.0" {
			t.Errorf("judged %+v", s)
		}
		return "alice", answer
	})
	for _, offline := range []bool{false, true} {
		options.SkipCheck = !offline
		client := h.verified(t, cache.Policy{Offline: offline}, v)
		for _, refusal := range []error{fmt.Errorf("%w: forged", chart.ErrVerification), nil} {
			if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
				t.Fatal(err)
			}
			answer = refusal
			_, err := client.BuildDependencies(t.Context(), dir, options)
			if !errors.Is(err, refusal) || (refusal == nil) != (len(inCharts(t, dir)) == 1) {
				t.Errorf("offline %t, verifier says %v: %v, charts/ has %q", offline, refusal, err, inCharts(t, dir))
			}
		}
	}
}

// TestVerifierOfCopiedNames: what a copy is called is judged with it. The
// config that says so is signed by nobody.
func TestVerifierOfCopiedNames(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	lying := func(tag, name, version string) ocispec.Descriptor {
		p := voyage(t, "1.0.0")
		h.put(t, p)
		config := []byte(`{"apiVersion":"v2","name":"` + name + `","version":"` + version + `"}`)
		desc := ocispec.Descriptor{MediaType: chart.ConfigMediaType, Digest: digest.FromBytes(config), Size: int64(len(config))}
		if err := h.repository(t).Push(t.Context(), desc, bytes.NewReader(config)); err != nil {
			t.Fatal(err)
		}
		return h.putManifest(t, tag, ocispec.MediaTypeImageManifest, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, Config: desc, Layers: []ocispec.Descriptor{p.Layer}})
	}
	newer := lying("edge", "voyage", "9.9.9")
	lying("1.0.0", "payments", "9.9.9")
	client := h.verified(t, cache.Policy{}, judge(func(_ context.Context, s chart.Subject) (string, error) {
		if s.Name != "voyage" || s.Version != "" && s.Version != "1.0.0" {
			return "", fmt.Errorf("%w: voyage 1.0.0 is signed, and %s %s is wanted", chart.ErrVerification, s.Name, s.Version)
		}
		return "alice", nil
	}))
	out := t.TempDir()
	dir := createLayout(t)
	for _, tc := range []struct {
		name string
		from registry.Reference
		to   chart.CopyTarget
		path string
		want error
	}{
		{"the config makes the tag", h.repo.WithDigest(newer.Digest), chart.CopyTarget{Target: dir}, "", chart.ErrVerification},
		{"the config lets a tag pass", h.repo.WithTag("edge"), chart.CopyTarget{Target: dir, Reference: registry.Reference{Tag: "9.9.9"}}, "", chart.ErrVerification},
		{"a tag that says nothing", h.repo.WithTag("edge"), chart.CopyTarget{Target: dir}, "", nil},
		{"the config makes the file's version", h.repo.WithTag("edge"), chart.CopyTarget{Archive: out}, "", chart.ErrVerification},
		{"the registry makes the file's name", h.repo.WithTag("1.0.0"), chart.CopyTarget{Archive: out}, "voyage-1.0.0.tgz", nil},
	} {
		done, err := client.Copy(t.Context(), h.from(t, tc.from), tc.to, chart.CopyOptions{})
		if !errors.Is(err, tc.want) || err == nil && tc.path != "" && filepath.Base(done.Path) != tc.path {
			t.Errorf("%s: %+v, %v", tc.name, done, err)
		}
	}
}

// TestCopyToArchiveWithinLimits: what could not be read is not written, as in
// Pull.
func TestCopyToArchiveWithinLimits(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	p := voyage(t, "1.0.0")
	h.put(t, p)
	huge := p.Layer
	huge.Size = 1 << 40
	h.putManifest(t, "2.0.0", ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, Config: p.Config, Layers: []ocispec.Descriptor{huge}})
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Copy(t.Context(), h.from(t, h.repo.WithTag("2.0.0")), chart.CopyTarget{Archive: filepath.Join(t.TempDir(), "x.tgz")}, chart.CopyOptions{})
	if !errors.Is(err, chart.ErrTooLarge) {
		t.Errorf("a terabyte: %v", err)
	}
}
