package chart_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// stamp is a Signer that writes a text.
type stamp string

func (s stamp) Sign(context.Context, *chart.Archive) ([]byte, error) {
	if s == "fails" {
		return nil, errors.New("no ink")
	}
	return []byte(s), nil
}

// signed packs a chart with a provenance file.
func signed(t *testing.T, version string, signer chart.Signer) *chart.Packed {
	t.Helper()
	packed, err := chart.PackArchive(t.Context(), reopened(t, voyage(t, version)), &chart.PackOptions{Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return packed
}

func reopened(t *testing.T, p *chart.Packed) *chart.Archive {
	t.Helper()
	a, err := chart.Read(p.Archive().Reader(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (h *harbour) pushPacked(t *testing.T, packed *chart.Packed) {
	t.Helper()
	elsewhere := &harbour{Server: h.Server}
	if _, err := elsewhere.newClient(t, cache.Policy{}).Push(t.Context(), packed, h.repo, chart.PushOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

func TestProvenanceBudget(t *testing.T) {
	reads := judge(func(ctx context.Context, s chart.Subject) (string, error) {
		data, err := s.ReadProvenance(ctx)
		return string(data), err
	})
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.pushPacked(t, signed(t, "1.0.0", stamp("sealed")))
	ref := h.repo.WithTag("1.0.0")
	h.Reset()

	again := func(what, cost string, client *chart.Client) {
		t.Helper()
		pulled := h.pull(t, client, ref, chart.PullOptions{})
		if got, err := pulled.ReadProvenance(t.Context()); string(got) != "sealed" {
			t.Errorf("%s: provenance %q, %v", what, got, err)
		}
		h.costs(t, what, cost, 0)
	}
	h.pull(t, h.client, ref, chart.PullOptions{})
	h.costs(t, "pull that asks for no provenance", "GET GET", 0)
	again("provenance of a cached chart", "HEAD GET", h.client)
	again("the same again", "HEAD", h.client)
	again("verified, all cached", "HEAD", h.verified(t, cache.Policy{}, reads))
	again("verified, offline", "", h.verified(t, cache.Policy{Offline: true}, reads))
	none := &harbour{Server: h.Server}
	again("verified and read without a cache", "GET GET GET", none.verified(t, cache.Policy{}, reads))
}

// TestChangedProvenance: a chart that is signed anew keeps its archive and has
// another manifest (harbor#5465), so that no cache confuses the two.
func TestChangedProvenance(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	first, second := signed(t, "1.0.0", stamp("first")), signed(t, "1.0.0", stamp("second"))
	if first.Layer.Digest != second.Layer.Digest || first.Manifest.Digest == second.Manifest.Digest {
		t.Fatalf("archives %s and %s, manifests %s and %s", first.Layer.Digest, second.Layer.Digest, first.Manifest.Digest, second.Manifest.Digest)
	}
	ref := h.repo.WithTag("1.0.0")
	for _, packed := range []*chart.Packed{first, second} {
		h.pushPacked(t, packed)
		pulled := h.pull(t, h.client, ref, chart.PullOptions{})
		want, _ := packed.Fetch(t.Context(), *packed.Provenance)
		if got, err := pulled.ReadProvenance(t.Context()); string(got) != read(t, want, nil) {
			t.Errorf("provenance %q, %v", got, err)
		}
	}
	old := h.pull(t, h.client, h.repo.WithDigest(first.Manifest.Digest), chart.PullOptions{})
	if got, err := old.ReadProvenance(t.Context()); string(got) != "first" {
		t.Errorf("provenance by the first digest: %q, %v", got, err)
	}
}

func TestNoProvenance(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	pulled := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if _, err := pulled.ReadProvenance(t.Context()); !errors.Is(err, registry.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
	dir := filepath.Join(t.TempDir(), "dir")
	if _, _, err := pulled.SaveWithProvenance(t.Context(), dir); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error = %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory was made for nothing: %v", err)
	}
	if _, err := (&chart.Pulled{}).ReadProvenance(t.Context()); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("of a chart from nowhere: %v", err)
	}
}

func TestSaveWithProvenance(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := signed(t, "1.0.0", stamp("sealed"))
	h.pushPacked(t, packed)
	pulled := h.pull(t, h.client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
	dir := t.TempDir()
	archive, prov, err := pulled.SaveWithProvenance(t.Context(), dir)
	if err != nil || filepath.Base(archive) != "voyage-1.0.0.tgz" || prov != archive+".prov" {
		t.Fatalf("saved %s and %s, %v", archive, prov, err)
	}
	again, err := chart.Pack(t.Context(), archive, &chart.PackOptions{Provenance: prov})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Manifest.Digest != packed.Manifest.Digest {
		t.Errorf("packed again as %s, want %s", again.Manifest.Digest, packed.Manifest.Digest)
	}

	t.Run("both or neither", func(t *testing.T) {
		for _, inTheWay := range []string{"voyage-1.0.0.tgz", "voyage-1.0.0.tgz.prov"} {
			dir := write(t, t.TempDir(), map[string]string{inTheWay + "/file": ""})
			if _, _, err := pulled.SaveWithProvenance(t.Context(), dir); err == nil {
				t.Errorf("replaced the directory %s", inTheWay)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("with %s in the way, left behind: %v", inTheWay, left)
			}
		}
	})
}

func TestPackSigns(t *testing.T) {
	dir := "testdata/charts/mariner"
	packed, err := chart.Pack(t.Context(), dir, &chart.PackOptions{Signer: stamp("sealed")})
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	rc, err := packed.Fetch(t.Context(), *packed.Provenance)
	if got := read(t, rc, err); got != "sealed" {
		t.Errorf("provenance %q", got)
	}
	for name, opts := range map[string]*chart.PackOptions{
		"signer fails":          {Signer: stamp("fails")},
		"signer says nothing":   {Signer: stamp("")},
		"signer says too much":  {Signer: stamp(bytes.Repeat([]byte("x"), 2<<20))},
		"signer and provenance": {Signer: stamp("sealed"), Provenance: "testdata/charts/mariner/README.md"},
	} {
		if p, err := chart.Pack(t.Context(), dir, opts); err == nil {
			t.Errorf("%s: packed %s", name, p.Manifest.Digest)
		}
	}
}

func TestPackageSigned(t *testing.T) {
	source := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML, "values.yaml": "a: 1\n"})
	var before []byte
	for range 2 { // the second finds the files of the first in the chart
		path, m, err := chart.PackageSigned(t.Context(), source, source, stamp("sealed"), nil)
		if err != nil || m.Name != "pier" {
			t.Fatalf("%s, %v, %v", path, m, err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(before, data) {
			t.Error("the chart holds its former self")
		}
		before = data
		if prov, err := os.ReadFile(path + ".prov"); string(prov) != "sealed" {
			t.Errorf("provenance %q, %v", prov, err)
		}
	}
	dest := t.TempDir()
	if _, _, err := chart.PackageSigned(t.Context(), source, dest, stamp("fails"), nil); err == nil {
		t.Error("packaged without a signature")
	}
	if _, _, err := chart.PackageSigned(t.Context(), source, dest, nil, nil); err == nil {
		t.Error("packaged without a signer")
	}
	if left, _ := os.ReadDir(dest); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestProvenanceTooLarge: a manifest may claim any size.
func TestProvenanceTooLarge(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.pushPacked(t, signed(t, "1.0.0", stamp("sealed")))
	var got error
	client := h.verified(t, cache.Policy{}, judge(func(ctx context.Context, s chart.Subject) (string, error) {
		claims := *s.Layers.Provenance
		claims.Size = 2 << 20
		_, got = chart.Subject{Reference: s.Reference, Source: s.Source, Layers: &chart.Layers{Provenance: &claims}}.ReadProvenance(ctx)
		return "", nil
	}))
	h.Reset()
	h.pull(t, client, h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if !errors.Is(got, chart.ErrTooLarge) {
		t.Errorf("error = %v", got)
	}
	h.costs(t, "a provenance file beyond the limit", "GET GET", 0)
}
