package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// referring gathers what refers to the manifests of one root.
type referring struct {
	*exporting
	src   *Source
	ref   registry.Reference
	taken map[digest.Digest]bool
	all   []ocispec.Descriptor
	// listed: the source has answered for each.
	listed bool
}

// take adds the referrers of a manifest, and theirs. That a source does not
// keep such lists is no news that something is missing.
func (r *referring) take(ctx context.Context, subject ocispec.Descriptor, depth int) error {
	if depth > maxNesting {
		// Whoever may push can refer to anything: that is no reason to carry nothing.
		r.leave("referrers of referrers are left out, too deep down", subject.Digest)
		return nil
	}
	var list []ocispec.Descriptor
	for desc, err := range registry.Referrers(ctx, r.src, subject, "") {
		switch {
		case errors.Is(err, registry.ErrUnsupported), errors.Is(err, registry.ErrNotFound):
			r.listed = false
			return nil
		case err != nil && r.src.policy.Offline && ctx.Err() == nil:
			r.missing = append(r.missing, Missing{Reference: r.ref, Digest: subject.Digest, What: MissingReferrers, Hint: "only the registry knows"})
			return nil
		case err != nil:
			return err
		case len(list) >= maxCarried:
			return fmt.Errorf("%s: %w of %d referrers", r.ref, limit.ErrExceeded, maxCarried)
		}
		list = append(list, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	}
	for _, desc := range list {
		ok, err := r.one(ctx, subject, desc)
		if err != nil {
			return err
		}
		if ok {
			if err := r.take(ctx, desc, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave notes that not all referrers come along.
func (r *referring) leave(message string, d digest.Digest) {
	r.listed = false
	r.store.log.Warn(message, "reference", r.ref, "digest", d)
}

// one adds a referrer with all that it names. What does not say itself that it
// refers to the subject is left: the list is anybody's word.
func (r *referring) one(ctx context.Context, subject, desc ocispec.Descriptor) (ok bool, err error) {
	if r.taken[desc.Digest] || !ocijson.IsManifest(desc.MediaType) {
		return false, nil
	}
	r.taken[desc.Digest] = true
	data, err := r.src.bring(ctx, desc)
	if errors.Is(err, registry.ErrNotFound) && !r.src.policy.Offline {
		r.leave("referrer is left out, which the registry lists and does not have", desc.Digest)
		return false, nil
	}
	if errors.Is(err, registry.ErrNotFound) {
		r.missing = append(r.missing, Missing{Reference: r.ref, Digest: desc.Digest, What: MissingManifest, Hint: "it refers to " + subject.Digest.String()})
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m, err := ocijson.Parse(data)
	if err != nil || !m.RefersTo(subject.Digest) {
		return false, nil
	}
	r.found = nil
	if err := r.add(ctx, r.ref, desc); err != nil {
		return false, err
	}
	r.all = append(r.all, desc)
	return true, nil
}

// cosignTags end the tags under which cosign keeps what belongs to a manifest,
// unless it is told to use referrers (sigstore/cosign, SIGNATURE_SPEC.md).
var cosignTags = []string{".sig", ".att", ".sbom"}

// cosign makes roots of what the tags of cosign name, where there are such.
func (x *exporting) cosign(ctx context.Context, src *Source, ref registry.Reference, subjects []ocispec.Descriptor) error {
	for _, subject := range subjects {
		for _, suffix := range cosignTags {
			tag := ref.WithTag(registry.ReferrersTag(subject.Digest) + suffix)
			if x.named[tag] {
				continue
			}
			_, res, err := src.FetchManifest(ctx, tag.Tag)
			if errors.Is(err, registry.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			x.named[tag] = true
			if err := x.gather(ctx, src, tag, res, false); err != nil {
				return err
			}
		}
	}
	return nil
}
