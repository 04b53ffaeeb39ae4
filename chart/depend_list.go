package chart

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/portolan-oci/portolan/internal/version"
)

// The states of a dependency, in the words of "helm dependency list".
const (
	StatusOK             = "ok"               // an archive in its range is in charts/
	StatusUnpacked       = "unpacked"         // so is a directory, or an archive under another file name
	StatusMissing        = "missing"          // no chart of that name
	StatusWrongVersion   = "wrong version"    // it is not in the range
	StatusInvalidVersion = "invalid version"  // it, or the range, cannot be read
	StatusMisnamed       = "misnamed"         // the archive holds a chart of another name
	StatusCorrupt        = "corrupt"          // the archive cannot be read
	StatusTooMany        = "too many matches" // archives of several versions
)

// DependencyList is what a chart declares and what of it is in charts/.
type DependencyList struct {
	// Dependencies are in the order of Chart.yaml.
	Dependencies []DependencyStatus
	// Undeclared are the archives and directories in charts/ that Chart.yaml does
	// not declare, or that are no charts, by their names there, sorted.
	Undeclared []string
}

// DependencyStatus is the state of one dependency.
type DependencyStatus struct {
	// Dependency is as declared. It belongs to the caller.
	Dependency *Dependency
	// Status is one of the constants StatusOK to StatusTooMany.
	Status string
}

// ListDependencies compares what the chart in dir declares with its charts/
// directory. No request is made and nothing is written. Archives are read to
// their end, within opts, which may be nil and is lenient in any case: what Helm
// loads is not corrupt. Its errors are those of Chart.yaml and of the
// directories; an archive or a chart in charts/ that cannot be read is a status.
func ListDependencies(ctx context.Context, dir string, opts *ArchiveOptions) (*DependencyList, error) {
	var o ArchiveOptions
	if opts != nil {
		o = *opts
	}
	o.Lenient = true
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m, err := readChartDir(dir, root)
	if err != nil {
		return nil, err
	}
	held, err := listCharts(ctx, dir, root, o.Limits)
	if err != nil {
		return nil, err
	}
	list := &DependencyList{}
	declared := map[string]bool{}
	for _, dep := range m.Dependencies {
		declared[dep.Name] = true
		list.Dependencies = append(list.Dependencies, DependencyStatus{dep, statusOf(dep, held)})
	}
	for _, h := range held {
		if h.meta == nil || !declared[h.meta.Name] {
			list.Undeclared = append(list.Undeclared, h.file)
		}
	}
	return list, nil
}

// heldChart is a directory or a .tgz file in charts/.
type heldChart struct {
	file string
	dir  bool
	meta *Metadata // nil: it cannot be read
}

func listCharts(ctx context.Context, dir string, root *os.Root, limits Limits) ([]heldChart, error) {
	entries, err := readRootDir(root, chartsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var held []heldChart
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := path.Join(chartsDir, e.Name())
		info, err := root.Stat(name)
		isDir := err == nil && info.IsDir()
		hidden := strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_")
		if hidden || !isDir && path.Ext(name) != ".tgz" {
			continue
		}
		h := heldChart{file: e.Name(), dir: isDir}
		if !isDir {
			h.meta, err = archiveIn(root, name, limits)
		} else if sub, oerr := root.OpenRoot(name); oerr == nil {
			h.meta, err = readChartDir(filepath.Join(dir, name), sub)
			sub.Close()
		}
		if err != nil {
			h.meta = nil
		}
		held = append(held, h)
	}
	return held, nil
}

// statusOf follows helm/helm pkg/action/dependency.go: an archive by its file
// name first, of several the one whose rest of the name is a version, and then
// any chart of the name.
func statusOf(dep *Dependency, held []heldChart) string {
	var archives, versioned []heldChart
	var named *Metadata
	for _, h := range held {
		if h.meta != nil && h.meta.Name == dep.Name {
			named = h.meta
		}
		rest, ok := strings.CutPrefix(h.file, dep.Name+"-")
		if !ok || h.dir {
			continue
		}
		archives = append(archives, h)
		if _, err := semver.StrictNewVersion(strings.TrimSuffix(rest, ".tgz")); err == nil {
			versioned = append(versioned, h)
		}
	}
	if len(archives) == 1 {
		versioned = archives
	}
	switch {
	case len(versioned) > 1:
		return StatusTooMany
	case len(versioned) == 1 && versioned[0].meta == nil:
		return StatusCorrupt
	case len(versioned) == 1 && versioned[0].meta.Name != dep.Name:
		return StatusMisnamed
	case len(versioned) == 1:
		return versionStatus(dep, versioned[0].meta, StatusOK)
	case named == nil:
		return StatusMissing
	}
	return versionStatus(dep, named, StatusUnpacked)
}

func versionStatus(dep *Dependency, m *Metadata, good string) string {
	if m.Version == dep.Version {
		return good
	}
	in, err := declaredRange(dep)
	v, verr := version.Parse(m.Version)
	switch {
	case err != nil || verr != nil:
		return StatusInvalidVersion
	case !in.Check(v):
		return StatusWrongVersion
	}
	return good
}
