package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Resolve implements [registry.Source]: a digest that is here and a tag that
// the policy trusts cost nothing, others one Resolve of the source. Errors are
// the source's; offline, and when the source says so, they match
// registry.ErrNotFound. A reference that is neither tag nor digest matches
// registry.ErrInvalidReference, and with RefuseMoved the tag of a version that
// names another manifest than before is a *TagMoved.
func (s *Source) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	r, err := s.Lookup(ctx, reference)
	return r.Descriptor, err
}

// Lookup is Resolve, and tells where the answer came from.
func (s *Source) Lookup(ctx context.Context, reference string) (Resolution, error) {
	name, err := s.name(reference)
	if err != nil {
		return Resolution{}, err
	}
	known, err := s.known(ctx, name)
	if err != nil || known.trusted {
		return known.Resolution, err
	}
	return s.ask(ctx, name, known)
}

// name completes a tag, in either spelling of a version, or a digest.
func (s *Source) name(reference string) (registry.Reference, error) {
	if d := digest.Digest(reference); d.Validate() == nil {
		return s.ref.WithDigest(d), nil
	}
	name := s.ref.WithTag(reference)
	if !registry.ValidTag(name.Tag) {
		return name, &registry.ReferenceError{Reference: reference, Problem: "neither a tag nor a digest"}
	}
	return name, nil
}

// knowledge is what the cache knows of a name before its source is asked.
type knowledge struct {
	Resolution        // the answer that it would give; zero: none
	trusted    bool   // the source need not be asked
	manifest   []byte // of a digest that is here
	last       record // what the tag named last, be it here or not
	recorded   bool   // there is such
}

// known tells what the cache knows. That it knows nothing is an error offline.
func (s *Source) known(ctx context.Context, name registry.Reference) (k knowledge, err error) {
	if err := ctx.Err(); err != nil {
		return knowledge{}, err
	}
	if name.Digest != "" {
		if k.manifest, err = s.store.useManifest(ctx, name.Digest); err == nil {
			k.Resolution, err = s.store.describeManifest(name.Digest, k.manifest)
		}
		if err == nil {
			k.trusted = true
			s.settle(k.Descriptor)
			return k, nil
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return knowledge{}, registry.WrapError("resolve", name, err)
		}
	} else if k.last, k.recorded = s.store.lastRef(name); k.recorded && s.store.has(k.last.descriptor()) {
		k.Resolution = Resolution{Descriptor: k.last.descriptor(), Origin: FromCache, Fetched: k.last.Fetched, Confirmed: k.last.Confirmed}
		if s.policy.fresh(k.Confirmed, time.Now()) {
			k.trusted = true
			return k, nil
		}
	}
	if s.policy.Offline {
		if k.recorded {
			name = name.WithDigest(k.last.Digest) // what it takes to have it again
		}
		return knowledge{}, s.offline("resolve", name)
	}
	if err := s.absent(name, time.Now()); err != nil {
		return knowledge{}, err
	}
	return k, nil
}

// ask resolves at the source. What is known already is the answer where the
// source has none.
func (s *Source) ask(ctx context.Context, name registry.Reference, known knowledge) (Resolution, error) {
	asked := time.Now()
	desc, err := s.patiently(ctx, name.Object(), known.Confirmed)
	if err == nil {
		err = checkAnswer(name, desc)
	}
	if err != nil {
		if s.bridge(name, err, known.Confirmed) {
			known.Origin = FromStale
			return known.Resolution, nil
		}
		s.missed(name, asked, err)
		return Resolution{}, registry.WrapError("resolve", name, err)
	}
	return s.answered(name, desc, known)
}

// answered is what the source says that name names.
func (s *Source) answered(name registry.Reference, desc ocispec.Descriptor, known knowledge) (Resolution, error) {
	s.appeared(name)
	res := Resolution{Descriptor: desc, Origin: FromNetwork, Confirmed: time.Now()}
	if name.Digest != "" {
		return res, nil
	}
	var err error
	if res.Moved, err = s.moved(name, desc, known); err != nil {
		return Resolution{}, err
	}
	res.Fetched = s.confirm(name, desc, res.Confirmed, known)
	return res, nil
}

// checkAnswer refuses a descriptor that no cache should believe.
func checkAnswer(name registry.Reference, desc ocispec.Descriptor) error {
	if err := checkDescriptor(desc); err != nil {
		return err
	}
	if name.Digest != "" && name.Digest != desc.Digest {
		return fmt.Errorf("%w: the answer is %s", registry.ErrDigestMismatch, desc.Digest)
	}
	return nil
}
