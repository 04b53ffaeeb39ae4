package registry

import (
	"context"
	"errors"
	"io"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// hintReadOnce is what to do about content that could not be sent again.
const hintReadOnce = "the content can be read only once, so it was not sent again: give an io.Seeker, such as a file"

// maxForgotten is how often in a row a session that the registry no longer
// knows is begun anew: copies of a registry behind one name may each know only
// their own.
const maxForgotten = 2

// blobPush is one Push of a blob.
type blobPush struct {
	repo     *Repository
	desc     ocispec.Descriptor
	content  *uploadContent
	attempts *attempts

	session   *uploadSession // nil: none is open
	offered   bool           // all of the content has been on its way: it may have arrived
	forgotten int            // sessions that the registry forgot, in a row
	chunks    chunkState
}

// pushBlob sends a blob: whole, with one POST and one PUT, or in chunks where
// the registry does not take it whole. What fails for a while is tried again,
// after a look whether the content has arrived after all.
func (r *Repository) pushBlob(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error {
	p := &blobPush{repo: r, desc: desc, content: newUploadContent(from, desc), attempts: r.client.newAttempts()}
	defer p.content.finish()
	p.chunks.recall(r.client.chunking, p.host(), desc.Size)
	err := p.run(ctx)
	if err == nil {
		p.chunks.remember(r.client.chunking, p.host())
		return nil
	}
	if p.chunks.refused != nil && p.chunks.furthest == 0 && isRefusal(err) {
		err = p.chunks.refused // what came first tells more
	}
	if p.session != nil {
		p.session.cancel(ctx)
	}
	err = WrapError("push", r.ref.WithDigest(desc.Digest), p.content.blame(err))
	e, ok := errors.AsType[*Error](err)
	if ok && !p.content.failed() && !p.content.opens(0) && (errors.Is(e, ErrUnavailable) || errors.Is(e, ErrRateLimited)) {
		told := *e
		if told.Hint != "" {
			told.Hint += "; "
		}
		told.Hint += hintReadOnce
		return &told
	}
	return err
}

func (p *blobPush) host() string { return apiHost(p.repo.route.origin.host) }

func (p *blobPush) run(ctx context.Context) error {
	for {
		err := p.attempt(p.attempts.context(ctx))
		if err == nil {
			return nil
		}
		if p.content.failed() || errors.Is(err, errElsewhere) || ctx.Err() != nil || !p.opens() {
			return err
		}
		if p.session != nil && p.adapt(ctx, err) {
			continue
		}
		if !p.lost(err) {
			if err := p.attempts.again(ctx, err); err != nil {
				return err
			}
		}
		if p.recover(ctx) {
			return nil
		}
		if p.session == nil && !p.content.opens(0) {
			return err
		}
	}
}

// opens tells whether the content can be read from where it would have to be.
func (p *blobPush) opens() bool {
	return p.content.opens(0) || p.chunks.on() && p.content.opens(p.chunks.off)
}

// attempt goes on with the session, or with a new one.
func (p *blobPush) attempt(ctx context.Context) error {
	if p.session == nil {
		session, err := p.repo.beginUpload(ctx)
		if session == nil || err != nil {
			return err
		}
		p.session, p.offered, p.chunks.off = session, false, 0
	}
	if p.chunks.on() {
		return p.sendChunks(ctx)
	}
	return p.sendRest(ctx, 0)
}

// sendRest ends the upload with what follows off.
func (p *blobPush) sendRest(ctx context.Context, off int64) error {
	body, err := p.content.open(off, p.desc.Size)
	if err != nil {
		return err
	}
	p.offered = true
	return p.session.put(ctx, p.desc, body)
}

// lost tells whether the registry has forgotten the session.
func (p *blobPush) lost(err error) bool {
	if p.session == nil || !isStatus(err, http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable) {
		return false
	}
	p.forgotten++
	return p.forgotten <= maxForgotten
}

// recover finds out where to go on after a failure, and whether there is
// nothing more to do.
func (p *blobPush) recover(ctx context.Context) (done bool) {
	if p.session == nil {
		return false
	}
	answered := true
	if p.offered {
		if done, answered = p.arrived(ctx); done {
			return true
		}
		p.offered = false
	}
	if p.chunks.on() && p.resume(ctx) {
		return false
	}
	if answered { // else a host that is down would be asked once more
		p.session.cancel(ctx)
	}
	p.session = nil
	return false
}

// arrived asks whether the registry has the content, and tells whether it
// answered at all.
func (p *blobPush) arrived(ctx context.Context) (there, answered bool) {
	at := p.repo.url("blobs/" + p.desc.Digest.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at.String(), nil)
	if err != nil {
		return false, false
	}
	resp, err := engine{repo: p.repo}.once(req)
	if err != nil {
		return false, false
	}
	drain(resp.Body)
	there = resp.StatusCode == http.StatusOK && (resp.ContentLength < 0 || resp.ContentLength == p.desc.Size)
	return there, resp.StatusCode < 500
}
