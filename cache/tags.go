package cache

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

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

// Tags implements [registry.TagLister] by ListTags.
func (s *Source) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	_, err := s.ListTags(ctx, last, fn)
	return err
}

// ListTags is Tags, and tells where the list came from. A list that the policy
// trusts costs nothing, any other what it costs the source; a whole one of at
// most 4 MiB is kept. Where an older one could be given in its place
// (Policy.StaleIfError), fn is called once all of it is there.
//
// Errors are the source's; one without that role matches
// registry.ErrUnsupported. Offline, the tags whose manifest is here come as one
// sorted page, since no other can be pulled; a repository of which there is none
// matches registry.ErrNotFound.
func (s *Source) ListTags(ctx context.Context, last string, fn func(tags []string) error) (Listing, error) {
	if s.policy.Offline {
		return Listing{Origin: FromCache}, s.offlineTags(ctx, last, fn)
	}
	r := &reading[string]{src: s, op: "list tags", of: s.ref, path: s.store.tagsPath(s.ref), fn: fn}
	if lister, ok := s.src.(registry.TagLister); ok {
		r.ask = func(ctx context.Context, page func([]string) error) error { return lister.Tags(ctx, last, page) }
	}
	if last != "" {
		r.pick = func(tags []string) []string {
			return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag <= last })
		}
	}
	return r.do(ctx, last == "")
}

func (s *Store) tagsPath(repo registry.Reference) string {
	return s.part("tags", hashName(repo.Name()))
}

// dropTags forgets the tag list of a repository that was written to. One that
// is on its way to us may be older than that: the file stays and says so.
func (s *Store) dropTags(repo registry.Reference) error {
	path := s.tagsPath(repo)
	err := s.writeSealed(path, listed[string]{Of: repo, Dropped: time.Now().UTC()}, false)
	if err != nil { // a full disk takes no file and gives one away
		return errors.Join(err, s.removeNote(path))
	}
	return nil
}

func (s *Source) offlineTags(ctx context.Context, last string, fn func(tags []string) error) error {
	var tags []string
	for _, path := range []func(registry.Reference) string{s.store.refPath, s.store.heldPath} {
		dir := filepath.Dir(path(s.ref.WithTag("any")))
		err := s.store.eachRecord(ctx, dir, path, func(r record) error {
			if r.Reference.Tag != "" && s.store.has(r.descriptor()) {
				tags = append(tags, r.Reference.Tag)
			}
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.store.trouble(cannotRead, err)
		}
	}
	if len(tags) == 0 {
		return s.offline("list tags", s.ref)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	return fn(slices.DeleteFunc(tags, func(tag string) bool { return tag <= last }))
}
