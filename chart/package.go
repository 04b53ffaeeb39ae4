package chart

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/portolan-oci/portolan/internal/atomicfile"
)

// PackageOptions change how a directory is packaged. The zero value, like
// nil, packages it as it is.
type PackageOptions struct {
	// Version and AppVersion, unless empty, replace those of Chart.yaml in the
	// package; the directory is not changed. Only their values change in the
	// text of Chart.yaml where it is written line by line. Where it is not (one
	// line of JSON, say), Chart.yaml is written anew, as Helm always does:
	// without comments and without keys that Metadata does not have.
	Version, AppVersion string
	// Time is the modification time of every file in the package, cut to
	// seconds; the zero value is the Unix epoch. From 1970 to 2242, which is
	// what tar has room for.
	Time time.Time
	// Limits are those under which the package can be read again.
	Limits Limits
}

// maxTime is the last second that eleven octal digits hold (POSIX ustar).
var maxTime = time.Unix(0o77777777777, 0)

// Package writes the chart in dir to w as a .tgz archive whose bytes depend on
// the files' names and content and on opts, and on nothing else: Chart.yaml
// first, then all others in bytewise order of their paths, under the chart's
// name, each with mode 0644, owner 0 and one time. Files are taken verbatim. It
// answers with the metadata of the package.
//
// The charts in charts/ become directories there, as when Helm packages,
// whether they stand there as directories or as .tgz archives, and at any
// depth, archives within archives too. So a chart has the same package with
// charts/buoy as with charts/buoy-1.2.3.tgz. The directory has the name that
// the chart has in its Chart.yaml; two versions of one chart, which aliases may
// want, become <name>-<version> each.
//
// Left out is what .helmignore lists (with Helm's rules, see its "ignore"
// package) and what in charts/ begins with a dot or an underscore. As with
// Helm, only dir's own .helmignore counts, and only for what stands in
// directories: what an archive in charts/ holds is all packaged. Symbolic links
// are followed within dir; one that leaves it is ErrUnsafeArchive, and so are
// devices, pipes, and names that other systems cannot hold apart.
//
// What Helm could not load afterwards is refused here: ErrInvalidMetadata (an
// apiVersion other than v1 and v2 included), ErrInvalidArchive for a
// values.yaml or a values.schema.json that cannot be parsed (values beyond
// 1 MiB are not looked at) and for one version of one chart twice in a charts/,
// ErrMissingDependency for a dependency that is not in charts/. An archive in
// charts/ is read strictly: what Archive refuses of it (links, files of one
// name, more than the limits) cannot be packaged, and the *ArchiveError names
// that archive and the entry. A directory without Chart.yaml matches
// ErrInvalidArchive and ErrNotChart, content beyond the limits ErrTooLarge;
// they hold for the chart with all that it holds together. On an error w holds
// an incomplete archive, unless the error came before the first byte.
func Package(ctx context.Context, dir string, w io.Writer, opts *PackageOptions) (*Metadata, error) {
	d, t, err := prepare(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.write(ctx, w, t); err != nil {
		return nil, err
	}
	return d.meta, nil
}

// PackageFile packages the chart in dir into destDir, which is made if need
// be, as <name>-<version>.tgz with mode 0644 less the umask. The file appears
// there whole, on disk, or not at all; one that is there is replaced, and is
// no part of the package where destDir is dir. Errors as for Package, and the
// file system's.
func PackageFile(ctx context.Context, dir, destDir string, opts *PackageOptions) (path string, m *Metadata, err error) {
	return packageFile(ctx, dir, destDir, nil, opts)
}

// packageFile packages and, with a signer, signs.
func packageFile(ctx context.Context, dir, destDir string, signer Signer, opts *PackageOptions) (path string, m *Metadata, err error) {
	d, t, err := prepare(ctx, dir, opts)
	if err != nil {
		return "", nil, err
	}
	defer d.Close()
	if err := os.MkdirAll(destDir, 0o755); err != nil {
		return "", nil, err
	}
	path = filepath.Join(destDir, d.meta.Name+"-"+d.meta.Version+".tgz")
	d.leaveOut(path)
	if signer != nil {
		d.leaveOut(path + provSuffix)
	}
	f, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	if err := d.write(ctx, f, t); err != nil {
		return "", nil, err
	}
	if signer != nil {
		err = d.sign(ctx, f, path, signer)
	} else if err = f.Sync(); err == nil {
		err = f.Commit()
	}
	if err != nil {
		return "", nil, err
	}
	return path, d.meta, nil
}

// prepare does all that can fail for the chart's own fault, before a byte is
// written.
func prepare(ctx context.Context, dir string, opts *PackageOptions) (*directory, time.Time, error) {
	if opts == nil {
		opts = &PackageOptions{}
	}
	t := opts.Time.Truncate(time.Second)
	if opts.Time.IsZero() {
		t = time.Unix(0, 0)
	}
	if t.Unix() < 0 || t.After(maxTime) {
		return nil, t, fmt.Errorf("package %s: time %s is not between 1970 and 2242", shown(dir), opts.Time.UTC().Format(time.RFC3339))
	}
	limits, err := opts.Limits.resolve(false)
	if err != nil {
		return nil, t, err
	}
	d, err := openDirectory(ctx, dir, limits)
	if err != nil {
		return nil, t, err
	}
	if err = d.load(opts); err == nil {
		err = d.check(ctx)
	}
	if err == nil {
		err = d.arrange(&d.top, newNameSet())
		slices.SortFunc(d.files, packageOrder)
	}
	if err != nil {
		d.Close()
		return nil, t, err
	}
	return d, t, nil
}

// load reads Chart.yaml once, for the metadata and for the package.
func (d *directory) load(opts *PackageOptions) error {
	data, err := d.chartYAML(&d.top)
	if err != nil {
		return err
	}
	if opts.Version != "" || opts.AppVersion != "" {
		if data, err = setVersions(data, opts.Version, opts.AppVersion); err != nil {
			return atPath(d.path, err)
		}
	}
	requirements, err := d.requirements(&d.top)
	if err != nil {
		return err
	}
	m, err := parseMetadata([][]byte{data}, requirements)
	if err == nil {
		err = m.Validate()
	}
	if err == nil && m.APIVersion != APIVersionV1 && m.APIVersion != APIVersionV2 {
		err = &MetadataError{Field: "apiVersion", Value: m.APIVersion, Problem: "is neither v1 nor v2"}
	}
	if err == nil {
		// The directory in the package; what readers make of the others was
		// checked by Validate.
		if _, _, nerr := splitName(m.Name+"/"+chartFile, false); nerr != nil {
			err = &MetadataError{Field: "name", Value: m.Name, Problem: "cannot be the name of a directory: it " + nerr.Error()}
		}
	}
	if err != nil {
		return atPath(d.path, err)
	}
	d.meta = m
	f := d.top.find(chartFile)
	f.size, f.data = int64(len(data)), data
	return nil
}

// leaveOut drops the file that a package will replace: a chart packaged twice
// in its own directory shall not hold itself.
func (d *directory) leaveOut(path string) {
	old, err := os.Stat(path)
	if err != nil {
		return
	}
	d.files = slices.DeleteFunc(d.files, func(f sourceFile) bool {
		if f.name != filepath.Base(path) {
			return false
		}
		info, err := d.root.Stat(f.name)
		return err == nil && os.SameFile(info, old)
	})
}
