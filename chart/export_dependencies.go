package chart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// directory adds the dependencies of a chart in a directory.
func (x *exporting) directory(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	d := &depending{client: x.client, dir: dir, root: root}
	if d.meta, err = readChartDir(dir, root); err != nil {
		return err
	}
	lock, err := d.readLock()
	if err != nil {
		return err
	}
	if lock != nil {
		err = errors.Join(lock.checkAgainst(d.lockFile(), d.meta, asLocked(d.meta, lock)), d.readPins(lock))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shown(dir), err)
	}
	return x.dependencies(ctx, d.meta, lock)
}

// asLocked is what a chart declares, with the URLs that the lock has for the
// names of classic repositories.
func asLocked(m *Metadata, lock *Lock) []*Dependency {
	declared := make([]*Dependency, len(m.Dependencies))
	for i, dep := range m.Dependencies {
		c := *dep
		if declared[i] = &c; i < len(lock.Dependencies) && repositoryKindOf(c.Repository) == inNamed {
			c.Repository = lock.Dependencies[i].Repository
		}
	}
	return declared
}

// archive adds the dependencies of a packaged chart.
func (x *exporting) archive(ctx context.Context, a *Archive) error {
	m, err := a.Metadata()
	if err != nil || len(m.Dependencies) == 0 {
		return err
	}
	file := lockFileV2
	if m.APIVersion == APIVersionV1 {
		file = lockFileV1
	}
	data, err := a.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return x.dependencies(ctx, m, nil)
	}
	if err != nil {
		return err
	}
	lock, err := parseLock(file, data)
	if err != nil {
		return err
	}
	return x.dependencies(ctx, m, lock)
}

// dependencies adds those of a chart. A lock that is of another number of
// dependencies says nothing of these.
func (x *exporting) dependencies(ctx context.Context, m *Metadata, lock *Lock) error {
	locked := lock != nil && len(lock.Dependencies) == len(m.Dependencies)
	for i, dep := range m.Dependencies {
		var pin Pin
		if locked && lock.Dependencies[i].Name == dep.Name {
			dep = lock.Dependencies[i]
			if lock.Pinned {
				pin = lock.Pins[i]
			}
		}
		switch kind := repositoryKindOf(dep.Repository); kind {
		case inClassic, inNamed:
			if x.first(dep.Repository + " " + dep.Name + " " + dep.Version) {
				x.left = append(x.left, dep)
			}
			continue
		case inRegistry:
		default:
			continue // it lies beside the chart
		}
		if x.found++; x.found > maxExported {
			return fmt.Errorf("more than %d dependencies: %w", maxExported, ErrTooLarge)
		}
		if err := x.dependency(ctx, dep, pin); err != nil {
			x.of, x.errs = append(x.of, dep), append(x.errs, err)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// dependency adds one, in the version that is locked or the newest in range.
func (x *exporting) dependency(ctx context.Context, dep *Dependency, pin Pin) error {
	ref, err := ociReference(dep)
	if err == nil && x.options.Allow != nil {
		if err = x.options.Allow(ctx, ref.Host); err != nil {
			err = fmt.Errorf("host %s: %w: %w", shown(ref.Host), ErrNotAllowed, err)
		}
	}
	if err != nil {
		return err
	}
	if !x.first(ref.Name() + " " + dep.Version + " " + pin.Manifest.String()) {
		return nil
	}
	resolved, err := x.client.Resolve(ctx, ref, Selector{Version: dep.Version})
	if tag := registry.TagOfVersion(dep.Version); errors.Is(err, registry.ErrNotFound) && version.IsExact(dep.Version) && registry.ValidTag(tag) {
		return x.reference(ctx, ref.WithTag(tag)) // which names it with all else that is missing
	}
	if err != nil {
		return doubledName(dep, err)
	}
	if now := resolved.Reference.Digest; pin.Manifest != "" && pin.Manifest != now {
		return moved(ref.WithTag(resolved.Reference.Tag), "tag "+resolved.Reference.Tag, pin.Manifest, now)
	}
	return x.reference(ctx, ref.WithTag(resolved.Reference.Tag))
}
