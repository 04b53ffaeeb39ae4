package chart

import (
	"context"
	"errors"
	"fmt"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// ExportOptions are for one Export. The zero value exports each chart alone.
type ExportOptions struct {
	// Selector chooses the version where a reference has no tag and no digest.
	Selector Selector
	// Referrers takes along what refers to the charts, such as signatures.
	Referrers bool
	// Dependencies takes along what the charts declare as dependencies in
	// registries, in the versions of their lock or, where there is none, the
	// newest in range, and what those declare. A packaged chart has its
	// dependencies in it: to install it, none of this is needed.
	Dependencies bool
	// Directories are of charts whose dependencies are exported as well, for a
	// BuildDependencies where there is no registry.
	Directories []string
	// Allow is asked about the host of each dependency, as that of
	// DependencyOptions. nil: all hosts.
	Allow func(ctx context.Context, host string) error
}

// Exported is what an Export has written.
type Exported struct {
	cache.Exported
	// Left are the dependencies of classic repositories, which no reference
	// names, so that a layout cannot hold them under one. See classic.Copy for
	// how to move such a repository into a registry.
	Left []*Dependency
}

// maxExported bounds the dependencies of one Export: charts may declare any
// number of them, and those declare others. A platform of fifty charts with
// twenty dependencies each is that large.
const maxExported = 1000

// Export writes charts into an OCI image layout, to be carried to where no
// registry is in reach and imported there by cache.Store.Import: after that, a
// client that is offline finds them as if it had pulled them. What the cache
// lacks is fetched first. It goes by cache.Store.Export, which says how the
// layout is named and read, and what its errors are. The client's Verifier is
// asked about charts that are looked into for their dependencies, and where
// they are pulled.
//
// Other errors: *NoMatchError; a *DependenciesError with each dependency that
// cannot be found out, which matches what they match; a *LockError, and
// registry.ErrTagMoved, for a directory whose lock does not hold; those of
// Pull for charts that are looked into; a client without a cache is
// registry.ErrUnsupported.
func (c *Client) Export(ctx context.Context, to cache.ExportTarget, refs []registry.Reference, options ExportOptions) (*Exported, error) {
	x := &exporting{client: c, options: options, seen: map[string]bool{}}
	for _, dir := range options.Directories {
		if err := x.directory(ctx, dir); err != nil {
			return nil, err
		}
	}
	for _, ref := range refs {
		if err := x.reference(ctx, ref); err != nil {
			return nil, err
		}
	}
	if err := joinDependencies(ctx, x.of, x.errs); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	roots := make([]cache.ExportRoot, len(x.roots))
	for i, ref := range x.roots {
		repo, err := c.registry.Repository(ref)
		if err != nil {
			return nil, err
		}
		roots[i] = cache.ExportRoot{Reference: ref, From: repo}
	}
	exported, err := c.cache.Export(ctx, to, roots, cache.ExportOptions{Policy: c.policy, Referrers: options.Referrers})
	if err != nil {
		return nil, err
	}
	return &Exported{Exported: *exported, Left: x.left}, nil
}

// exporting finds out what an Export has to hold.
type exporting struct {
	client  *Client
	options ExportOptions
	roots   []registry.Reference
	seen    map[string]bool // references and dependencies that were looked at
	found   int             // dependencies
	left    []*Dependency
	of      []*Dependency // with errs, as joinDependencies takes them
	errs    []error
}

func (x *exporting) first(key string) bool {
	first := !x.seen[key]
	x.seen[key] = true
	return first
}

// reference adds a chart.
func (x *exporting) reference(ctx context.Context, ref registry.Reference) error {
	if ref.Object() == "" {
		resolved, err := x.client.Resolve(ctx, ref, x.options.Selector)
		if err != nil {
			return err
		}
		ref = ref.WithTag(resolved.Reference.Tag)
	}
	if !x.first(ref.String()) {
		return nil
	}
	x.roots = append(x.roots, ref)
	if !x.options.Dependencies {
		return nil
	}
	pulled, err := x.client.Pull(ctx, ref, PullOptions{})
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, ErrNotChart) || errors.Is(err, ErrAmbiguous) {
		return nil // what is missing is named with all else that is; what is no chart has no dependencies
	}
	if err != nil {
		return err
	}
	defer pulled.Close()
	if err := x.archive(ctx, pulled.Archive); err != nil {
		return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
	}
	return nil
}
