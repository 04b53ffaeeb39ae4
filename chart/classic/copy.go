package classic

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// CopyOptions choose what Copy moves. The zero value is the whole repository.
type CopyOptions struct {
	// Charts are the names of the charts to copy; nil is all.
	Charts []string
	// Version is a range in Helm's syntax, or a version; empty is every version,
	// pre-releases included.
	Version string
	// Prereleases lets a range, or Latest, choose pre-releases too.
	Prereleases bool
	// Latest is how many versions of each chart are copied, from the newest
	// stable one on. Zero, or less: all.
	Latest int
	// Force replaces a version that holds other content in the registry.
	Force bool
	// Parallel is how many charts are copied at a time. Zero: 4.
	Parallel int
}

// Copied is one chart that Copy has dealt with.
type Copied struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // as the index spells it; empty where the chart as a whole is meant
	// Reference is where the chart is now, tag and digest set. Where it could not
	// be copied, its digest is empty, and all of it where there is no such name.
	Reference registry.Reference `json:"reference,omitzero"`
	// Exists tells that the registry had the chart already. Nothing was
	// downloaded then, unless the index has no digest of the archive.
	Exists bool `json:"exists"`
	// Sent counts the bytes of manifests and blobs that were uploaded.
	Sent int64 `json:"sent"`
	// Provenance tells that a .prov file travelled along.
	Provenance bool `json:"provenance,omitempty"`
	// Unverified tells that the index has no digest of the archive, so that
	// nobody vouched for what was copied.
	Unverified bool `json:"unverified,omitempty"`
}

// Copy moves charts of src into a registry: version v of chart c to
// <namespace>/c:v. namespace is a reference whose Repository is what the
// charts' names are put under, without tag and digest; it may be empty, see
// ParseNamespace. Charts are pushed by src's client, with their .prov files
// where src's options ask for them.
//
// Each chart is passed once it is dealt with, in no certain order: with an
// error if it could not be copied, beside which Name and Version are set. The
// others go on. An error beside an empty Name ends the sequence: the index
// cannot be read, an option is wrong (registry.ErrInvalidReference), or ctx
// has ended.
//
// What is there already is not moved again, so that a copy that was interrupted
// is resumed by another: a version whose manifest names the archive of the
// index exists. It costs one HEAD where the cache holds the manifest, and one
// GET otherwise. A version that holds another archive, or something else than a
// chart, is registry.ErrExists, unless forced. A chart or a version whose name
// cannot be one in a registry is registry.ErrInvalidReference, an entry of the
// index that is not valid an *EntryError, a chart of Charts that the index does
// not have registry.ErrNotFound, and one of Charts with no version that the
// options mean a *chart.NoMatchError; all others are those of Repository.Pull and
// chart.Client.Push.
func Copy(ctx context.Context, src *Repository, namespace registry.Reference, options *CopyOptions) iter.Seq2[Copied, error] {
	var o CopyOptions
	if options != nil {
		o = *options
	}
	o.Charts = slices.Clone(o.Charts)
	return func(yield func(Copied, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		c := &copier{ctx: ctx, src: src, client: src.client, namespace: namespace, options: o, done: make(chan outcome)}
		end := c.start()
		for out := range c.done {
			if !yield(out.Copied, out.err) {
				cancel()
				for range c.done { // until all have noticed
				}
				return
			}
		}
		cancel()
		if err := end(); err != nil {
			yield(Copied{}, err)
		}
	}
}

// ParseNamespace reads "host[:port][/path]", with or without "oci://" before
// it. The error matches registry.ErrInvalidReference.
func ParseNamespace(s string) (registry.Reference, error) {
	const name = "chart"
	ref, err := registry.ParseReference(strings.TrimRight(s, "/") + "/" + name)
	if err == nil && ref.Object() != "" {
		err = &registry.ReferenceError{Reference: s, Problem: "a namespace has neither tag nor digest"}
	}
	if told, ok := errors.AsType[*registry.ReferenceError](err); ok {
		return registry.Reference{}, &registry.ReferenceError{
			Reference: strings.TrimSuffix(told.Reference, "/"+name),
			Problem:   strings.ReplaceAll(told.Problem, "/"+name+`"`, `"`),
			Hint:      strings.TrimSuffix(told.Hint, "/"+name),
		}
	}
	ref.Repository = strings.TrimSuffix(strings.TrimSuffix(ref.Repository, name), "/")
	return ref, nil
}

// outcome is what became of one chart.
type outcome struct {
	Copied
	err error
}

// copier is one Copy: one goroutine reads the index, others take what it finds.
type copier struct {
	ctx       context.Context
	src       *Repository
	client    *chart.Client
	namespace registry.Reference
	options   CopyOptions
	done      chan outcome
}

const defaultParallel = 4

// start begins, and closes done when all is done; end then tells what has
// ended it early.
func (c *copier) start() (end func() error) {
	jobs := make(chan job)
	var workers sync.WaitGroup
	var fault error
	for range cmp.Or(max(c.options.Parallel, 0), defaultParallel) {
		workers.Go(func() {
			for j := range jobs {
				copied, err := c.copy(j)
				c.tell(copied, err)
			}
		})
	}
	go func() {
		defer close(c.done)
		fault = c.list(jobs)
		close(jobs)
		workers.Wait()
		if fault == nil {
			fault = c.ctx.Err()
		}
	}()
	return func() error { return fault }
}

// tell passes an outcome on. Once the context has ended, failures are those of
// the end and not of the chart.
func (c *copier) tell(copied Copied, err error) {
	if err != nil && c.ctx.Err() != nil {
		return
	}
	c.done <- outcome{copied, err}
}
