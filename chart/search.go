package chart

import (
	"context"
	"slices"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// search reads the whole tag list, in the registry's order, for a version that
// fits. What a list of the cache does not have may have been pushed since: it is
// believed no longer than any other absence, and one that is stale not at all,
// where the failure is the answer.
func search(ctx context.Context, src registry.TagLister, fits func(tagged) bool) ([]tagged, cache.Listing, error) {
	for {
		all, listing, err := readVersions(ctx, src)
		if err != nil || slices.ContainsFunc(all, fits) {
			return all, listing, err
		}
		if listing.Origin == cache.FromStale {
			return nil, listing, listing.Err
		}
		if src = doubted(src, listing); src == nil {
			return all, listing, nil
		}
	}
}

// doubted is the source of a list that is too old to say that there is nothing,
// to read a newer one; nil: it is not.
func doubted(src registry.TagLister, listing cache.Listing) registry.TagLister {
	c, ok := src.(*cache.Source)
	if !ok || listing.Origin != cache.FromCache || c.Policy().Offline || time.Since(listing.Listed) < cache.MaxAbsence {
		return nil
	}
	policy := c.Policy()
	policy.MaxAge = min(policy.MaxAge, cache.MaxAbsence)
	return c.WithPolicy(policy)
}

// readVersions reads the whole tag list, in the registry's order, and tells
// where it came from. A tag that is listed twice is there twice.
func readVersions(ctx context.Context, src registry.TagLister) ([]tagged, cache.Listing, error) {
	var all []tagged
	var listing cache.Listing
	if c, ok := src.(*cache.Source); ok {
		src = noting{c, &listing}
	}
	for tag, err := range registry.Tags(ctx, src) {
		if err != nil {
			return nil, listing, err
		}
		if parsed, ok := parseTag(tag); ok {
			all = append(all, tagged{tag, parsed})
		}
	}
	return withoutFloating(all), listing, nil
}

// noting notes where the list came from.
type noting struct {
	*cache.Source
	listing *cache.Listing
}

func (n noting) Tags(ctx context.Context, last string, fn func([]string) error) (err error) {
	*n.listing, err = n.ListTags(ctx, last, fn)
	return err
}
