package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

const (
	// chunkSize is how large chunks are where nothing else is known. ghcr.io
	// takes no more at a time (ocx-sh/ocx#237).
	chunkSize = 4 << 20
	// minChunk is the size under which a refused chunk is not made smaller. A
	// proxy that takes no body of half its default, 1 MiB (nginx,
	// client_max_body_size), is not meant to take uploads.
	minChunk = 256 << 10
	// brokenWhole is how many times an upload breaks off before it is made in
	// chunks, of which those that have arrived stay. A proxy that refuses a large
	// body may close the connection before its 413 can be read.
	brokenWhole = 2
	// maxCrumbs is how many chunks a registry may take less than minProgress of:
	// one that takes a byte each time would be sent a chart for each of its bytes.
	maxCrumbs = 10
)

// chunkState is how a push stands with chunks (OCI distribution spec 1.1,
// Pushing a blob in chunks).
type chunkState struct {
	size     int64 // 0: the content is sent whole
	off      int64 // what has arrived
	furthest int64 // the most that has, in any session
	refused  error // why it is not sent whole, where the registry has said so
	limited  bool  // the registry takes whole what is no larger than a chunk
	learned  bool  // the registry wants chunks: that may be remembered
	trial    bool  // this push has not been refused: if chunks are, it goes whole
	tried    bool  // chunks were refused
	broken   int   // how often the whole has broken off
	crumbs   int   // chunks of which next to nothing was taken
}

func (c *chunkState) on() bool { return c.size > 0 }

// sendChunks sends what has not arrived, and ends the upload.
func (p *blobPush) sendChunks(ctx context.Context) error {
	c := &p.chunks
	for c.off < p.desc.Size {
		if err := p.sendChunk(ctx, c.off, min(c.off+p.chunk(), p.desc.Size)); err != nil {
			return err
		}
		if c.off > c.furthest {
			c.furthest, p.forgotten = c.off, 0
			p.attempts.progress()
		}
	}
	return p.sendRest(ctx, c.off)
}

// chunk is the size of the next one.
func (p *blobPush) chunk() int64 { return max(p.chunks.size, p.session.minChunk) }

func (p *blobPush) sendChunk(ctx context.Context, off, end int64) error {
	body, err := p.content.open(off, end)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Range": {fmt.Sprintf("%d-%d", off, end-1)}}
	resp, err := p.session.send(ctx, http.MethodPatch, p.session.at, body, header)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return unexpected(resp)
	}
	drain(resp.Body)
	p.chunks.off = end
	// A registry may take less than it was given. One that says anything else
	// means nothing by it; if it does, it refuses the next chunk.
	if n, ok := received(resp); ok && off < n && n < end {
		if p.chunks.off = n; n-off < minProgress {
			p.chunks.crumbs++
		}
		if p.chunks.crumbs > maxCrumbs {
			return fmt.Errorf("%w: of a chunk of %d bytes it takes %d", errOddAnswer, end-off, n-off)
		}
	}
	return p.session.follow(resp)
}

// resume asks the registry where to go on.
func (p *blobPush) resume(ctx context.Context) bool {
	n, err := p.session.status(ctx)
	if err != nil || n > p.desc.Size || !p.content.opens(n) {
		return false
	}
	p.chunks.off = n
	return true
}

// adapt changes how the content is sent, if an error asks for that.
func (p *blobPush) adapt(ctx context.Context, err error) bool {
	if p.chunks.on() {
		return p.adaptChunks(ctx, err)
	}
	c := &p.chunks
	switch {
	case c.tried:
		return false
	case refusesWhole(err):
		size := int64(chunkSize)
		if c.limited = tooLarge(err); c.limited {
			size = min(size, p.desc.Size/2)
		}
		if p.desc.Size == 0 || c.limited && size < minChunk {
			return false
		}
		c.size, c.learned, c.refused = size, true, err
		p.abandon(ctx)
		return true
	case brokeOff(err) && p.desc.Size > chunkSize:
		if c.broken++; c.broken >= brokenWhole {
			c.size, c.trial = chunkSize, true
		}
	}
	return false
}

func (p *blobPush) adaptChunks(ctx context.Context, err error) bool {
	c := &p.chunks
	switch {
	case c.trial && c.furthest == 0 && isRefusal(err):
		p.repo.client.chunking.forget(p.host())
		*c = chunkState{tried: true}
		p.abandon(ctx)
		return true
	case isStatus(err, http.StatusRequestEntityTooLarge):
		return p.shrink()
	case isStatus(err, http.StatusRequestedRangeNotSatisfiable):
		// It is elsewhere than was thought, or takes no more at a time (ghcr.io).
		before := c.off
		return p.resume(ctx) && (c.off != before && p.forgive() || p.shrink())
	case brokeOff(err):
		p.shrink() // what is smaller arrives sooner; again does the waiting
	}
	return false
}

// forgive counts the times that the registry was elsewhere than was thought.
func (p *blobPush) forgive() bool {
	p.forgotten++
	return p.forgotten <= maxForgotten
}

// shrink makes chunks half as large as the one that was refused.
func (p *blobPush) shrink() bool {
	size := min(p.chunk(), p.desc.Size-p.chunks.off) / 2
	if size < minChunk || size < p.session.minChunk {
		return false
	}
	p.chunks.size = size
	return true
}

func (p *blobPush) abandon(ctx context.Context) {
	p.session.cancel(ctx)
	p.session = nil
}

// brokeOff tells failures of a connection from answers.
func brokeOff(err error) bool {
	_, answered := errors.AsType[*errcode.ErrorResponse](err)
	return !answered && isTransient(err)
}

// isStatus tells whether err is an answer with one of these statuses.
func isStatus(err error, statuses ...int) bool {
	resp, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && slices.Contains(statuses, resp.StatusCode)
}

func tooLarge(err error) bool {
	return isStatus(err, http.StatusRequestEntityTooLarge, http.StatusRequestedRangeNotSatisfiable)
}

// refusesWhole tells whether a registry does not take an upload in one PUT:
// for its size, for its method, or because it does that in chunks alone.
func refusesWhole(err error) bool {
	if tooLarge(err) || isStatus(err, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented) {
		return true
	}
	resp, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && isStatus(err, http.StatusBadRequest, http.StatusNotFound) &&
		slices.ContainsFunc(resp.Errors, func(e errcode.Error) bool { return e.Code == errcode.ErrorCodeUnsupported })
}

// isRefusal tells whether an answer to a chunk is about chunks, and not about
// the caller, the size, or the moment.
func isRefusal(err error) bool {
	return isStatus(err, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusLengthRequired, http.StatusUnsupportedMediaType, http.StatusNotImplemented)
}

// chunking remembers which hosts want uploads in chunks. The zero value
// remembers none. Safe for concurrent use; shared by all clients that With
// derives.
type chunking struct {
	mu    sync.Mutex
	hosts map[string]hostChunks
}

type hostChunks struct {
	size    int64
	limited bool
}

// recall begins with what is known of the host.
func (c *chunkState) recall(known *chunking, host string, size int64) {
	known.mu.Lock()
	defer known.mu.Unlock()
	at, ok := known.hosts[host]
	if !ok || size == 0 || at.limited && size <= at.size {
		return
	}
	c.size, c.limited, c.learned, c.trial = at.size, at.limited, true, true
}

// remember keeps what a push that went well has learned.
func (c *chunkState) remember(known *chunking, host string) {
	if !c.on() || !c.learned {
		return
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.hosts == nil {
		known.hosts = map[string]hostChunks{}
	}
	for other := range known.hosts {
		if len(known.hosts) < maxHosts {
			break
		}
		delete(known.hosts, other) // any: it will be learned again
	}
	known.hosts[host] = hostChunks{c.size, c.limited}
}

func (known *chunking) forget(host string) {
	known.mu.Lock()
	defer known.mu.Unlock()
	delete(known.hosts, host)
}
