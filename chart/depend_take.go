package chart

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// repositoryKind is where a dependency comes from, by its repository.
type repositoryKind int

const (
	inCharts         repositoryKind = iota // in charts/ already
	inLocalDirectory                       // a directory
	inRegistry                             // a registry
	inClassic                              // a classic repository
	inNamed                                // a classic repository by its name
	nowhere                                // nothing that Helm reads either
)

func repositoryKindOf(repository string) repositoryKind {
	prefixed := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(repository, p) {
				return true
			}
		}
		return false
	}
	switch {
	case repository == "":
		return inCharts
	case prefixed("file://"):
		return inLocalDirectory
	case prefixed("oci://"):
		return inRegistry
	case prefixed("https://", "http://"):
		return inClassic
	case prefixed("@", "alias:"):
		return inNamed
	}
	return nowhere
}

// fetched tells what is pinned by digest from what lies beside the chart.
func (k repositoryKind) fetched() bool { return k != inCharts && k != inLocalDirectory }

// fetches is how many dependencies are fetched at a time: enough to hide the
// latency of the registry, few enough for one that counts.
const fetches = 8

// part is a dependency that is here: in charts/ already, or staged.
type part struct {
	version string // as it goes into the lock
	file    string // its name in charts/; empty where it is there already
	staged  string // its path from the chart's directory
	content Pin    // Manifest, Layer
	origin  Origin // zero where no registry gave it
	digest  string // SHA-256 of the file
}

// pin is what DigestsFile says of it.
func (p *part) pin(d *Dependency) Pin {
	pin := Pin{Name: d.Name, Version: d.Version, Repository: d.Repository}
	if repositoryKindOf(d.Repository).fetched() {
		pin.Manifest, pin.Layer = p.content.Manifest, p.content.Layer
	}
	return pin
}

// take stages all dependencies, a few at a time, and comes to the end of all
// even when some fail, so that every failure is told at once.
func (d *depending) take(ctx context.Context, of []*Dependency, one func(ctx context.Context, i int) (*part, error)) ([]*part, error) {
	var err error
	if d.stage, err = newStaging(d.root); err != nil {
		return nil, err
	}
	parts, errs := make([]*part, len(of)), make([]error, len(of))
	var g errgroup.Group
	g.SetLimit(fetches)
	for i := range of {
		g.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				parts[i], errs[i] = one(ctx, i)
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	if err := joinDependencies(ctx, of, errs); err != nil {
		d.stage.discard()
		return nil, err
	}
	return parts, nil
}

// resolve stages the newest version that a declaration allows.
func (d *depending) resolve(ctx context.Context, i int) (*part, error) {
	dep := d.declared[i]
	in, err := declaredRange(dep)
	if err != nil {
		return nil, err
	}
	if err := checkDependencyName(dep.Name); err != nil {
		return nil, err
	}
	switch kind := d.kind(i); kind {
	case inCharts:
		return d.present(dep, in)
	case inLocalDirectory:
		return d.packageLocal(ctx, dep, in)
	case inRegistry:
		return d.resolveOCI(ctx, dep)
	case inClassic, inNamed:
		return d.resolveClassic(ctx, i, in)
	}
	return nil, &registry.Error{Op: "resolve", Kind: registry.ErrInvalidReference,
		Err:  fmt.Errorf("%s is no repository", quoted(dep.Repository)),
		Hint: "write oci://host/path, a URL, file://path, or @name for a configured repository"}
}

// kind is that of the declaration: what a name stands for is a classic
// repository, whatever its URL looks like.
func (d *depending) kind(i int) repositoryKind {
	if repositoryKindOf(d.meta.Dependencies[i].Repository) == inNamed {
		return inNamed
	}
	return repositoryKindOf(d.declared[i].Repository)
}

// declaredRange reads the range of a dependency, which Helm wants to be there.
func declaredRange(d *Dependency) (version.Constraint, error) {
	if strings.TrimSpace(d.Version) == "" {
		return version.Constraint{}, &MetadataError{Field: "dependencies", Value: d.Name, Problem: "has no version; write * for the newest"}
	}
	in, err := version.ParseConstraint(d.Version)
	if err != nil {
		return in, &MetadataError{Field: "dependencies", Value: d.Name, Problem: "has a version that is no range: " + err.Error()}
	}
	return in, nil
}

// checkDependencyName lets a name become part of a file's name.
func checkDependencyName(name string) error {
	m := Metadata{APIVersion: APIVersionV2, Name: name, Version: "1.0.0"}
	return m.Validate()
}

// allow asks the caller's policy.
func (d *depending) allow(ctx context.Context, host string) error {
	if d.options.Allow == nil {
		return nil
	}
	if err := d.options.Allow(ctx, host); err != nil {
		return fmt.Errorf("host %s: %w: %w", shown(host), ErrNotAllowed, err)
	}
	return nil
}

// allowURL is allow for a classic repository. file:// has no host.
func (d *depending) allowURL(ctx context.Context, repository string) error {
	if d.options.Allow == nil {
		return nil
	}
	u, err := url.Parse(repository)
	if err != nil || u.Host == "" && u.Scheme != "file" {
		return fmt.Errorf("repository %s: %w: its host is not known", shown(repository), ErrNotAllowed)
	}
	if u.Host == "" {
		return nil
	}
	return d.allow(ctx, u.Host)
}

// once makes each value once, however many ask for it at a time. The zero value
// is ready.
type once[T any] struct {
	mu   sync.Mutex
	made map[string]func() (T, error)
}

func (o *once[T]) do(key string, create func() (T, error)) (T, error) {
	o.mu.Lock()
	if o.made == nil {
		o.made = map[string]func() (T, error){}
	}
	f := o.made[key]
	if f == nil {
		f = sync.OnceValues(create)
		o.made[key] = f
	}
	o.mu.Unlock()
	return f()
}
