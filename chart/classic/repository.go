package classic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// Options are the settings of a Repository. The zero value, like nil, reads
// the index once into a temporary file.
type Options struct {
	// Dir keeps indexes between processes, each in a directory of its own: a
	// server that knows ETag or Last-Modified is then asked with one request
	// that has no body. Any number of processes may share it. It is made when it
	// is missing; one that cannot be written costs downloads and a line in the
	// log. What it holds it gives to whoever opens the same URL: give each
	// identity its own. Empty: nothing is kept.
	Dir string
	// MaxAge is for how long an index that was read or confirmed is used without
	// a request. Zero: an index that another process kept is confirmed, and the
	// one that this Repository has read stays in use until Refresh.
	MaxAge time.Duration
	// StaleIfError is how old the kept index may be that is used when the server
	// is down, fails, asks to come back later, or is silent for five seconds.
	// Zero: the failure is the answer.
	StaleIfError time.Duration
	// Offline uses the kept index alone, however old it is, and archives that
	// the client's cache has. What is missing matches chart.ErrNotCached and
	// registry.ErrNotFound. The files of a file:// repository are read as ever.
	Offline bool
	// MaxSize bounds an index, in bytes. Zero: DefaultMaxSize.
	MaxSize int64
	// MaxWhole bounds an index that is not laid out as Helm writes it, in bytes.
	// Such a one is held in memory, at a multiple of its size: lower it where
	// indexes come from strangers. Zero: DefaultMaxWhole. Negative: none is read.
	MaxWhole int64
	// Provenance lets Pull look for a .prov file beside each archive, which
	// costs one request, and carry it along.
	Provenance bool
	// Logger hears of entries that are passed over and of archives without a
	// digest. nil: silent.
	Logger *slog.Logger
}

// Repository is a classic chart repository. Its index is read with the first
// call that needs it; all calls until Refresh, or until MaxAge has passed, see
// the same. It is safe for concurrent use.
//
// Errors are *registry.Error with the sentinels of registry.Client.Do, match
// ErrInvalidIndex, or are the context's.
type Repository struct {
	client  *chart.Client
	base    *url.URL
	root    *os.Root // of a file:// repository
	options Options
	log     *slog.Logger

	loading chan struct{} // holds one token while nobody reads the index
	current *loaded       // changed by the holder of the token
	asked   time.Time     // when the server did not answer, last; likewise
}

var _ chart.Repository = (*Repository)(nil)

// Open makes a Repository of the URL under which index.yaml is: https://, or
// http:// where it is plain HTTP, or file:// with an absolute path. It makes no
// request. Hosts are reached and passwords found as client's registry client is
// configured. An error matches registry.ErrInvalidReference, or, for a
// directory that is not there, fs.ErrNotExist.
func Open(client *chart.Client, address string, options *Options) (*Repository, error) {
	if client == nil {
		return nil, errors.New("chart repository: no client")
	}
	base, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	r := &Repository{client: client, base: base, loading: make(chan struct{}, 1)}
	if options != nil {
		r.options = *options
	}
	if r.log = r.options.Logger; r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.options.MaxSize <= 0 {
		r.options.MaxSize = DefaultMaxSize
	}
	if r.options.MaxWhole == 0 {
		r.options.MaxWhole = DefaultMaxWhole
	}
	if base.Scheme == "file" {
		if r.root, err = os.OpenRoot(localPath(base)); err != nil {
			return nil, fmt.Errorf("chart repository: %w", err)
		}
	}
	r.loading <- struct{}{}
	return r, nil
}

// parseURL reads the address of a repository. Its error shows no password.
func parseURL(address string) (*url.URL, error) {
	fail := func(problem, hint string) (*url.URL, error) {
		return nil, &registry.Error{Op: "open chart repository", URL: shown(address), Kind: registry.ErrInvalidReference, Err: errors.New(problem), Hint: hint}
	}
	u, err := url.Parse(address)
	if err != nil {
		return fail("it is no URL", "")
	}
	u.Scheme, u.Fragment, u.RawFragment = strings.ToLower(u.Scheme), "", ""
	switch {
	case u.User != nil:
		return fail("user name and password stand in it", "log in to the host, and leave them out")
	case u.Scheme == "file" && (u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/")):
		return fail("its path is not absolute", "write file:///, and the path from the root on")
	case u.Scheme == "file":
		u.Host = ""
	case u.Scheme == "oci":
		return fail("it is a registry's", "registries have no index: name the chart's reference")
	case u.Scheme != "http" && u.Scheme != "https":
		return fail("it begins with none of https://, http:// and file://", "")
	case u.Host == "":
		return fail("it has no host", "")
	}
	return u, nil
}

// localPath is the path that a file:// URL names.
func localPath(u *url.URL) string {
	path := filepath.FromSlash(u.Path)
	if drive := strings.TrimPrefix(path, `\`); filepath.VolumeName(drive) != "" { // file:///C:/charts
		return drive
	}
	return path
}

// URL returns the repository's address, without what could be a secret.
func (r *Repository) URL() string { return shown(r.base.String()) }

// Format implements fmt.Formatter: a repository prints its URL as URL does, for
// every verb.
func (r Repository) Format(f fmt.State, _ rune) {
	if r.base != nil {
		io.WriteString(f, r.URL())
	}
}

// Charts passes the names of the charts, in the order of the index. An error
// is passed once and ends the sequence.
func (r *Repository) Charts(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		x, err := r.index(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range x.table.names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// Entries passes what the index says of the versions of one chart, in its
// order, which for one made by Helm is from the newest on. Each is decoded when
// its turn comes. An entry that is not valid comes as an *EntryError, and the
// sequence goes on; any other error ends it. A chart that the index does not
// name is registry.ErrNotFound.
func (r *Repository) Entries(ctx context.Context, name string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		err := r.visit(ctx, name, "", func(e *Entry, fault *EntryError) error {
			var more bool
			if fault != nil {
				more = yield(nil, fault)
			} else {
				more = yield(e, nil)
			}
			if !more {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

var errStop = errors.New("stop")

// visit is Entries as a function; see index.entries.
func (r *Repository) visit(ctx context.Context, name, want string, visit func(*Entry, *EntryError) error) error {
	x, err := r.index(ctx)
	if err != nil {
		return err
	}
	if _, ok := x.table.parts[name]; !ok {
		return r.notFound("chart "+quoted(name), "")
	}
	return x.entries(ctx, name, want, visit)
}

func (r *Repository) notFound(what, hint string) error {
	return &registry.Error{Op: "look up in", URL: r.URL(), Kind: registry.ErrNotFound, Err: fmt.Errorf("no %s in the index", what), Hint: hint}
}

// Versions lists the versions of one chart as the index spells and orders
// them. One that comes twice is listed once. Entries that are not valid are
// passed over and logged. A chart that the index does not name is
// registry.ErrNotFound.
func (r *Repository) Versions(ctx context.Context, name string) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	err := r.visit(ctx, name, "", func(e *Entry, fault *EntryError) error {
		switch {
		case fault != nil:
			r.log.Warn("entry of the index passed over", "repository", r.URL(), "error", fault)
		case !seen[e.Version]:
			seen[e.Version] = true
			all = append(all, e.Version)
		}
		return nil
	})
	return all, err
}

// Entry returns what the index says of one version, in exactly that spelling;
// the first entry where several have it, as with Helm. None, or none that is
// valid, is registry.ErrNotFound.
func (r *Repository) Entry(ctx context.Context, name, version string) (*Entry, error) {
	var found *Entry
	var problem *EntryError
	err := r.visit(ctx, name, version, func(e *Entry, fault *EntryError) error {
		switch {
		case fault != nil && fault.Version == version:
			problem = fault
		case fault == nil && e.Version == version:
			found = e
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	if found == nil && problem != nil {
		return nil, r.notFound("usable version "+quoted(version)+" of chart "+quoted(name), problem.Error())
	}
	if found == nil {
		return nil, r.notFound("version "+quoted(version)+" of chart "+quoted(name), "")
	}
	return found, nil
}
