package classic

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/tempfile"
	"github.com/portolan-oci/portolan/registry"
)

// resolve makes the URL of an index entry absolute, as Helm does: relative to
// the repository's URL with a slash at its end, whose query it keeps at the
// repository's own host. A relative URL can name another ("//host/path"), and
// the query may hold a secret.
func (r *Repository) resolve(reference string) (*url.URL, error) {
	u, err := url.Parse(reference)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no URL", ErrInvalidIndex, quoted(reference))
	}
	if u.IsAbs() {
		return u, nil
	}
	base := *r.base
	base.RawPath = strings.TrimSuffix(base.RawPath, "/") + "/"
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	u = base.ResolveReference(u)
	if u.Host == base.Host {
		u.RawQuery = base.RawQuery
	}
	return u, nil
}

// get asks a web server. A password goes to the repository's own host unasked,
// as chart repositories expect it, and to another host for what it is kept for
// only: there, on challenge.
func (r *Repository) get(ctx context.Context, u *url.URL, prepare func(http.Header)) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidIndex, shown(err.Error()))
	}
	if prepare != nil {
		prepare(req.Header)
	}
	hint := registry.AuthHint{}
	if u.Scheme == r.base.Scheme && u.Host == r.base.Host {
		hint = registry.AuthHint{Path: r.base.Path, Preemptive: true}
	}
	return r.client.Registry().Do(ctx, req, hint)
}

// download reads the index from the server; nil where it is still from. It
// calls answers when the server begins to.
func (r *Repository) download(ctx context.Context, from *loaded, answers func()) (*loaded, error) {
	u, err := r.resolve(indexName)
	if err != nil {
		return nil, err
	}
	resp, err := r.get(ctx, u, func(h http.Header) {
		h.Set("Accept-Encoding", "gzip") // an index shrinks to a tenth
		if from != nil {
			from.validators.set(h)
		}
	})
	if err != nil {
		return nil, err
	}
	answers()
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && from != nil && !from.validators.none() {
		return nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &registry.Error{Op: "get", URL: shown(u.String()), StatusCode: resp.StatusCode, Err: errors.New("neither the index nor an error")}
	}
	var body io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		if body, err = gzip.NewReader(body); err != nil {
			return nil, r.unreadable(err)
		}
	}
	return r.take(ctx, body, validators{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")})
}

// take spools an index and makes its table. What is no index is not kept.
func (r *Repository) take(ctx context.Context, body io.Reader, v validators) (*loaded, error) {
	sp := r.newSpool()
	defer sp.discard()
	if _, err := io.Copy(sp, limit.WithContext(ctx, limit.NewReader(body, r.options.MaxSize))); err != nil {
		return nil, r.unreadable(err)
	}
	f, size, err := sp.reopen()
	if err != nil {
		return nil, err
	}
	x, err := readIndex(ctx, f, size, r.options.MaxWhole)
	if err != nil {
		return nil, r.unreadable(err)
	}
	fresh := &loaded{x, v, time.Now()}
	sp.keep(fresh)
	return fresh, nil
}

// unreadable says which index could not be read.
func (r *Repository) unreadable(err error) error {
	if errors.Is(err, limit.ErrExceeded) {
		err = fmt.Errorf("%w: it has more than %d bytes", ErrInvalidIndex, r.options.MaxSize)
	}
	if e, ok := errors.AsType[*registry.Error](err); ok && e.URL == "" {
		told := *e
		told.URL = r.URL()
		return &told
	}
	if errors.Is(err, ErrInvalidIndex) {
		return fmt.Errorf("%s: %w", r.URL(), err)
	}
	err = registry.WrapError("read index of", registry.Reference{}, err)
	if e, ok := errors.AsType[*registry.Error](err); ok {
		told := *e
		told.URL = r.URL()
		return &told
	}
	return err
}

// spool takes an index on its way in: into the directory that keeps them, or
// into a file without a name where there is none or it cannot be written.
type spool struct {
	repository *Repository
	kept       *keeping
	temp       *tempfile.File
	n          int64
	fault      error
}

func (r *Repository) newSpool() *spool {
	s := &spool{repository: r}
	if r.options.Dir == "" || r.root != nil {
		s.temp, s.fault = tempfile.New()
		return s
	}
	var err error
	if s.kept, err = r.newKeeping(); err != nil {
		r.log.Warn("index cannot be kept", "dir", r.options.Dir, "error", err)
		s.temp, s.fault = tempfile.New()
	}
	return s
}

func (s *spool) Write(p []byte) (int, error) {
	if s.fault != nil {
		return 0, s.fault
	}
	if s.kept != nil {
		n, err := s.kept.Write(p)
		if err == nil {
			s.n += int64(n)
			return n, nil
		}
		s.repository.log.Warn("index cannot be kept", "dir", s.repository.options.Dir, "error", err)
		if err := s.divert(); err != nil {
			return 0, err
		}
	}
	n, err := s.temp.Write(p)
	s.n += int64(n)
	return n, err
}

// divert goes on in a temporary file when the directory takes no more.
func (s *spool) divert() (err error) {
	if s.temp, err = tempfile.New(); err == nil {
		_, err = io.Copy(s.temp, io.NewSectionReader(s.kept.file, 0, s.n))
	}
	s.kept.discard()
	s.kept = nil
	return err
}

// reopen hands out the file, which is no longer the spool's.
func (s *spool) reopen() (indexFile, int64, error) {
	if s.fault != nil {
		return nil, 0, s.fault
	}
	if s.kept == nil {
		f := s.temp
		s.temp = nil
		return f, s.n, nil
	}
	f, err := s.kept.open()
	return f, s.n, err
}

func (s *spool) keep(x *loaded) {
	if s.kept == nil {
		return
	}
	if err := s.kept.commit(x); err != nil {
		s.repository.log.Warn("index cannot be kept", "dir", s.repository.options.Dir, "error", err)
	}
}

func (s *spool) discard() {
	if s.temp != nil {
		s.temp.Close()
	}
	if s.kept != nil {
		s.kept.discard()
	}
}
