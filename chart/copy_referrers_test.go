package chart_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// referrersAt lists digests, sorted.
func referrersAt(t *testing.T, src registry.Source, subject ocispec.Descriptor) []digest.Digest {
	t.Helper()
	all := []digest.Digest{}
	for d, err := range registry.Referrers(t.Context(), src.(registry.ReferrerLister), subject, "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}

func digests(descs ...ocispec.Descriptor) []digest.Digest {
	all := []digest.Digest{}
	for _, d := range descs {
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}

// TestCopyReferrers: signatures travel, with theirs, between registries with
// and without the API and through a layout.
func TestCopyReferrers(t *testing.T) {
	ctx := t.Context()
	for name, tc := range map[string]struct{ source, target registrytest.Options }{
		"API to API":  {},
		"API to tags": {target: registrytest.Options{NoReferrers: true}},
		"tags to API": {source: registrytest.Options{NoReferrers: true}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, tc.source, cache.Policy{})
			h.push(t, "1.0.0")
			source := h.from(t, h.repo.WithTag("1.0.0"))
			repo := source.Source.(*registry.Repository)
			subject, err := repo.Resolve(ctx, "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			signature, sbom := artifact(t, repo, "", "signature", &subject), artifact(t, repo, "", "sbom", &subject)
			countersigned := artifact(t, repo, "", "signature of the sbom", &sbom)
			cosign := registry.ReferrersTag(subject.Digest) + ".sig"
			tagged := artifact(t, repo, cosign, "cosign", nil)

			_, ref := quay(t, tc.target)
			target := h.to(t, ref)
			plain, err := h.client.Copy(ctx, source, target, chart.CopyOptions{})
			if err != nil || len(plain.Referrers) != 0 || len(referrersAt(t, target.Target, subject)) != 0 {
				t.Fatal(plain, err)
			}
			check := func(at registry.Source, copied *chart.Copied) {
				t.Helper()
				if diff := cmp.Diff(digests(signature, sbom, countersigned, tagged), digests(copied.Referrers...)); diff != "" {
					t.Errorf("says (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(digests(signature, sbom), referrersAt(t, at, subject)); diff != "" {
					t.Errorf("referrers (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(digests(countersigned), referrersAt(t, at, sbom)); diff != "" {
					t.Errorf("referrers of the SBOM (-want +got):\n%s", diff)
				}
				if got, err := at.Resolve(ctx, cosign); err != nil || got.Digest != tagged.Digest {
					t.Errorf("%s: %v, %v", cosign, got, err)
				}
			}
			// The chart is there; its signatures are not yet.
			copied, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true})
			if err != nil || !copied.Exists || copied.Sent == 0 {
				t.Fatal(copied, err)
			}
			check(target.Target, copied)
			again, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true})
			if err != nil || again.Sent != 0 {
				t.Fatal(again, err)
			}
			check(target.Target, again)

			dir := createLayout(t)
			copied, err = h.client.Copy(ctx, h.from(t, ref.WithTag("1.0.0")), chart.CopyTarget{Target: dir}, chart.CopyOptions{Referrers: true})
			if err != nil {
				t.Fatal(err)
			}
			check(dir, copied)
			_, third := quay(t, tc.source)
			back := h.to(t, third)
			copied, err = h.client.Copy(ctx, chart.CopySource{Source: dir}, back, chart.CopyOptions{Referrers: true})
			if err != nil {
				t.Fatal(err)
			}
			check(back.Target, copied)
		})
	}
}

// TestCopyKeepsSignatures: cosign's tag holds all signatures in one manifest,
// and replacing it by one that lacks some would lose them.
func TestCopyKeepsSignatures(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	source := h.from(t, h.repo.WithTag("1.0.0"))
	subject, err := source.Source.Resolve(ctx, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	cosign := registry.ReferrersTag(subject.Digest) + ".sig"
	artifact(t, source.Source.(*registry.Repository), cosign, "ours", nil)
	_, ref := quay(t, registrytest.Options{})
	target := h.to(t, ref)
	artifact(t, target.Target, cosign, "theirs", nil)
	if _, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true}); !errors.Is(err, registry.ErrExists) {
		t.Errorf("over another signature: %v", err)
	}
	if _, err := target.Target.Resolve(ctx, "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the chart is there without its signatures: %v", err)
	}
	if _, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true, Force: true}); err != nil {
		t.Errorf("forced: %v", err)
	}
}

// liar lists a referrer that is none, or one that refers to itself and others
// without end.
type liar struct {
	registry.Source
	list []ocispec.Descriptor
}

func (l liar) Referrers(_ context.Context, _ ocispec.Descriptor, _ string, fn func([]ocispec.Descriptor) error) error {
	return fn(l.list)
}

func TestCopyBelievesNoList(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	source := h.from(t, h.repo.WithTag("1.0.0"))
	repo := source.Source.(*registry.Repository)
	other := artifact(t, repo, "other", "layer", nil)
	subject, err := repo.Resolve(ctx, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	var many []ocispec.Descriptor
	for i := range 1100 {
		many = append(many, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 1})
	}
	_, ref := quay(t, registrytest.Options{})
	target := h.to(t, ref)
	source.Source = liar{repo, []ocispec.Descriptor{other, subject}}
	copied, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true})
	if err != nil || len(copied.Referrers) != 0 {
		t.Errorf("%+v, %v", copied, err)
	}
	if ok, err := target.Target.Exists(ctx, other); ok || err != nil {
		t.Errorf("what refers to nothing was copied: %v, %v", ok, err)
	}
	source.Source = liar{repo, many}
	if _, err := h.client.Copy(ctx, source, target, chart.CopyOptions{Referrers: true}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("referrers that are not there: %v", err)
	}
}

// TestCopyIndex: an image index with a chart is copied whole, or its chart
// alone.
func TestCopyIndex(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0")
	repo := h.from(t, h.repo).Source.(*registry.Repository)
	one, err := repo.Resolve(ctx, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	two, err := repo.Resolve(ctx, "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	image := artifact(t, repo, "", "layer", nil)
	index := func(tag string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
		return put(t, repo, ocispec.MediaTypeImageIndex, tag, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2},
			MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests})
	}
	whole := index("1.0.0", image, one)
	index("images", image)
	several := index("two", one, two).Digest
	for _, tc := range []struct {
		tag       string
		chartOnly bool
		want      digest.Digest
		err       error
	}{
		{"1.0.0", false, whole.Digest, nil},
		{"1.0.0", true, one.Digest, nil},
		{"images", false, "", chart.ErrNotChart},
		{"images", true, "", chart.ErrNotChart},
		{"two", true, "", chart.ErrAmbiguous},
		{"two", false, several, nil},
	} {
		_, ref := quay(t, registrytest.Options{})
		target := h.to(t, ref)
		copied, err := h.client.Copy(ctx, h.from(t, h.repo.WithTag(tc.tag)), target, chart.CopyOptions{ChartOnly: tc.chartOnly})
		if !errors.Is(err, tc.err) || err == nil && copied.Manifest.Digest != tc.want {
			t.Errorf("%s, chart only %v: %+v, %v", tc.tag, tc.chartOnly, copied, err)
			continue
		}
		if err != nil {
			continue
		}
		if there, err := target.Target.Resolve(ctx, tc.tag); err != nil || there.Digest != tc.want {
			t.Errorf("%s: the tag names %v, %v", tc.tag, there, err)
		}
		for _, d := range []ocispec.Descriptor{one, image} {
			want := d.Digest == one.Digest || !tc.chartOnly && tc.tag != "two"
			if ok, err := target.Target.Exists(ctx, d); err != nil || ok != want {
				t.Errorf("%s, chart only %v: %s exists %v, %v", tc.tag, tc.chartOnly, d.Digest, ok, err)
			}
		}
	}
}
