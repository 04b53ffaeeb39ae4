package classic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// Pull fetches one version of a chart, in exactly that spelling, and packs it
// as chart.Client.Adopt does: it has the manifest that a registry would keep
// for it, and is in the client's cache. Where the index tells a digest, an
// archive that is in the cache is not downloaded again, and one that is
// downloaded must have it. Without a digest the archive is accepted, as by
// Helm, and the logger told. The caller closes the result.
//
// The URLs of the entry are tried in order; the error tells of each. It
// matches registry.ErrNotFound where the index has no such version,
// registry.ErrDigestMismatch where the archive is not that of the index,
// chart.ErrInvalidMetadata where its Chart.yaml gives another name or version,
// ErrInvalidIndex for an entry without a URL, and for a URL that leads out of
// the directory of a file:// repository or, without a digest, from HTTPS to
// plain HTTP; and those of chart.Client.Adopt.
func (r *Repository) Pull(ctx context.Context, name, version string) (*chart.Packed, error) {
	e, err := r.Entry(ctx, name, version)
	if err != nil {
		return nil, err
	}
	return r.pull(ctx, name, e)
}

func (r *Repository) pull(ctx context.Context, name string, e *Entry) (*chart.Packed, error) {
	layer, err := e.Layer()
	if err != nil {
		return nil, r.about(name, e, err)
	}
	if layer == "" {
		r.log.Warn("the index has no digest of this archive: nobody vouches for it", "repository", r.URL(), "chart", name, "version", e.Version)
	}
	if len(e.URLs) == 0 {
		return nil, r.about(name, e, fmt.Errorf("%w: the entry has no URL", ErrInvalidIndex))
	}
	var faults []error
	for _, address := range e.URLs {
		packed, err := r.pullFrom(ctx, address, name, e)
		if err == nil {
			return packed, nil
		}
		if ctx.Err() != nil {
			return nil, r.about(name, e, ctx.Err())
		}
		faults = append(faults, err)
	}
	return nil, r.about(name, e, joined(faults))
}

func (r *Repository) about(name string, e *Entry, err error) error {
	return fmt.Errorf("chart %s %s of %s: %w", shown(name), shown(e.Version), r.URL(), err)
}

// joined prints several errors on one line.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return &several{errs}
}

type several struct{ errs []error }

func (s *several) Error() string {
	texts := make([]string, len(s.errs))
	for i, err := range s.errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s *several) Unwrap() []error { return s.errs }

// pullFrom fetches the archive, and the .prov beside it, from one URL.
func (r *Repository) pullFrom(ctx context.Context, address, name string, e *Entry) (*chart.Packed, error) {
	u, err := r.resolve(address)
	if err != nil {
		return nil, err
	}
	layer, err := e.Layer()
	if err != nil {
		return nil, err
	}
	if layer == "" && r.base.Scheme == "https" && u.Scheme == "http" {
		return nil, fmt.Errorf("%s: %w: without a digest, an archive is not taken over plain HTTP where the index came over HTTPS", shown(u.String()), ErrInvalidIndex)
	}
	var options chart.PackOptions
	if r.options.Provenance {
		if options.ProvenanceBytes, err = r.provenance(ctx, u); err != nil {
			return nil, err
		}
	}
	packed, err := r.client.Adopt(ctx, layer, func(ctx context.Context) (io.ReadCloser, error) { return r.open(ctx, u) }, &options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(u.String()), err)
	}
	if m := packed.Metadata; m.Name != name || m.Version != e.Version {
		packed.Close()
		return nil, fmt.Errorf("%s: %w: the archive is %s %s by its own Chart.yaml", shown(u.String()), chart.ErrInvalidMetadata, quoted(m.Name), quoted(m.Version))
	}
	return packed, nil
}

// open opens what an index names: at a web server, in a registry, or, for a
// repository that is a directory, in that directory and nowhere else.
func (r *Repository) open(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	switch u.Scheme {
	case "http", "https":
		if r.options.Offline {
			return nil, &registry.Error{Op: "get", URL: shown(u.String()), Kind: registry.ErrNotFound, Err: chart.ErrNotCached,
				Hint: "fetch it once with the server in reach"}
		}
		resp, err := r.get(ctx, u, nil)
		if err != nil {
			return nil, err
		}
		if err := checkAnswer(resp); err != nil {
			resp.Body.Close()
			return nil, err
		}
		return resp.Body, nil
	case "oci":
		return r.openRegistry(ctx, u)
	case "file":
		return r.openFile(u)
	}
	return nil, fmt.Errorf("%w: URLs of the scheme %s are not known", ErrInvalidIndex, quoted(u.Scheme))
}

func checkAnswer(resp *http.Response) error {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return &registry.Error{Op: "get", StatusCode: resp.StatusCode, Err: errors.New("neither an archive nor an error")}
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return &registry.Error{Op: "get", Kind: registry.ErrUnavailable, Err: errors.New("the answer is a web page, not an archive")}
	}
	return nil
}

func (r *Repository) openFile(u *url.URL) (io.ReadCloser, error) {
	if r.root == nil || u.Host != "" && u.Host != "localhost" {
		return nil, fmt.Errorf("%w: only the index of a directory may name files", ErrInvalidIndex)
	}
	name, err := filepath.Rel(r.root.Name(), localPath(u))
	if err != nil || !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%w: it names a file out of its directory", ErrInvalidIndex)
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, registry.WrapError("open", registry.Reference{}, missing(err))
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%w: it names no regular file", ErrInvalidIndex))
	}
	return f, nil
}

// missing lets a file that is not there be what a 404 is.
func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &registry.Error{Op: "open", Kind: registry.ErrNotFound, Err: err}
	}
	return err
}

// openRegistry opens an archive that lies in a registry: some indexes name
// nothing else.
func (r *Repository) openRegistry(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	ref, err := registry.ParseReference(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidIndex, err)
	}
	pulled, err := r.client.Pull(ctx, ref, chart.PullOptions{})
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{pulled.Archive.Reader(), pulled}, nil
}

// provenance fetches the file beside the archive; nil where there is none. A
// store of objects that may not be listed answers 403 for what is not there.
func (r *Repository) provenance(ctx context.Context, archive *url.URL) ([]byte, error) {
	if archive.Scheme == "oci" {
		return nil, nil
	}
	u := *archive
	u.Path += ".prov"
	if u.RawPath != "" {
		u.RawPath += ".prov"
	}
	rc, err := r.open(ctx, &u)
	switch {
	case errors.Is(err, registry.ErrNotFound) && !errors.Is(err, chart.ErrNotCached):
		return nil, nil
	case errors.Is(err, registry.ErrDenied):
		r.log.Warn("the provenance file may not be read, or is not there", "url", shown(u.String()))
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("provenance: %w", err)
	}
	defer rc.Close()
	data, err := limit.ReadAll(rc, maxProvenance)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, fmt.Errorf("%s: %w: the provenance file has more than %d bytes", shown(u.String()), chart.ErrTooLarge, maxProvenance)
	}
	if err == nil && len(data) == 0 {
		return nil, nil
	}
	return data, err
}
