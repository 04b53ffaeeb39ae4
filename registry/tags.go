package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/portolan-oci/portolan/internal/limit"
)

// maxTagPages cuts off a registry whose pages never end, even empty ones: at
// the usual 100 tags a page it is five times maxTags.
const maxTagPages = 10_000

// maxTags bounds a listing as a whole. Repositories that get a tag from every
// build reach tens of thousands; each costs some 200 bytes of memory to a
// caller that sorts them.
const maxTags = 200_000

// tagPageSizes: registries give the pages that suit them; numbers are for
// those that cannot without.
var tagPageSizes = []int{0, 1000, 100}

// Tags calls fn with each page of the repository's tags, one GET a page, as
// [TagLister] says: as the registry gives them, which may be all at once, and
// as soon as each is there. A registry that refuses the first page, or whose
// page has more than 4 MiB, is asked again for 1000 tags at a time, then 100;
// one that answers 404 to a last is asked for all tags, of which those after it
// count.
//
// It matches ErrNotFound when there is no such repository. A list that goes on
// at another host, or does not come to its end, is a *PageError; one of more
// than 200,000 tags is an error.
func (r *Repository) Tags(ctx context.Context, last string, fn func(tags []string) error) error {
	first := r.url("tags/list")
	if last != "" {
		first = withQuery(first, "last", last)
	}
	var own error
	total := 0
	page := func(tags []string) error {
		if total += len(tags); total > maxTags {
			return fmt.Errorf("%w of %d tags", limit.ErrExceeded, maxTags)
		}
		own = fn(tags)
		return own
	}
	pages := names(engine{repo: r}, "tags", maxTagPages, tagPageSizes)
	err := pages.each(ctx, first, page)
	if last != "" && total == 0 && own == nil && statusOf(err) == http.StatusNotFound {
		// zot knows no last but its tags, though one may be gone by now.
		err = pages.each(ctx, r.url("tags/list"), func(tags []string) error {
			if tags = after(last, tags); len(tags) == 0 {
				return nil
			}
			return page(tags)
		})
	}
	if own != nil {
		return own
	}
	return WrapError("list tags", r.ref, err)
}

// after leaves those that come after last in the order of the OCI distribution
// spec (1.1, Listing Tags).
func after(last string, tags []string) []string {
	return slices.DeleteFunc(tags, func(tag string) bool { return tag <= last })
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
