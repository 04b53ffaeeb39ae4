package cache

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// holdReferrers keeps nothing as long as no list of referrers is kept.
func (s *Store) holdReferrers(registry.Reference, []ocispec.Descriptor) error { return nil }
