package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/portolan-oci/portolan/internal/version"
)

// rebuild stages one dependency of the lock, which has been held against its
// declaration.
func (d *depending) rebuild(ctx context.Context, lock *Lock, i int) (*part, error) {
	dep := lock.Dependencies[i]
	in, err := declaredRange(dep)
	if err == nil {
		err = checkDependencyName(dep.Name)
	}
	if err != nil {
		return nil, err
	}
	var pin Pin
	if lock.Pinned {
		pin = lock.Pins[i]
	}
	switch d.kind(i) {
	case inCharts:
		return d.present(dep, in)
	case inLocalDirectory:
		return d.packageLocal(ctx, dep, in)
	case inRegistry:
		return d.rebuildOCI(ctx, dep, pin)
	}
	return d.rebuildClassic(ctx, i, dep, pin)
}

// readChartDir reads the metadata of a chart directory and nothing else of it.
func readChartDir(path string, root *os.Root) (*Metadata, error) {
	d := &directory{tree: tree{path: path, root: root}}
	data, err := d.readSmall(chartFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.fault("", "has no Chart.yaml", fmt.Errorf("%w: %w", ErrInvalidArchive, ErrNotChart))
	}
	if err != nil {
		return nil, err
	}
	var requirements [][]byte
	more, err := d.readSmall(requirementsFile)
	switch {
	case err == nil:
		requirements = append(requirements, more)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	m, err := parseMetadata([][]byte{data}, requirements)
	if err == nil {
		err = m.Validate()
	}
	return m, atPath(path, err)
}

// present finds a dependency that no repository has: it stands in charts/ as a
// directory. As in Helm, the lock keeps its range.
func (d *depending) present(dep *Dependency, in version.Constraint) (*part, error) {
	path := chartsDir + "/" + dep.Name
	root, err := d.root.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ArchiveError{Path: d.dir, Problem: "has no directory " + path + ", and the dependency names no repository to take it from", Err: ErrMissingDependency}
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m, err := readChartDir(filepath.Join(d.dir, path), root)
	if err != nil {
		return nil, err
	}
	if err := checkLocal(m, dep, in); err != nil {
		return nil, atPath(path, err)
	}
	return &part{version: dep.Version}, nil
}

// checkLocal holds what stands in a directory against the declaration.
func checkLocal(m *Metadata, dep *Dependency, in version.Constraint) error {
	if m.Name != dep.Name {
		return checkContent(m, dep.Name, m.Version)
	}
	v, err := version.Parse(m.Version)
	if err != nil {
		return &ArchiveError{Problem: err.Error(), Err: ErrInvalidArchive}
	}
	if !in.Check(v) {
		return &NoMatchError{Wanted: dep.Version, Versions: []Version{{Version: m.Version, Tag: m.Version, parsed: v}}}
	}
	return nil
}

// packageLocal packages the directory of a file:// dependency. What it depends
// on itself must be in its charts/ directory: like Helm's, an update is of one
// chart.
func (d *depending) packageLocal(ctx context.Context, dep *Dependency, in version.Constraint) (*part, error) {
	path := filepath.FromSlash(strings.TrimPrefix(dep.Repository, "file://"))
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	return d.fetches.do("file "+dep.Name+" "+dep.Version+" "+path, func() (*part, error) {
		inside, err := d.inRoot(path)
		if err != nil {
			return nil, err
		}
		source, at, err := prepare(ctx, path, &PackageOptions{Limits: d.client.archives.Limits})
		if err != nil {
			return nil, err
		}
		defer source.Close()
		if info, err := source.root.Stat("."); err != nil || inside != nil && !os.SameFile(inside, info) {
			return nil, errors.Join(err, fmt.Errorf("directory %s: %w", shown(path), errChanged))
		}
		if err := checkLocal(source.meta, dep, in); err != nil {
			return nil, atPath(path, err)
		}
		p := &part{version: source.meta.Version}
		return p, d.stage.fill(p, dep.Name+"-"+p.version+".tgz", func(w io.Writer) error { return source.write(ctx, w, at) })
	})
}

// inRoot finds a directory within FileRoot, by whatever links its path leads;
// nil where there is no such limit.
func (d *depending) inRoot(path string) (fs.FileInfo, error) {
	if d.options.FileRoot == "" {
		return nil, nil
	}
	base, err := filepath.Abs(d.options.FileRoot)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	below, err := filepath.Rel(base, path)
	if err == nil {
		var inside fs.FileInfo
		if inside, err = root.Stat(below); err == nil {
			return inside, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, fmt.Errorf("directory %s: %w: it is not in %s", shown(path), ErrNotAllowed, shown(base))
}
