package cache_test

import (
	"context"
	"errors"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// signed is a source that lists one referrer.
type signed struct{ registry.Source }

func (signed) Referrers(_ context.Context, subject ocispec.Descriptor, _ string, fn func([]ocispec.Descriptor) error) error {
	return fn([]ocispec.Descriptor{{Digest: subject.Digest, ArtifactType: "signature"}})
}

func TestReferrersAreAskedFor(t *testing.T) {
	store := cache.None()
	ref := registry.Reference{Host: "example.com", Repository: "team/app"}
	stop := errors.New("enough")
	for name, tc := range map[string]struct {
		src    registry.Source
		policy cache.Policy
		own    error // of the caller's function
		want   error
	}{
		"source that lists":  {signed{}, cache.Policy{}, nil, nil},
		"caller stops":       {signed{}, cache.Policy{}, stop, stop},
		"source that cannot": {struct{ registry.Source }{}, cache.Policy{}, nil, registry.ErrUnsupported},
		"offline":            {signed{}, cache.Policy{Offline: true}, nil, registry.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			err := store.Through(tc.src, ref, tc.policy).Referrers(t.Context(), ocispec.DescriptorEmptyJSON, "", func(page []ocispec.Descriptor) error {
				n += len(page)
				return tc.own
			})
			if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if listed := tc.want == nil || tc.want == stop; listed != (n == 1) {
				t.Errorf("%d referrers", n)
			}
		})
	}
}
