package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Source is a repository read through a cache. It is a [registry.Source] with
// the roles [registry.ReferenceFetcher], [registry.TagLister] and
// [registry.ReferrerLister], whatever the source behind it has. It is safe for concurrent use if that is.
//
// Errors of the source behind it pass through [registry.WrapError]; those of
// the cache's directory are logged and are no errors here, [Source.Record]
// excepted.
type Source struct {
	store  *Store
	src    registry.Source // nil: none, and the policy is offline
	ref    registry.Reference
	policy Policy

	mu      sync.Mutex
	pending map[digest.Digest][]pendingTag // resolved manifests that are not here yet
}

var (
	_ registry.Source           = (*Source)(nil)
	_ registry.ReferenceFetcher = (*Source)(nil)
	_ registry.TagLister        = (*Source)(nil)
	_ registry.ReferrerLister   = (*Source)(nil)
)

// pendingTag waits for its manifest: references are written after it.
type pendingTag struct {
	tag       string
	confirmed time.Time
}

// maxPending bounds what a Source remembers of tags that were resolved and
// never fetched. A tag that is forgotten costs one more request, some day.
const maxPending = 1024

// Resolution is what a tag or a digest names.
type Resolution struct {
	// Descriptor is that of the manifest.
	Descriptor ocispec.Descriptor
	// Origin is FromNetwork when the source was asked, if only to confirm,
	// FromCache when the cache answered alone, and FromStale when it answered
	// because the source could not.
	Origin Origin
	// Fetched is when the manifest was kept here; zero: it was not yet.
	Fetched time.Time
	// Confirmed is when the registry last said so. For a digest, which needs
	// no confirmation, it is Fetched; or now, if the source was asked.
	Confirmed time.Time
	// Moved is set when the tag is a version's and named another manifest when
	// it was last confirmed. nil: it did not, or nothing is known of before.
	Moved *TagMoved
}

// Through reads the repository of ref from src, through the cache. Tag and
// digest of ref do not matter. A src of nil is never asked: the policy is
// offline then. Keep the Source for as long as you read the repository: it
// remembers what was resolved until the manifest is fetched.
func (s *Store) Through(src registry.Source, ref registry.Reference, p Policy) *Source {
	if src == nil {
		p.Offline = true
	}
	return &Source{store: s, src: src, ref: ref.Repo(), policy: p, pending: map[digest.Digest][]pendingTag{}}
}

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
	known, trusted, err := s.known(ctx, name)
	if err != nil || trusted {
		return known, err
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

// known tells what the cache knows, and whether that will do without asking
// the source. Nothing known is the zero Resolution, or, offline, an error.
func (s *Source) known(ctx context.Context, name registry.Reference) (known Resolution, trusted bool, err error) {
	if err := ctx.Err(); err != nil {
		return Resolution{}, false, err
	}
	if name.Digest != "" {
		known, err = s.store.byDigest(ctx, name.Digest)
		if err == nil {
			return known, true, nil
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return Resolution{}, false, registry.WrapError("resolve", name, err)
		}
	} else if r, ok := s.store.readRef(name); ok {
		known = Resolution{Descriptor: r.descriptor(), Origin: FromCache, Fetched: r.Fetched, Confirmed: r.Confirmed}
		if s.policy.fresh(r.Confirmed, time.Now()) {
			return known, true, nil
		}
	}
	if s.policy.Offline {
		if r, ok := s.store.lastRef(name); ok {
			name = name.WithDigest(r.Digest) // what it takes to have it again
		}
		return Resolution{}, false, s.offline("resolve", name)
	}
	if err := s.absent(name, time.Now()); err != nil {
		return Resolution{}, false, err
	}
	return known, false, nil
}

// ask resolves at the source. What is known already is the answer where the
// source has none.
func (s *Source) ask(ctx context.Context, name registry.Reference, known Resolution) (Resolution, error) {
	asked := time.Now()
	desc, err := patiently(ctx, s.policy, known.Confirmed, func(ctx context.Context) (ocispec.Descriptor, error) {
		return s.src.Resolve(ctx, name.Object())
	})
	if err == nil {
		err = checkAnswer(name, desc)
	}
	if err != nil {
		if s.bridge(name, err, known.Confirmed) {
			known.Origin = FromStale
			return known, nil
		}
		s.missed(name, asked, err)
		return Resolution{}, registry.WrapError("resolve", name, err)
	}
	return s.answered(name, desc)
}

// answered is what the source says that name names.
func (s *Source) answered(name registry.Reference, desc ocispec.Descriptor) (Resolution, error) {
	s.appeared(name)
	res := Resolution{Descriptor: desc, Origin: FromNetwork, Confirmed: time.Now()}
	if name.Digest != "" {
		return res, nil
	}
	var err error
	if res.Moved, err = s.moved(name, desc); err != nil {
		return Resolution{}, err
	}
	res.Fetched = s.confirm(name, desc, res.Confirmed)
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

// confirm notes that the tag of name names desc, now or once the manifest is
// here, and tells since when it is here.
func (s *Source) confirm(name registry.Reference, desc ocispec.Descriptor, now time.Time) (fetched time.Time) {
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
	if old, ok := s.store.lastRef(name); ok && old.Digest == desc.Digest {
		r.Fetched = old.Fetched
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
		s.confirm(s.ref.WithTag(t.tag), desc, t.confirmed)
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

// offline is the error of what the cache lacks and the source is not asked for.
func (s *Source) offline(op string, name registry.Reference) error {
	return &registry.Error{
		Op: op, Reference: name, Kind: registry.ErrNotFound,
		Err:  ErrNotCached,
		Hint: "fetch it once with the registry in reach",
	}
}
