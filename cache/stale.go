package cache

import (
	"context"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/patience"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// patiently asks what a tag names, for no longer than the policy has patience
// where what was confirmed then could be given in its place.
func (s *Source) patiently(ctx context.Context, object string, confirmed time.Time) (desc ocispec.Descriptor, err error) {
	if !s.policy.bridges(patience.ErrOver, confirmed, time.Now()) {
		return s.src.Resolve(ctx, object)
	}
	err = patience.Bound(ctx, s.policy.patience(), func(ctx context.Context, _ *time.Timer) error {
		desc, err = s.src.Resolve(ctx, object)
		return err
	})
	return desc, err
}

// bridge tells whether what was confirmed then is given in place of err, and
// logs that.
func (s *Source) bridge(name registry.Reference, err error, confirmed time.Time) bool {
	if !s.policy.bridges(err, confirmed, time.Now()) {
		return false
	}
	s.store.log.Warn("registry does not answer, going on with what it said last", "reference", name, "confirmed", confirmed, "error", err)
	return true
}

// moved holds the answer of the source against what the tag of a version named
// before. The error is a *TagMoved in its context.
func (s *Source) moved(name registry.Reference, desc ocispec.Descriptor, known knowledge) (*TagMoved, error) {
	v, err := version.Parse(registry.VersionOfTag(name.Tag))
	if err != nil || v.IsShort() {
		return nil, nil // latest, 1.2: they are meant to move
	}
	old := known.last
	if !known.recorded || old.Digest == desc.Digest {
		return nil, nil
	}
	m := &TagMoved{Reference: name, Old: old.Digest, New: desc.Digest, Confirmed: old.Confirmed}
	if m.Confirmed.IsZero() {
		m.Confirmed = old.Fetched
	}
	switch s.policy.Moved {
	case RefuseMoved:
		return nil, registry.WrapError("resolve", name, m)
	case WarnMoved:
		s.store.log.Warn("tag of a version has moved", "reference", name, "old", m.Old, "new", m.New, "confirmed", m.Confirmed)
	}
	return m, nil
}
