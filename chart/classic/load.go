package classic

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// loaded is the index in use.
type loaded struct {
	*index
	validators validators
	confirmed  time.Time
}

// validators are what a server recognises an index by (RFC 9110, section 8.8).
type validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
}

func (v validators) set(h http.Header) {
	if v.ETag != "" {
		h.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		h.Set("If-Modified-Since", v.LastModified)
	}
}

func (v validators) none() bool { return v == validators{} }

// index returns the index in use, and reads it if there is none or if it is
// too old. Who waits for somebody else to read it waits no longer than ctx.
func (r *Repository) index(ctx context.Context) (*index, error) {
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	defer r.release()
	if r.current != nil && (r.options.MaxAge <= 0 || r.options.Offline || time.Since(r.current.confirmed) < r.options.MaxAge || r.respites()) {
		return r.current.index, nil
	}
	if _, err := r.load(ctx, false); err != nil {
		return nil, err
	}
	return r.current.index, nil
}

// Refresh asks the server whether the index in use is the present one, and
// reads the new one if it is not; changed tells. A server that answers 304
// sends nothing, and nothing is read. Offline it does nothing.
func (r *Repository) Refresh(ctx context.Context) (changed bool, err error) {
	if r.options.Offline {
		return false, nil
	}
	if err := r.acquire(ctx); err != nil {
		return false, err
	}
	defer r.release()
	return r.load(ctx, true)
}

// Close forgets the index in use and frees its file. A call that uses it at
// the same time may fail; a later one reads it anew.
func (r *Repository) Close() error {
	<-r.loading
	defer r.release()
	old := r.current
	r.current = nil
	if old == nil {
		return nil
	}
	return old.file.Close()
}

func (r *Repository) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-r.loading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Repository) release() { r.loading <- struct{}{} }

// load makes current what it should be: what it is, what is kept, or what the
// server has. The file of the one before is left to those who still read it,
// and closed with the last.
func (r *Repository) load(ctx context.Context, ask bool) (changed bool, err error) {
	if r.root != nil {
		return r.loadFile(ctx)
	}
	from := r.current
	if from == nil {
		from = r.kept(ctx)
	}
	switch {
	case from == nil && r.options.Offline:
		return false, &registry.Error{Op: "read index of", URL: r.URL(), Kind: registry.ErrNotFound,
			Err: chart.ErrNotCached, Hint: "read it once with the server in reach"}
	case from != nil && r.options.Offline, from != nil && !ask && time.Since(from.confirmed) < r.options.MaxAge:
		r.current = from
		return false, nil
	}
	answer, err := r.patiently(ctx, from)
	if !ask && r.bridges(from, err) {
		r.asked = time.Now()
		r.log.Warn("chart repository does not answer, going on with the index that is kept", "repository", r.URL(), "confirmed", from.confirmed, "error", err)
		r.current = from
		return false, nil
	}
	if from != nil && from != r.current && (err != nil || answer != nil) {
		from.file.Close() // nobody has seen it
	}
	if err != nil {
		return false, err
	}
	changed = answer != nil
	if !changed {
		answer = &loaded{from.index, from.validators, time.Now()}
		r.confirm(answer)
	}
	r.current = answer
	return changed, nil
}

// loadFile copies the index of a directory, where it may change at any time.
func (r *Repository) loadFile(ctx context.Context) (changed bool, err error) {
	f, err := r.root.Open(indexName)
	if err != nil {
		return false, registry.WrapError("read index of "+r.URL(), registry.Reference{}, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	mark := validators{LastModified: fmt.Sprint(info.ModTime(), info.Size())}
	if r.current != nil && r.current.validators == mark {
		r.current = &loaded{r.current.index, mark, time.Now()}
		return false, nil
	}
	fresh, err := r.take(ctx, f, mark)
	if err != nil {
		return false, err
	}
	r.current = fresh
	return true, nil
}

const indexName = "index.yaml"
