package cache

import (
	"context"

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

// eachBelow calls visit with root and with all that it names, directly and
// through manifests: each digest once, right after below has told what it names.
// below hears of a digest again that turns out to be a manifest. An error of
// either ends it and is returned.
func eachBelow(ctx context.Context, root ocispec.Descriptor, below func(ocispec.Descriptor) ([]ocispec.Descriptor, error), visit func(ocispec.Descriptor) error) error {
	seen := sighted{}
	for queue := seen.add(nil, root); len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := below(queue[0].Descriptor)
		if err != nil {
			return err
		}
		queue = seen.add(queue, more...)
		if !queue[0].first {
			continue
		}
		if err := visit(queue[0].Descriptor); err != nil {
			return err
		}
	}
	return nil
}
