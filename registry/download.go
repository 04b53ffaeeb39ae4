package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
)

// download is the body of a blob. When its connection breaks or stands still,
// it goes on where it was, at whichever place answers: content by digest is the
// same everywhere, and the reader above holds all of it against the digest. It
// does not end before the size of its descriptor, unless the blob does.
type download struct {
	engine   engine
	ctx      context.Context
	cancel   context.CancelFunc
	desc     ocispec.Descriptor
	attempts *attempts
	seat     seat

	offset  int64
	brokeAt int64      // where it was broken off last
	noRange bool       // what was answered to a Range was none
	whole   bool       // the answer says by its length where it ends
	sources []endpoint // all that gave some of it

	mu     sync.Mutex // Close may come while Read waits
	body   io.ReadCloser
	closed bool
}

// minProgress is what a connection must bring for the attempts to be counted
// anew: a server that gives a byte each time is not one that goes on.
const minProgress = 64 << 10

// download opens a blob with one GET.
func (r *Repository) download(ctx context.Context, desc ocispec.Descriptor) (*download, error) {
	d := &download{engine: engine{repo: r}, desc: desc, attempts: r.client.newAttempts()}
	d.attempts.about = r.ref.WithDigest(desc.Digest)
	d.ctx, d.cancel = context.WithCancel(withSeat(ctx, &d.seat))
	if _, err := d.open(); err != nil {
		d.cancel()
		d.seat.end()
		return nil, err
	}
	return d, nil
}

// open asks for what is missing.
func (d *download) open() (io.ReadCloser, error) {
	ctx := d.ctx
	if len(d.sources) > 0 { // it has a place, though nothing may have come yet
		ctx = resumed(ctx)
	}
	repo := d.engine.repo
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, repo.url("blobs/"+d.desc.Digest.String()).String(), nil)
	if err != nil {
		return nil, err
	}
	if d.offset > 0 && !d.noRange {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
	}
	a, err := d.engine.do(req, d.attempts)
	if err != nil {
		return nil, err
	}
	skip, err := d.start(a.response)
	if err == errNoRange && !d.noRange {
		d.noRange = true
		return d.open()
	}
	if err != nil {
		return nil, err
	}
	d.sources = append(slices.DeleteFunc(d.sources, func(ep endpoint) bool { return ep == a.from }), a.from)
	d.whole = a.response.ContentLength >= 0 && a.response.StatusCode == http.StatusOK // a range may be less than was asked for
	body := stallGuard(a.response.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		body.Close()
		return nil, errClosed
	}
	if d.body = body; skip > 0 {
		// This registry does not do ranges: what is known is passed over.
		d.body = &skipping{body, skip}
	}
	return d.body, nil
}

var errClosed = errors.New("read after close")

// skipping passes over the start of a body.
type skipping struct {
	io.ReadCloser
	skip int64
}

func (s *skipping) Read(p []byte) (int, error) {
	if s.skip > 0 {
		n, err := io.CopyN(io.Discard, s.ReadCloser, s.skip)
		if s.skip -= n; err != nil {
			return 0, err
		}
	}
	return s.ReadCloser.Read(p)
}

var errNoRange error = &sentinel{"the registry answers with another range than it was asked for", []error{ErrUnavailable}}

// start reads where an answer starts, and how much of it is known already.
func (d *download) start(resp *http.Response) (skip int64, err error) {
	if resp.StatusCode == http.StatusOK {
		return d.offset, nil
	}
	if resp.StatusCode >= 400 && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		return 0, failure(resp)
	}
	unit, span, _ := strings.Cut(resp.Header.Get("Content-Range"), " ") // RFC 9110 section 14.4
	span, total, _ := strings.Cut(span, "/")
	first, _, _ := strings.Cut(span, "-")
	if n, err := strconv.ParseInt(first, 10, 64); err == nil && resp.StatusCode == http.StatusPartialContent && unit == "bytes" && n >= 0 && n <= d.offset {
		return d.offset - n, nil
	}
	resp.Body.Close()
	if n, err := strconv.ParseInt(total, 10, 64); err == nil && n <= d.offset {
		return 0, io.EOF // there is no more of it
	}
	return 0, errNoRange
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		body, err := d.current()
		if err != nil {
			return 0, err
		}
		n, err := body.Read(p)
		if d.offset += int64(n); d.offset-d.brokeAt >= minProgress {
			d.attempts.progress()
		}
		from := d.sources[len(d.sources)-1]
		ended := err == io.EOF && (d.offset >= d.desc.Size || d.whole && !from.mirror)
		if ended {
			d.seat.end()
		}
		if err == nil || ended {
			return n, err
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err = d.interrupted(from, err); err != nil || n > 0 {
			return n, err
		}
	}
}

// current is the body to read from; a broken one has been taken away.
func (d *download) current() (io.ReadCloser, error) {
	d.mu.Lock()
	body, closed := d.body, d.closed
	d.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if body != nil {
		return body, nil
	}
	return d.open()
}

// interrupted takes a broken body away, and returns nil after the pause when
// it is worth to go on elsewhere or again.
func (d *download) interrupted(from endpoint, err error) error {
	d.mu.Lock()
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
	d.mu.Unlock()
	d.brokeAt = d.offset
	if d.ctx.Err() != nil {
		return err
	}
	if from.mirror {
		d.engine.repo.client.gateOf(from).failed()
	}
	return d.attempts.again(d.ctx, fmt.Errorf("%w after %d of %d bytes: %w", errBroken, d.offset, d.desc.Size, err))
}

// lied says that the content is not what was asked for, to whom it concerns.
//
// Content of another size than its descriptor says may be the descriptor's
// fault: a manifest must not be able to turn mirrors off for long.
func (d *download) lied(err error) (mirror string) {
	e, ok := errors.AsType[*verify.Error](err)
	wrongSize := ok && e.GotSize != e.WantSize
	for _, from := range d.sources {
		switch {
		case !from.mirror:
			continue
		case wrongSize:
			d.engine.repo.client.gateOf(from).failed()
		default:
			d.engine.lied(d.ctx, from, err)
		}
		mirror = from.host
	}
	return mirror
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.cancel()
	defer d.seat.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}
