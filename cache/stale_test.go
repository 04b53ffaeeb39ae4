package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// resolving is a source that answers Resolve in its own way.
type resolving struct {
	registry.Source
	resolve func(context.Context) error
}

func (f resolving) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	if err := f.resolve(ctx); err != nil {
		return ocispec.Descriptor{}, err
	}
	return f.Source.Resolve(ctx, reference)
}

func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// What the registry last said answers for it when it cannot, as long as the
// policy allows; an answer of the registry is never replaced.
func TestStale(t *testing.T) {
	down := fmt.Errorf("%w: connection refused", registry.ErrUnavailable)
	allowed := cache.Policy{StaleIfError: time.Hour}
	tests := []struct {
		name   string
		policy cache.Policy
		age    time.Duration
		err    error
		stale  bool
	}{
		{"down", allowed, time.Minute, down, true},
		{"limits its requests", allowed, time.Minute, registry.ErrRateLimited, true},
		{"down, and not allowed", cache.Policy{}, time.Minute, down, false},
		{"down, and too old", allowed, 2 * time.Hour, down, false},
		{"down, however old", cache.Policy{StaleIfError: cache.Forever}, 10000 * time.Hour, down, true},
		{"gone", allowed, time.Minute, registry.ErrNotFound, false},
		{"denied", allowed, time.Minute, registry.ErrDenied, false},
		{"unauthorized", allowed, time.Minute, registry.ErrUnauthorized, false},
		{"lies", allowed, time.Minute, registry.ErrDigestMismatch, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				layer := noise(1000, 1)
				manifest, _ := f.add("1.0.0", layer)
				s, log := newStore(t, "")
				was := mustPull(t, s.Through(f, team, cache.Policy{}), "1.0.0", layer)
				time.Sleep(tt.age)
				src := s.Through(resolving{f, fails(tt.err)}, team, tt.policy)
				res, err := src.Lookup(t.Context(), "1.0.0")
				if !tt.stale {
					if !errors.Is(err, tt.err) {
						t.Fatalf("%+v, error %v", res, err)
					}
					return
				}
				if err != nil || res.Origin != cache.FromStale || res.Descriptor.Digest != manifest.Digest || !res.Confirmed.Equal(was.Confirmed) {
					t.Errorf("%+v, %v", res, err)
				}
				if got := mustPull(t, src, "1.0.0", layer); got.Origin != cache.FromStale {
					t.Errorf("pulled from %s", got.Origin)
				}
				if !strings.Contains(log.String(), "registry does not answer") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// A registry that hangs is waited for no longer than the patience, and a caller
// whose own time is over gets that.
func TestStalePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		layer := noise(1000, 1)
		f.add("1.0.0", layer)
		s, _ := newStore(t, "")
		mustPull(t, s.Through(f, team, cache.Policy{}), "1.0.0", layer)
		hangs := resolving{f, func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("asked: %w", ctx.Err())
		}}
		start := time.Now()
		src := s.Through(hangs, team, cache.Policy{StaleIfError: time.Hour, StalePatience: 3 * time.Second})
		if res, err := src.Lookup(t.Context(), "1.0.0"); err != nil || res.Origin != cache.FromStale || time.Since(start) != 3*time.Second {
			t.Errorf("%+v, %v after %s", res, err, time.Since(start))
		}
		start = time.Now()
		src = s.Through(hangs, team, cache.Policy{StaleIfError: time.Hour})
		if res, err := src.Lookup(t.Context(), "1.0.0"); err != nil || res.Origin != cache.FromStale || time.Since(start) != cache.DefaultStalePatience {
			t.Errorf("%+v, %v after %s", res, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := src.Lookup(ctx, "1.0.0"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a second of its own: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		if _, err := src.Lookup(ctx, "2.0.0"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < time.Hour {
			t.Errorf("what is not here: %v after %s", err, time.Since(start))
		}
	})
}

// The tag of a version that names other content is told of, or refused, and
// other tags move as they like.
func TestTagMoved(t *testing.T) {
	tests := []struct {
		name   string
		tag    string
		policy cache.MovedPolicy
		full   bool // the source has every role
		moved  bool
	}{
		{"noted", "1.0.0", cache.NoteMoved, false, true},
		{"warned", "1.0.0", cache.WarnMoved, false, true},
		{"refused", "1.0.0", cache.RefuseMoved, false, true},
		{"refused, build metadata", "1.0.0_b1", cache.RefuseMoved, false, true},
		{"refused, in one request", "1.0.0", cache.RefuseMoved, true, true},
		{"a series", "1.0", cache.RefuseMoved, false, false},
		{"a name", "latest", cache.RefuseMoved, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			var from registry.Source = f
			if tt.full {
				from = fullSource{f}
			}
			before, after := noise(1000, 1), noise(1000, 2)
			old, _ := f.add(tt.tag, before)
			s, log := newStore(t, "")
			src := s.Through(from, team, cache.Policy{Moved: tt.policy})
			if res := mustPull(t, src, tt.tag, before); res.Moved != nil {
				t.Errorf("at first: %+v", res.Moved)
			}
			if res := mustPull(t, src, tt.tag, before); res.Moved != nil {
				t.Errorf("unchanged: %+v", res.Moved)
			}
			now, _ := f.add(tt.tag, after)
			if tt.full { // nothing of the old manifest is here
				removeBlob(t, s, old.Digest)
			}
			if tt.policy == cache.RefuseMoved && tt.moved {
				for range 2 {
					_, _, err := pull(t.Context(), src, tt.tag)
					m, ok := errors.AsType[*cache.TagMoved](err)
					if !ok || !errors.Is(err, registry.ErrTagMoved) || m.Old != old.Digest || m.New != now.Digest || m.Reference != team.WithTag(tt.tag) || m.Confirmed.IsZero() {
						t.Errorf("error %v", err)
					}
				}
				src = s.Through(from, team, cache.Policy{})
			}
			res := mustPull(t, src, tt.tag, after)
			if (res.Moved != nil) != tt.moved || tt.moved && (res.Moved.Old != old.Digest || res.Moved.New != now.Digest) {
				t.Errorf("moved: %+v", res.Moved)
			}
			if told := strings.Contains(log.String(), "has moved"); told != (tt.policy == cache.WarnMoved) {
				t.Errorf("log: %s", log)
			}
			if res := mustPull(t, src, tt.tag, after); res.Moved != nil {
				t.Errorf("once it is known: %+v", res.Moved)
			}
		})
	}
}

func removeBlob(t *testing.T, s *cache.Store, d digest.Digest) {
	t.Helper()
	if err := os.Remove(blobPath(s, ocispec.Descriptor{Digest: d})); err != nil {
		t.Fatal(err)
	}
}

// A tag that has moved to what does not come is answered with what it named.
func TestStaleAfterMoved(t *testing.T) {
	f := newFake()
	layer := noise(1000, 1)
	old, _ := f.add("1.0.0", layer)
	s, _ := newStore(t, "")
	mustPull(t, s.Through(f, team, cache.Policy{}), "1.0.0", layer)
	f.add("1.0.0", noise(1000, 2))
	f.fetchErr = registry.ErrUnavailable
	src := s.Through(f, team, cache.Policy{StaleIfError: time.Hour})
	if res := mustPull(t, src, "1.0.0", layer); res.Origin != cache.FromStale || res.Descriptor.Digest != old.Digest {
		t.Errorf("%+v", res)
	}
}
