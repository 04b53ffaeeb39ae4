package classic

import (
	"cmp"
	"errors"
	"slices"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// job is one version of a chart, with what it takes of its entry.
type job struct {
	name  string
	entry *Entry
}

// list finds the versions to copy, one chart at a time.
func (c *copier) list(jobs chan<- job) error {
	in, err := c.chosen()
	if err != nil {
		return err
	}
	names := c.options.Charts
	if names == nil {
		for name, err := range c.src.Charts(c.ctx) {
			if err != nil {
				return err
			}
			names = append(names, name)
		}
	} else if _, err := c.src.index(c.ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := c.listChart(name, in, jobs); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) listChart(name string, in func(version.Version) bool, jobs chan<- job) error {
	if _, err := c.target(name, ""); err != nil {
		c.tell(Copied{Name: name}, err)
		return c.ctx.Err()
	}
	var all []job
	var others []chart.Version // that the options do not mean
	seen := map[string]bool{}
	for e, err := range c.src.Entries(c.ctx, name) {
		if fault, ok := errors.AsType[*EntryError](err); ok {
			c.tell(Copied{Name: name, Version: fault.Version}, fault)
			continue
		}
		if err != nil {
			c.tell(Copied{Name: name}, err)
			return c.ctx.Err()
		}
		v, err := version.Parse(e.Version)
		if seen[e.Version] {
			continue
		}
		seen[e.Version] = true
		if err == nil && !in(v) {
			others = append(others, chart.Version{Version: e.Version, Tag: e.Version})
			continue
		}
		slim := &Entry{URLs: e.URLs, Digest: e.Digest}
		slim.Version = e.Version
		all = append(all, job{name, slim})
	}
	if c.options.Charts != nil && len(all) == 0 && len(others) > 0 { // asked for by name: not to be passed over
		slices.SortStableFunc(others, func(a, b chart.Version) int { return compare(b.Version, a.Version) })
		c.tell(Copied{Name: name}, &chart.NoMatchError{Wanted: c.options.Version, Versions: others})
		return c.ctx.Err()
	}
	if n := c.options.Latest; n > 0 {
		slices.SortStableFunc(all, func(a, b job) int { return compare(b.entry.Version, a.entry.Version) })
		all = all[:min(n, len(all))]
	}
	for _, j := range all {
		select {
		case jobs <- j:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}

// chosen tells which versions the options mean.
func (c *copier) chosen() (func(version.Version) bool, error) {
	if c.options.Version == "" && (c.options.Latest <= 0 || c.options.Prereleases) {
		return func(version.Version) bool { return true }, nil
	}
	constraint, err := version.ParseConstraint(c.options.Version)
	if err != nil {
		return nil, &registry.Error{Op: "select", Kind: registry.ErrInvalidReference, Err: err}
	}
	if c.options.Prereleases {
		constraint = constraint.WithPrereleases()
	}
	return constraint.Check, nil
}

func compare(a, b string) int {
	x, errX := version.Parse(a)
	y, errY := version.Parse(b)
	if errX != nil || errY != nil {
		return cmp.Compare(a, b) // an entry that is valid has none of these
	}
	return version.Compare(x, y)
}
