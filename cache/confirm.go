package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// confirmInterval is the least time between two notes that the registry has
// said the same of a tag: without the second one a policy asks so much earlier.
const confirmInterval = time.Second

// confirm notes that the tag of name names desc, now or once the manifest is
// here, and tells since when it is here.
func (s *Source) confirm(name registry.Reference, desc ocispec.Descriptor, now time.Time, known knowledge) (fetched time.Time) {
	if !s.store.has(desc) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.pending) >= maxPending {
			clear(s.pending)
		}
		tags := slices.DeleteFunc(s.pending[desc.Digest], func(t pendingTag) bool { return t.tag == name.Tag })
		s.pending[desc.Digest] = append(tags, pendingTag{name.Tag, now})
		return time.Time{}
	}
	r := newRecord(name, desc, now, now)
	if last := known.last; known.recorded && last.Digest == desc.Digest {
		if last.descriptor().MediaType == desc.MediaType && within(last.Confirmed, now, confirmInterval) {
			return last.Fetched
		}
		r.Fetched = last.Fetched
	}
	if err := s.store.writeRef(r); err != nil {
		s.store.trouble(cannotWrite, err)
	}
	return r.Fetched
}

// settle writes the references that waited for a manifest that is here now.
func (s *Source) settle(desc ocispec.Descriptor) {
	s.mu.Lock()
	tags := s.pending[desc.Digest]
	delete(s.pending, desc.Digest)
	s.mu.Unlock()
	for _, t := range tags {
		name := s.ref.WithTag(t.tag)
		var known knowledge
		known.last, known.recorded = s.store.lastRef(name)
		s.confirm(name, desc, t.confirmed, known)
	}
}

// Record notes after a push that the tag, in either spelling of a version,
// names the manifest desc, confirmed now, and that the lists of the repository's
// tags and of the manifest's referrers may be others now. Put the manifest
// first: without it here, what was known of the tag is forgotten instead, and
// the tag costs a request when it is next asked for. The error is that of the
// directory, or matches registry.ErrInvalidReference; the push stands in any
// case.
func (s *Source) Record(ctx context.Context, tag string, desc ocispec.Descriptor) error {
	name := s.ref.WithTag(tag)
	if !registry.ValidTag(name.Tag) {
		return &registry.ReferenceError{Reference: tag, Problem: "no tag"}
	}
	if err := checkDescriptor(desc); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.store.dir == "" {
		return fmt.Errorf("cache: record %s: %w", name, errNone)
	}
	now := time.Now()
	manifest := s.ref.WithDigest(desc.Digest)
	err := errors.Join(
		s.store.dropTags(s.ref),
		s.store.doubtReferrers(manifest),
		s.store.removeAbsence(name), s.store.removeAbsence(manifest),
	)
	if s.store.has(desc) {
		err = errors.Join(err, s.store.writeRef(newRecord(name, desc, now, now)))
	} else {
		err = errors.Join(err, s.store.removeRef(name))
	}
	if err != nil {
		return fmt.Errorf("cache: record %s: %w", name, err)
	}
	return nil
}
