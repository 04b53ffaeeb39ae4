package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/verify"
)

// mirrorTimeout is how long a mirror may take to begin its answer, which may
// have to come from the origin itself: there is another place to ask.
const mirrorTimeout = 30 * time.Second

// mirrors returns where a request may be sent before the origin: content by
// digest, and tags where they may. A repository that is opened to be written is
// its origin alone: what it is asked decides what is sent there.
func (e engine) mirrors(req *http.Request) []endpoint {
	r := e.repo.route
	if len(r.mirrors) == 0 || e.originOnly || !isRead(req) || slices.Contains(e.repo.actions, ActionPush) {
		return nil
	}
	tag := false
	if reference, ok := e.object(req, "manifests"); ok {
		tag = digest.Digest(reference).Validate() != nil
	} else if _, ok := e.object(req, "blobs"); !ok {
		return nil
	}
	return e.repo.mirrorsUp(tag)
}

// mirrorsUp returns the mirrors that can be asked now, for a tag or for content
// by digest.
func (r *Repository) mirrorsUp(tag bool) []endpoint {
	return slices.DeleteFunc(slices.Clone(r.route.mirrors), func(m endpoint) bool {
		g := r.client.gateOf(m)
		return tag && !m.tags || g.isDown() || g.pausing()
	})
}

// mirroredByDigest tells whether a manifest that a tag names is better asked
// for by its digest: there are mirrors, and only the origin may say what the
// tag names. Mirrors are spared nothing by that, and origins much: Docker Hub
// counts no HEAD against its limits, and zot as a mirror (sync, onDemand) has
// no blob before it has been asked for a manifest that names it.
func (r *Repository) mirroredByDigest() bool {
	return len(r.route.mirrors) > 0 && !slices.Contains(r.actions, ActionPush) &&
		len(r.mirrorsUp(true)) == 0 && len(r.mirrorsUp(false)) > 0
}

// mirrored makes one request at a mirror.
func (e engine) mirrored(ep endpoint, req *http.Request) (answered, error) {
	ctx, cancel := context.WithCancel(req.Context())
	timer := time.AfterFunc(mirrorTimeout, cancel)
	a, err := e.answer(ep, req.WithContext(ctx))
	if !timer.Stop() && req.Context().Err() == nil {
		if err == nil {
			a.response.Body.Close()
		}
		err = fmt.Errorf("%w: no answer in %s", errBroken, mirrorTimeout)
	}
	if err != nil {
		cancel()
		return answered{}, err
	}
	a.response.Body = &cancelling{a.response.Body, cancel}
	return a, nil
}

// cancelling ends a body's context with it.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// tell notes which place has answered.
func (e engine) tell(req *http.Request, ep endpoint, resp *http.Response) {
	if ep.mirror {
		e.repo.client.gateOf(ep).worked()
	}
	reference, isManifest := e.object(req, "manifests")
	if _, isBlob := e.object(req, "blobs"); isRead(req) && resp.StatusCode < 300 && (isManifest || isBlob) {
		tag := isManifest && digest.Digest(reference).Validate() != nil
		observe(req.Context(), Answer{Host: ep.host, Mirror: ep.mirror, Tag: tag && ep.mirror})
	}
}

// passOver notes that a mirror did not do.
func (e engine) passOver(req *http.Request, ep endpoint, err error) {
	c := e.repo.client
	if errors.Is(err, verify.ErrMismatch) {
		e.lied(req.Context(), ep, err)
		return
	}
	if isTransient(err) {
		c.gateOf(ep).failed()
	}
	c.log.DebugContext(req.Context(), "mirror passed over", "mirror", ep.host, "for", e.repo.ref.Host, "error", toldError{err})
}

// lied reports a mirror that gave wrong content.
func (e engine) lied(ctx context.Context, ep endpoint, err error) {
	c := e.repo.client
	c.gateOf(ep).lied()
	c.log.WarnContext(ctx, "a mirror gives wrong content and is passed over", "mirror", ep.host, "for", e.repo.ref.Host, "error", toldError{err})
	observe(ctx, Answer{Host: ep.host, Mirror: true, Err: err})
}
