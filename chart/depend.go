package chart

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/portolan-oci/portolan/internal/lockfile"
)

// DependencyOptions are for UpdateDependencies and BuildDependencies. The zero
// value takes charts from registries and from directories, asks any host that
// Chart.yaml names, and reads any directory, as Helm does. That is for people
// and their own charts: what builds the charts of strangers sets Allow and
// FileRoot.
type DependencyOptions struct {
	// Repositories opens the classic repository of a dependency, by what stands
	// there: an http or https URL, or the name of a configured repository as
	// "@name" or "alias:name". It is called once for each, before Allow for a
	// name and after it for a URL; it should make no request itself. nil: such
	// dependencies fail.
	Repositories func(ctx context.Context, url string) (Repository, error)
	// Allow is asked about the host of each dependency, "host" or "host:port",
	// before any request for it; an error refuses the dependency. Redirects,
	// token servers and the archives of a classic repository may lie on other
	// hosts, which it is not asked about: for those, see registry.Options. It
	// may be called concurrently. nil: all hosts. See DenyInternal.
	Allow func(ctx context.Context, host string) error
	// FileRoot is the directory in which those of file:// dependencies must
	// lie, followed links included. Empty: they may lie anywhere, as in Helm,
	// where charts beside each other and one above the other are common.
	FileRoot string
	// Time is what a new lock has as the time of its making. Zero: now. Packages
	// of file:// dependencies do not depend on it.
	Time time.Time
	// SkipCheck lets a build take the digests of DigestsFile without asking
	// whether the versions still name them. With a cache that has them, and with
	// any client that is offline, this costs no request.
	SkipCheck bool
	// RequireDigests makes a build fail with ErrLockOutdated where no DigestsFile
	// pins the content, or where there is no lock to build from.
	RequireDigests bool
}

// ErrNotAllowed: the caller's policy, DependencyOptions.Allow or FileRoot,
// refuses a dependency.
var ErrNotAllowed = errors.New("not allowed")

// UpdateDependencies resolves the dependencies that the chart in dir declares,
// fetches them into its charts/ directory and writes its lock, as "helm
// dependency update" does:
//
//   - oci://host/path is the repository host/path/name, whatever that is called;
//   - http://, https://, @name and alias:name are classic repositories;
//   - file://path, from the chart's directory or absolute, is a chart directory,
//     which is packaged, and whose own dependencies must be in it;
//   - no repository means that the chart stands in charts/name already.
//
// The newest version in each range is taken; a pre-release only where the range
// names one. A range costs the tag pages of its repository once, a version of
// its own none; each chart then costs what Pull costs. Eight are fetched at a
// time, each chart once.
//
// In charts/, archives of other charts and of other versions are removed, as
// Helm does; directories and what is no chart stay. Chart.lock, or
// requirements.lock for apiVersion v1, is Helm's byte for byte and is left
// alone when nothing has changed; DigestsFile pins it. All is fetched and checked
// before the first of them changes. When anything fails, all stay as they were;
// killed at any moment, charts/ has what it had, or both old and new archives,
// which the next run sorts out. Concurrent calls for one directory, from any
// process of this machine, run one after the other.
//
// A chart that declares no dependencies is left as it is.
//
// Errors: a *DependenciesError with every dependency that failed, and offline
// with every one that is missing, which matches what they match: those of Pull
// and Package, ErrNoMatch, ErrNotAllowed,
// ErrInvalidArchive where a chart is another than its name and version say;
// *MetadataError for Chart.yaml; the file system's.
func (c *Client) UpdateDependencies(ctx context.Context, dir string, options DependencyOptions) (*Lock, error) {
	return c.depend(ctx, dir, options, (*depending).update)
}

// BuildDependencies fills the chart's charts/ directory from its lock, as "helm
// dependency build" does, and writes neither that nor DigestsFile. A chart
// without a lock is updated, which writes both. Directories, failures and
// concurrency are as for UpdateDependencies.
//
// Where DigestsFile pins the lock, content comes by digest, and each version is
// asked whether it still names that: with a warm cache this costs one HEAD for
// each dependency of a registry. One that does not fails with
// registry.ErrTagMoved and says from what to what; so does the archive of a
// classic repository.
//
// Errors beside those of UpdateDependencies: a *LockError for a lock that cannot
// be read, and one that matches ErrLockOutdated for a lock that does not belong
// to what Chart.yaml declares.
func (c *Client) BuildDependencies(ctx context.Context, dir string, options DependencyOptions) (*Lock, error) {
	return c.depend(ctx, dir, options, (*depending).build)
}

// depending is one update or build.
type depending struct {
	client  *Client
	options DependencyOptions
	dir     string
	root    *os.Root // of dir: nothing is read or written through a link that leaves it
	meta    *Metadata
	// declared is what meta declares, with the names of classic repositories
	// replaced by their URLs, as Helm hashes it.
	declared []*Dependency
	stage    *staging

	repositories once[Repository]
	listings     once[[]Version]
	fetches      once[*part]
}

// depend holds the directory's lock for the whole of it, requests included: two
// that fetch at once could swap in the older of two results. Waiting ends with
// ctx, and a holder that dies lets go at once.
func (c *Client) depend(ctx context.Context, dir string, options DependencyOptions, run func(*depending, context.Context) (*Lock, error)) (*Lock, error) {
	unlock, err := lockfile.LockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := &depending{client: c, options: options, dir: dir, root: root}
	if d.meta, err = readChartDir(dir, root); err != nil {
		return nil, err
	}
	return run(d, ctx)
}

func (d *depending) update(ctx context.Context) (*Lock, error) {
	if d.meta.Dependencies == nil {
		return &Lock{}, nil
	}
	// A name without a repository fails once more below, beside all other failures.
	unnamed := d.declare(ctx, nil)
	parts, err := d.take(ctx, d.declared, d.resolve)
	if err != nil {
		return nil, err
	}
	defer d.stage.discard()
	if unnamed != nil {
		return nil, unnamed
	}
	lock := newLock(d.declared, parts, d.options.Time)
	old, err := d.readLock()
	if err == nil && old != nil && old.Digest == lock.Digest && LockDigest(d.declared, old.Dependencies) == lock.Digest {
		lock.Generated = old.Generated
	} else if err := d.stageLock(lock); err != nil {
		return nil, err
	}
	if err := d.stagePins(lock); err != nil {
		return nil, err
	}
	lock.Pinned = true
	return lock, d.swapIn(parts)
}

func (d *depending) build(ctx context.Context) (*Lock, error) {
	lock, err := d.readLock()
	if err != nil {
		return nil, err
	}
	if lock == nil && d.options.RequireDigests && len(d.meta.Dependencies) > 0 {
		return nil, &LockError{File: d.lockFile(), Problem: "is not there", Err: ErrLockOutdated}
	}
	if lock == nil {
		return d.update(ctx)
	}
	if err := d.declare(ctx, lock); err != nil {
		return nil, err
	}
	if err := lock.checkAgainst(d.lockFile(), d.meta, d.declared); err != nil {
		return nil, err
	}
	if err := d.readPins(lock); err != nil {
		return nil, err
	}
	parts, err := d.take(ctx, lock.Dependencies, func(ctx context.Context, i int) (*part, error) { return d.rebuild(ctx, lock, i) })
	if err != nil {
		return nil, err
	}
	defer d.stage.discard()
	lock.Origins = origins(parts)
	if !lock.Pinned {
		lock.Pins = make([]Pin, len(parts))
		for i, p := range parts {
			lock.Pins[i] = p.pin(lock.Dependencies[i])
		}
	}
	return lock, d.swapIn(parts)
}
