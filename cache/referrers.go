package cache

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Referrers implements [registry.ReferrerLister] by asking the source: what
// refers to a manifest changes, and is not kept. It matches
// registry.ErrUnsupported where the source does not know, and
// registry.ErrUnavailable offline, since not to have asked is no news that
// there are none.
func (s *Source) Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) error {
	fail := func(kind, err error) error {
		return &registry.Error{Op: "list referrers", Reference: s.ref.WithDigest(desc.Digest), Kind: kind, Err: err}
	}
	if s.policy.Offline {
		return fail(registry.ErrUnavailable, errors.New("only the registry knows, and the cache was asked offline"))
	}
	lister, ok := s.src.(registry.ReferrerLister)
	if !ok {
		return fail(registry.ErrUnsupported, nil)
	}
	var own error
	err := lister.Referrers(ctx, desc, artifactType, func(page []ocispec.Descriptor) error {
		own = fn(page)
		return own
	})
	if own != nil {
		return own
	}
	return registry.WrapError("list referrers", s.ref.WithDigest(desc.Digest), err)
}
