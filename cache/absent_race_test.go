package cache_test

import (
	"context"
	"errors"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// late has no tag, and says so after something else has happened.
type late struct {
	registry.Source
	meanwhile func(context.Context)
}

func (l late) Resolve(ctx context.Context, _ string) (ocispec.Descriptor, error) {
	l.meanwhile(ctx)
	return ocispec.Descriptor{}, registry.ErrNotFound
}

// An answer that a tag is gone takes nothing back that was confirmed after the
// question.
func TestAbsenceIsOlder(t *testing.T) {
	s, _ := newStore(t, "")
	f := newFake()
	f.add("1.0.0", []byte("layer"))
	gone := late{f, func(ctx context.Context) {
		time.Sleep(time.Millisecond) // the clock of some systems is coarse
		if _, _, err := s.Through(f, team, cache.Policy{}).FetchManifest(ctx, "1.0.0"); err != nil {
			t.Error(err)
		}
	}}
	if _, err := s.Through(gone, team, cache.Policy{}).Lookup(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	res, err := s.Through(f, team, cache.Policy{MaxAge: time.Hour}).Lookup(t.Context(), "1.0.0")
	if err != nil || res.Origin != cache.FromCache {
		t.Errorf("from the %s, %v", res.Origin, err)
	}
}
