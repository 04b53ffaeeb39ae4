package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// Referrers implements [registry.ReferrerLister] by ListReferrers.
func (s *Source) Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) error {
	_, err := s.ListReferrers(ctx, desc, artifactType, fn)
	return err
}

// ListReferrers is Referrers, and tells where the list came from. A list that
// the policy trusts costs nothing, any other what it costs the source, of which
// all is asked for, whatever the artifact type, and kept if it is at most 4 MiB;
// fn is called once all of it is there.
//
// Errors are the source's; one without that role matches
// registry.ErrUnsupported, and a digest that is none
// registry.ErrInvalidReference. Offline, a list that is not here matches
// registry.ErrUnavailable, since not to have asked is no news that there are
// no referrers.
func (s *Source) ListReferrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) (Listing, error) {
	if err := checkDescriptor(ocispec.Descriptor{Digest: desc.Digest}); err != nil {
		return Listing{}, err
	}
	subject := s.ref.WithDigest(desc.Digest)
	r := &reading[ocispec.Descriptor]{
		src: s, op: "list referrers", of: subject, path: s.store.referrersPath(subject), fn: fn,
		pick: func(list []ocispec.Descriptor) []ocispec.Descriptor { return ofType(list, artifactType) },
	}
	if s.policy.Offline {
		return r.offline(ctx)
	}
	if lister, ok := s.src.(registry.ReferrerLister); ok {
		asked := artifactType
		if s.store.dir != "" {
			// Whoever looks for a signature stops at the first that is good, and
			// the next one wants another kind. There are few (see maxReferrers of
			// package registry).
			asked, r.held = "", true
		}
		r.ask = func(ctx context.Context, page func([]ocispec.Descriptor) error) error {
			return lister.Referrers(ctx, desc, asked, page)
		}
	}
	return r.do(ctx, true)
}

// offline gives the list that is here.
func (r *reading[T]) offline(ctx context.Context) (Listing, error) {
	if err := ctx.Err(); err != nil {
		return Listing{}, err
	}
	l, ok := readList[T](r.src.store, r.path, r.of)
	if !ok || l.None {
		return Listing{}, &registry.Error{
			Op: r.op, Reference: r.of, Kind: registry.ErrUnavailable,
			Err:  errors.New("only the registry knows, and the cache was asked offline"),
			Hint: "list them once with the registry in reach",
		}
	}
	return Listing{Origin: FromCache, Listed: l.Listed}, r.pass(l.Items)
}

func ofType(list []ocispec.Descriptor, artifactType string) []ocispec.Descriptor {
	if artifactType == "" {
		return list
	}
	var some []ocispec.Descriptor
	for _, desc := range list {
		if desc.ArtifactType == artifactType {
			some = append(some, desc)
		}
	}
	return some
}

// referrersPath wants a reference with a valid digest.
func (s *Store) referrersPath(subject registry.Reference) string {
	return s.part("referrers", hashName(subject.Name()), escapeDigest(subject.Digest))
}

// doubtReferrers lets the list of what refers to a manifest that was pushed be
// answered offline only: signatures may have come with it.
func (s *Store) doubtReferrers(subject registry.Reference) error {
	path := s.referrersPath(subject)
	l, ok := readList[ocispec.Descriptor](s, path, subject)
	if !ok {
		return nil
	}
	if len(l.Items) == 0 {
		return s.removeNote(path)
	}
	l.Listed, l.Dropped = time.Time{}, time.Now().UTC()
	return s.writeSealed(path, l, false)
}

// holdReferrers adds to what is known to refer to a manifest what was carried
// here with it; nothing, where it is known that there is none. A list with
// something that no registry has said is answered offline, and nowhere else. It
// is on the disk when holdReferrers returns, its name apart. The error is that
// of the directory, or matches limit.ErrExceeded for a list of more than maxList
// bytes.
func (s *Store) holdReferrers(subject registry.Reference, carried []ocispec.Descriptor) error {
	subject.Tag = ""
	path := s.referrersPath(subject)
	l, ok := readList[ocispec.Descriptor](s, path, subject)
	if !ok || l.None {
		l = listed[ocispec.Descriptor]{Of: subject}
	}
	for _, desc := range carried {
		same := func(d ocispec.Descriptor) bool { return d.Digest == desc.Digest }
		if !slices.ContainsFunc(l.Items, same) {
			l.Items, l.Listed = append(l.Items, desc), time.Time{}
		}
	}
	data, err := json.Marshal(l.Items)
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("list of referrers: %w of %d bytes", limit.ErrExceeded, maxList)
	}
	if err != nil {
		return err
	}
	return s.writeSealed(path, l, true)
}
