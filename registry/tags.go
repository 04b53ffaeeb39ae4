package registry

import (
	"context"
	"errors"
	"iter"
)

// maxTagPages bounds a listing: at the usual 100 tags a page it is a million
// tags, far beyond what any repository of charts holds, and a registry whose
// pages never end is cut off.
const maxTagPages = 10_000

// Tags calls fn with each page of the repository's tags, one GET a page, as
// [TagLister] says.
func (r *Repository) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	var own error
	err := r.remote.Tags(ctx, last, func(tags []string) error {
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
