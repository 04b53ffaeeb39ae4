package cache

import (
	"errors"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// promise is of content that a pin names.
type promise struct {
	reference  registry.Reference
	partitions []*Store
	told       bool // that it is bad
}

// promise notes what the pins of a partition name.
func (v *verification) promise(p *Store) func(record) error {
	return func(r record) error {
		return v.closure(r.descriptor(), func(desc ocispec.Descriptor) error {
			all := v.promised[desc.Digest]
			all.reference = r.Reference
			all.partitions = append(all.partitions, p)
			v.promised[desc.Digest] = all
			return nil
		})
	}
}

// kept looks whether what the pins name is here, each for its partition.
func (v *verification) kept() error {
	for d, promise := range v.promised {
		for _, p := range promise.partitions {
			if promise.told {
				break
			}
			if err := v.promisedTo(p, promise.reference, d, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// held looks whether what was imported is here.
func (v *verification) held(p *Store) func(record) error {
	return func(r record) error {
		return v.closure(r.descriptor(), func(desc ocispec.Descriptor) error {
			return v.promisedTo(p, r.Reference, desc.Digest, false)
		})
	}
}

// promisedTo looks whether content is here for a partition to which it was
// promised. That the partition knows it follows from the promise.
func (v *verification) promisedTo(p *Store, ref registry.Reference, d digest.Digest, pinned bool) error {
	_, err := os.Stat(p.blobPath(d))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if pinned {
			if _, err := p.loadSealed(p.pinPath(ref), maxRecord, &record{}); err != nil { // pushed meanwhile
				return nil
			}
		}
		return v.tell(Fault{Path: p.blobPath(d), Kind: FaultContent, Digest: d, Reference: ref, Problem: "not here", Lost: pinned})
	case err != nil:
		return nil // told already
	}
	if _, ok := p.knows(d); ok {
		return nil
	}
	f := Fault{Path: p.knownPath(d), Kind: FaultMarker, Digest: d, Reference: ref, Problem: "not here"}
	f.Restored = !v.keep && p.learn(d) == nil
	return v.tell(f)
}

// closure calls visit with root and all that it names, directly and through
// manifests that are here and good. Each digest comes once.
func (v *verification) closure(root ocispec.Descriptor, visit func(ocispec.Descriptor) error) error {
	return eachBelow(v.ctx, root, func(desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		return v.children(desc), nil
	}, visit)
}

// children reads a manifest whatever partition knows it, and does not count as
// a use of it. A bad one names nothing: it is told when its turn comes.
func (v *verification) children(desc ocispec.Descriptor) []ocispec.Descriptor {
	if !ocijson.IsManifest(desc.MediaType) {
		return nil
	}
	below, err := v.store.peekChildren(desc)
	if err != nil {
		return nil
	}
	return below
}
