package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portolan-oci/portolan/internal/patience"
	"github.com/portolan-oci/portolan/registry"
)

// Listing tells where a list of tags or of referrers came from.
type Listing struct {
	// Origin is FromNetwork when the source gave the list, FromCache when the
	// cache did alone, and FromStale when it did because the source could not.
	Origin Origin `json:"origin"`
	// Listed is when the source began to give it. Zero: nobody knows; of tags
	// offline, which are those whose manifest is here, and of referrers that
	// were carried here.
	Listed time.Time `json:"listed,omitzero"`
	// Err is why the source did not give it, with FromStale: the failure that
	// stands when the list does not have what was looked for. Else nil.
	Err error `json:"-"`
}

// maxList bounds the lists that are kept: a page of one may be as large, and
// 200,000 tags of 20 bytes are no larger. What is longer is asked for each time.
const maxList = 4 << 20

// listed is the file of a list, of all of it: half a list would be an answer
// too.
type listed[T any] struct {
	// Of is the repository, or a manifest in it by its digest.
	Of    registry.Reference `json:"of"`
	Items []T                `json:"items,omitempty"`
	// Listed is when the source began to give it; zero: it was carried here, or
	// is in doubt, and answers nobody who can ask.
	Listed time.Time `json:"listed,omitzero"`
	// None: the source had no such repository.
	None bool `json:"none,omitempty"`
	// Dropped is when our own doing made the list that was here another: one that
	// the source began to give before then is not kept.
	Dropped time.Time `json:"dropped,omitzero"`
}

func (l listed[T]) check() error {
	if l.Of.Host == "" || l.Of.Repository == "" || l.Of.Tag != "" {
		return fmt.Errorf("%q has no list", l.Of)
	}
	return nil
}

// fresh tells whether the list needs no request. That there is nothing may be
// over any moment: whoever publishes asks soon.
func (l listed[T]) fresh(p Policy, now time.Time) bool {
	most := p.MaxAge
	if len(l.Items) == 0 {
		most = min(most, MaxAbsence)
	}
	return !l.Listed.IsZero() && within(l.Listed, now, most)
}

// readList returns the list that is kept in path, if it is that of this name.
func readList[T any](s *Store, path string, of registry.Reference) (l listed[T], ok bool) {
	_, ok = s.readSealed(path, maxList+maxRecord, &l)
	if ok && l.Of != of {
		s.log.Warn("file in the cache is another reference's", "want", of, "got", l.Of)
		return listed[T]{}, false
	}
	return l, ok
}

// reading is one reading of a list that the source gives page by page.
type reading[T any] struct {
	src  *Source
	op   string
	of   registry.Reference
	path string
	// ask reads the list at the source; nil: the source has no such role.
	ask func(ctx context.Context, page func([]T) error) error
	// pick leaves of a page what the caller wants, in a slice of its own; nil:
	// all.
	pick func([]T) []T
	fn   func([]T) error

	keep  bool // what comes is the whole list, and not too long to be kept
	held  bool // pages wait for the last one
	spare bool // a list that is here may be given in its place
	items []T  // that came, while they are held or to be kept
	size  int  // of these, as JSON
	pages int
	own   error // of fn, which comes back as it is
}

// do gives the list as the policy says. whole tells whether ask gives all of
// it.
func (r *reading[T]) do(ctx context.Context, whole bool) (Listing, error) {
	if err := ctx.Err(); err != nil {
		return Listing{}, err
	}
	began := time.Now()
	last, _ := readList[T](r.src.store, r.path, r.of)
	if last.fresh(r.src.policy, began) {
		if last.None {
			return Listing{}, r.src.none(r.op, r.of, last.Listed)
		}
		return Listing{Origin: FromCache, Listed: last.Listed}, r.pass(last.Items)
	}
	if r.ask == nil {
		return Listing{}, &registry.Error{Op: r.op, Reference: r.of, Kind: registry.ErrUnsupported}
	}
	r.keep = whole && r.src.store.dir != ""
	r.spare = !last.None && r.src.policy.bridges(patience.ErrOver, last.Listed, began)
	r.held = r.held || r.spare
	err := r.patiently(ctx)
	switch {
	case r.own != nil:
		return Listing{}, r.own
	case err == nil:
		if r.keep {
			r.note(listed[T]{Of: r.of, Items: r.items, Listed: began.UTC()})
		}
		if r.held {
			err = r.pass(r.items)
		}
		return Listing{Origin: FromNetwork, Listed: began}, err
	case r.spare && r.src.bridge(r.of, err, last.Listed):
		return Listing{Origin: FromStale, Listed: last.Listed, Err: registry.WrapError(r.op, r.of, err)}, r.pass(last.Items)
	}
	err = registry.WrapError(r.op, r.of, err)
	if r.keep && r.pages == 0 && saysNone(err) {
		r.note(listed[T]{Of: r.of, None: true, Listed: began.UTC()})
	}
	return Listing{}, err
}

// patiently asks the source, where another list could be given in its place for
// no longer than the policy has patience for each page.
func (r *reading[T]) patiently(ctx context.Context) error {
	if !r.spare {
		return r.ask(ctx, r.page)
	}
	most := r.src.policy.patience()
	return patience.Bound(ctx, most, func(ctx context.Context, timer *time.Timer) error {
		return r.ask(ctx, func(items []T) error {
			timer.Stop()
			err := r.page(items)
			if r.spare {
				timer.Reset(most)
			}
			return err
		})
	})
}

// page takes one page of the source's.
func (r *reading[T]) page(items []T) error {
	r.pages++
	if !r.keep && !r.held {
		return r.pass(items)
	}
	data, err := json.Marshal(items)
	r.size += len(data)
	if err == nil && r.size <= maxList {
		r.items = append(r.items, items...)
		if r.held {
			return nil
		}
		return r.pass(items)
	}
	if r.held {
		items = append(r.items, items...)
	}
	r.keep, r.held, r.spare, r.items = false, false, false, nil
	return r.pass(items)
}

// pass hands a page to the caller.
func (r *reading[T]) pass(items []T) error {
	if r.pick != nil {
		items = r.pick(items)
	}
	if len(items) > 0 {
		r.own = r.fn(items)
	}
	return r.own
}

// note keeps a list. It is not synced to the disk: after a power cut a lost or
// empty one is a miss.
func (r *reading[T]) note(l listed[T]) {
	s := r.src.store
	if now, ok := readList[T](s, r.path, r.of); ok {
		carried := now.Listed.IsZero() && len(now.Items) > 0
		if now.Dropped.After(l.Listed) || l.None && carried {
			return
		}
	}
	if err := s.writeSealed(r.path, l, false); err != nil {
		s.trouble(cannotWrite, err)
	}
}

// saysNone tells an answer of the registry that there is no such thing. Who may
// not see it has no such answer.
func saysNone(err error) bool {
	return errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrDenied) && !errors.Is(err, registry.ErrUnauthorized)
}

// WithPolicy returns a Source that reads the same repository under another
// policy. What was resolved through one and not yet fetched, the other does not
// remember.
func (s *Source) WithPolicy(p Policy) *Source { return s.store.Through(s.src, s.ref, p) }

// Policy returns the policy that it reads under.
func (s *Source) Policy() Policy { return s.policy }
