package chart_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// offlineLose removes content from the harbour's cache, as somebody who is short
// of space does.
func (h *harbour) offlineLose(t *testing.T, digests ...digest.Digest) {
	t.Helper()
	for _, d := range digests {
		if err := os.Remove(filepath.Join(h.dir, "blobs", d.Algorithm().String(), d.Encoded())); err != nil {
			t.Fatal(err)
		}
	}
}

// offlineTells checks the error of a chart that the cache has in part.
func offlineTells(t *testing.T, err error, ref registry.Reference, parts ...chart.MissingPart) {
	t.Helper()
	partly, ok := errors.AsType[*chart.NotCachedError](err)
	if !ok {
		t.Fatalf("%v, want what is missing of %s", err, ref)
	}
	if diff := cmp.Diff(&chart.NotCachedError{Reference: ref, Parts: parts}, partly); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if !errors.Is(err, chart.ErrNotCached) || !errors.Is(err, registry.ErrNotFound) || errors.Is(err, chart.ErrNoMatch) {
		t.Errorf("%v is of another kind", err)
	}
	for _, p := range parts {
		for _, word := range []string{ref.String(), p.Part, p.Digest.String()} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in: %v", word, err)
			}
		}
	}
}

func offlinePart(name string, desc ocispec.Descriptor) chart.MissingPart {
	return chart.MissingPart{Part: name, Digest: desc.Digest, Size: desc.Size}
}

// TestPullNotCached: what an offline pull lacks is named by reference and
// digest, all of it, and nobody is asked.
func TestPullNotCached(t *testing.T) {
	reads := judge(func(ctx context.Context, s chart.Subject) (string, error) {
		data, err := s.ReadProvenance(ctx)
		return string(data), err
	})
	offline := cache.Policy{Offline: true}
	for _, tc := range []struct {
		name     string
		lost     []string
		verifier chart.Verifier
		digest   bool // asked for by digest
		missing  []string
	}{
		{name: "archive", lost: []string{chart.PartArchive}, missing: []string{chart.PartArchive}},
		{name: "archive, by digest", lost: []string{chart.PartArchive}, digest: true, missing: []string{chart.PartArchive}},
		{name: "manifest", lost: []string{chart.PartManifest}, missing: []string{chart.PartManifest}},
		{name: "manifest, by digest", lost: []string{chart.PartManifest}, digest: true, missing: []string{chart.PartManifest}},
		{name: "provenance that nobody wants", lost: []string{chart.PartProvenance}},
		{name: "provenance", lost: []string{chart.PartProvenance}, verifier: reads, missing: []string{chart.PartProvenance}},
		{name: "provenance and archive", lost: []string{chart.PartProvenance, chart.PartArchive}, verifier: reads, missing: []string{chart.PartProvenance, chart.PartArchive}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			packed := signed(t, "1.0.0", stamp("vouched for"))
			h.pushPacked(t, packed)
			h.push(t, "0.9.0") // another version is no answer
			for _, v := range []string{"0.9.0", "1.0.0"} {
				pulled, err := h.client.Pull(t.Context(), h.repo.WithTag(v), chart.PullOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := pulled.ReadProvenance(t.Context()); v == "1.0.0" && err != nil {
					t.Fatal(err)
				}
				pulled.Close()
			}
			of := map[string]ocispec.Descriptor{chart.PartManifest: packed.Manifest, chart.PartArchive: packed.Layer, chart.PartProvenance: *packed.Provenance}
			var missing []chart.MissingPart
			for _, name := range tc.missing {
				missing = append(missing, offlinePart(name, of[name]))
			}
			for _, name := range tc.lost {
				h.offlineLose(t, of[name].Digest)
			}
			ref := h.repo.WithTag("1.0.0")
			if tc.digest {
				ref = h.repo.WithDigest(packed.Manifest.Digest)
			}
			if len(missing) > 0 && missing[0].Part == chart.PartManifest {
				missing[0].Size = 0 // a digest is what is looked for
			}
			h.Reset()
			pulled, err := h.verified(t, offline, tc.verifier).Pull(t.Context(), ref, chart.PullOptions{})
			if len(tc.missing) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				pulled.Close()
			} else {
				offlineTells(t, err, ref.WithDigest(packed.Manifest.Digest), missing...)
			}
			h.costs(t, "pulls offline", "", 0)

			again, err := h.verified(t, cache.Policy{}, tc.verifier).Pull(t.Context(), ref, chart.PullOptions{})
			if err != nil {
				t.Fatalf("with the registry in reach: %v", err)
			}
			again.Close()
			pulled, err = h.verified(t, offline, tc.verifier).Pull(t.Context(), ref, chart.PullOptions{})
			if err != nil {
				t.Fatalf("fetched once, offline: %v", err)
			}
			pulled.Close()
		})
	}
}

// TestBadFileNotCached: a file with other bytes than its name says is missing.
func TestBadFileNotCached(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	pulled, err := h.client.Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pulled.Close()
	path := filepath.Join(h.dir, "blobs", "sha256", pulled.Layer.Digest.Encoded())
	if err := os.WriteFile(path, make([]byte, pulled.Layer.Size), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = h.newClient(t, cache.Policy{Offline: true}).Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	offlineTells(t, err, pulled.Origin.Resolved, offlinePart(chart.PartArchive, pulled.Layer))
}

// TestIndexNotCached: in an image index it is the chart's own manifest.
func TestIndexNotCached(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	child := h.put(t, voyage(t, "1.0.0"))
	h.putManifest(t, "1.0.0", ocispec.MediaTypeImageIndex, ocispec.Index{
		MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{child}})
	pulled, err := h.client.Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pulled.Close()
	h.offlineLose(t, child.Digest)
	_, err = h.newClient(t, cache.Policy{Offline: true}).Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	offlineTells(t, err, pulled.Origin.Resolved, offlinePart(chart.PartManifest, child))
}

// TestVersionsNotCached: a listing goes on beside a version that is here in
// part, and says what it lacks.
func TestVersionsNotCached(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	for _, v := range []string{"1.0.0", "1.1.0"} {
		h.push(t, v)
		pulled, err := h.client.Pull(t.Context(), h.repo.WithTag(v), chart.PullOptions{}) // which leaves the config
		if err != nil {
			t.Fatal(err)
		}
		if v == "1.1.0" {
			if _, err := pulled.ReadConfig(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		pulled.Close()
	}
	h.Reset()
	var seen []string
	for v, err := range h.newClient(t, cache.Policy{Offline: true}).Versions(t.Context(), h.repo, chart.VersionOptions{Metadata: true}) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, v.Version)
		if partly, ok := errors.AsType[*chart.NotCachedError](v.Err); ok != (v.Version == "1.0.0") || ok && partly.Parts[0].Part != chart.PartConfig {
			t.Errorf("%s: %v", v.Version, v.Err)
		}
	}
	if want := []string{"1.1.0", "1.0.0"}; !slices.Equal(seen, want) {
		t.Errorf("listed %q, want %q", seen, want)
	}
	h.costs(t, "a listing offline", "", 0)
}

// TestNoMatchOffline: what the cache does not have may yet be in the registry.
func TestNoMatchOffline(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		h.push(t, v)
	}
	pulled, err := h.client.Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pulled.Close()
	offline := h.newClient(t, cache.Policy{Offline: true})
	h.Reset()
	for _, sel := range []string{"2.0.0", "^2", "stable"} {
		_, err := offline.Pull(t.Context(), h.repo, chart.PullOptions{Selector: chart.Selector{Version: sel}})
		_, resolveErr := offline.Resolve(t.Context(), h.repo, chart.Selector{Version: sel})
		for _, err := range []error{err, resolveErr} {
			none, ok := errors.AsType[*chart.NoMatchError](err)
			if !ok || !none.Offline || !errors.Is(err, chart.ErrNotCached) || !strings.Contains(err.Error(), "cache") || !strings.Contains(err.Error(), "1.0.0") {
				t.Errorf("%s: %v", sel, err)
			}
		}
	}
	h.costs(t, "asked offline", "", 0)
	_, err = h.client.Resolve(t.Context(), h.repo, chart.Selector{Version: "^3"})
	if none, ok := errors.AsType[*chart.NoMatchError](err); !ok || none.Offline || errors.Is(err, chart.ErrNotCached) || strings.Contains(err.Error(), "cache") {
		t.Errorf("the registry's answer: %v", err)
	}
	unknown := h.repo
	unknown.Repository = "team/other"
	if _, err := offline.Pull(t.Context(), unknown.WithTag("1.0.0"), chart.PullOptions{}); !errors.Is(err, chart.ErrNotCached) || !strings.Contains(err.Error(), "team/other:1.0.0") {
		t.Errorf("nothing is known: %v", err)
	}
}

// TestDependenciesNotCached: an update and a build name every dependency that is
// missing, however many there are.
func TestDependenciesNotCached(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	var charts, needs []string
	for i := range 25 {
		charts = append(charts, fmt.Sprintf("plank%d:1.0.%d", i, i))
		needs = append(needs, fmt.Sprintf("plank%d %s team", i, []string{fmt.Sprintf("1.0.%d", i), "^1"}[i%2]))
	}
	h.stock(t, charts...)
	dir := ship(t, t.TempDir(), "raft", "1.0.0", h.needs(needs...))
	lock, err := h.client.UpdateDependencies(t.Context(), dir, chart.DependencyOptions{Time: when})
	if err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	whole := h.dir
	h.dir = t.TempDir()
	nothing := h.newClient(t, cache.Policy{Offline: true})
	h.dir = whole
	partly := h.newClient(t, cache.Policy{Offline: true})
	h.offlineLose(t, lock.Pins[3].Layer, lock.Pins[7].Manifest, lock.Pins[8].Manifest)
	h.Reset()
	type run = func(context.Context, string, chart.DependencyOptions) (*chart.Lock, error)
	for name, tc := range map[string]struct {
		run     run
		missing []int
		words   func(i int) []string
	}{
		"update, nothing here": {nothing.UpdateDependencies, offlineAll(25), func(i int) []string {
			return []string{fmt.Sprintf("%s/team/plank%d", h.Host, i)}
		}},
		"build, nothing here": {nothing.BuildDependencies, offlineAll(25), func(i int) []string {
			return []string{fmt.Sprintf("%s/team/plank%d:1.0.%d", h.Host, i, i), lock.Pins[i].Manifest.String()}
		}},
		"build, three are not": {partly.BuildDependencies, []int{3, 7, 8}, func(i int) []string {
			return []string{lock.Pins[i].Manifest.String(), map[bool]string{true: lock.Pins[i].Layer.String()}[i == 3]}
		}},
		"update, three are not": {partly.UpdateDependencies, []int{3, 7, 8}, func(i int) []string {
			return []string{fmt.Sprintf("%s/team/plank%d", h.Host, i)}
		}},
	} {
		_, err := tc.run(t.Context(), dir, chart.DependencyOptions{})
		failed, ok := errors.AsType[*chart.DependenciesError](err)
		if !ok || len(failed.Failed) != len(tc.missing) || failed.Total != 25 || !errors.Is(err, chart.ErrNotCached) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, i := range tc.missing {
			for _, word := range tc.words(i) {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %q is not in: %v", name, word, err)
				}
			}
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%s has changed the chart:\n%s", name, diff)
		}
	}
	h.costs(t, "asked offline", "", 0)
}

func offlineAll(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
