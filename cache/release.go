package cache

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/portolan-oci/portolan/registry"
)

// Release ends that what was imported as ref is held, with what came along that
// refers to it: from then on collection treats it as what was pulled. What ref
// names stays known. A ref with a digest alone releases what was imported so;
// beside a tag, the digest must be that of what was imported.
//
// It tells whether anything was held. The error is that of the directory or of
// ctx, or matches registry.ErrInvalidReference for a ref with neither tag nor
// digest.
func (s *Store) Release(ctx context.Context, ref registry.Reference) (released bool, err error) {
	want := ref.Digest
	if ref.Tag != "" {
		ref = ref.WithTag(ref.Tag)
	}
	if ref.Digest == "" && !registry.ValidTag(ref.Tag) {
		return false, &registry.ReferenceError{Reference: ref.String(), Problem: "neither a tag nor a digest to release"}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	r, ok := s.heldAt(ref)
	if !ok || want != "" && want != r.Digest {
		return false, nil
	}
	if err := s.release(ctx, r, 0); err != nil {
		return false, fmt.Errorf("release %s: %w", ref, err)
	}
	return true, nil
}

// release releases what a record holds, and the referrers of its manifest unless
// that is held under another name too. These go first: one that is released
// alone later has a subject that nobody can name.
func (s *Store) release(ctx context.Context, r record, depth int) error {
	var referrers []record
	held := false
	path := s.heldPath(r.Reference)
	err := s.eachRecord(ctx, filepath.Dir(path), s.heldPath, func(other record) error {
		held = held || other.Digest == r.Digest && other.Reference != r.Reference
		if other.Subject == r.Digest && len(referrers) < maxCarried {
			referrers = append(referrers, other)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, referrer := range referrers {
		if held || depth > maxNesting {
			break
		}
		if err := s.release(ctx, referrer, depth+1); err != nil {
			return err
		}
	}
	return s.removeNote(path)
}
