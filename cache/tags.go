package cache

import (
	"context"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Exists implements [registry.Source]: content that is here exists, and of
// other the source is asked, unless offline.
func (s *Source) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	name := s.ref.WithDigest(desc.Digest)
	here, err := s.store.Exists(ctx, desc)
	if err != nil || here || s.policy.Offline {
		return here, registry.WrapError("look for", name, err)
	}
	exists, err := s.src.Exists(ctx, desc)
	return exists, registry.WrapError("look for", name, err)
}

// Tags implements [registry.TagLister]. The source is asked each time; one
// without that role matches registry.ErrUnsupported. Offline, the tags whose
// manifest is here come as one sorted page; a repository of which there is
// none matches registry.ErrNotFound.
func (s *Source) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	if s.policy.Offline {
		return s.offlineTags(ctx, last, fn)
	}
	lister, ok := s.src.(registry.TagLister)
	if !ok {
		return &registry.Error{Op: "list tags", Reference: s.ref, Kind: registry.ErrUnsupported}
	}
	var own error // of fn, which comes back as it is
	err := lister.Tags(ctx, last, func(tags []string) error {
		own = fn(tags)
		return own
	})
	if own != nil {
		return own
	}
	return registry.WrapError("list tags", s.ref, err)
}

func (s *Source) offlineTags(ctx context.Context, last string, fn func(tags []string) error) error {
	records, err := s.store.listRecords(ctx, s.store.refDir(s.ref), s.store.refPath)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.store.trouble(cannotRead, err)
	}
	var tags []string
	for _, r := range records {
		if r.Reference.Tag != "" && s.store.has(r.descriptor()) {
			tags = append(tags, r.Reference.Tag)
		}
	}
	if len(tags) == 0 {
		return s.offline("list tags", s.ref)
	}
	slices.Sort(tags)
	return fn(slices.DeleteFunc(tags, func(tag string) bool { return tag <= last }))
}
