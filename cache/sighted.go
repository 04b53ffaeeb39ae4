package cache

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
)

// sighted is what was met on the way through manifests, and whether as one. A
// digest says nothing of that: what is a blob to one manifest may be a manifest
// to another, and then what it names belongs to them too.
type sighted map[digest.Digest]bool

// sight is a descriptor that was met.
type sight struct {
	ocispec.Descriptor
	first bool // else it was met as a blob before, and counts no more
}

// meet tells whether a digest is met for the first time, and whether what it
// names, if it is a manifest, has still to be looked at.
func (s sighted) meet(desc ocispec.Descriptor) (first, fresh bool) {
	manifest := ocijson.IsManifest(desc.MediaType)
	was, met := s[desc.Digest]
	if met && (was || !manifest) {
		return false, false
	}
	s[desc.Digest] = manifest
	return !met, true
}

// add adds to a queue what has to be looked at.
func (s sighted) add(queue []sight, all ...ocispec.Descriptor) []sight {
	for _, desc := range all {
		if first, fresh := s.meet(desc); fresh {
			queue = append(queue, sight{desc, first})
		}
	}
	return queue
}
