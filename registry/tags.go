package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/portolan-oci/portolan/internal/limit"
)

// maxTagPages cuts off a registry whose pages never end, even empty ones: at
// the usual 100 tags a page it is five times maxTags.
const maxTagPages = 10_000

// maxTags bounds a listing as a whole. Repositories that get a tag from every
// build reach tens of thousands; each costs some 200 bytes of memory to a
// caller that sorts them.
const maxTags = 200_000

// Tags calls fn with each page of the repository's tags, one GET a page, as
// [TagLister] says. A repository of more than 200,000 tags is an error.
func (r *Repository) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	var own error
	total := 0
	err := r.remote.Tags(ctx, last, func(tags []string) error {
		if total += len(tags); total > maxTags {
			return fmt.Errorf("%w of %d tags", limit.ErrExceeded, maxTags)
		}
		own = fn(tags)
		return own
	})
	if own != nil {
		return own
	}
	return WrapError("list tags", r.ref, err)
}

// errStop ends a listing whose consumer has seen enough.
var errStop = errors.New("stop")

// Tags iterates over the tags of a repository, or of any other source that
// lists them, page by page in the source's order. An error is yielded once
// and ends it. The sequence may be used again: it lists anew.
func Tags(ctx context.Context, lister TagLister) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := lister.Tags(ctx, "", func(tags []string) error {
			for _, tag := range tags {
				if !yield(tag, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && err != errStop {
			yield("", err)
		}
	}
}
