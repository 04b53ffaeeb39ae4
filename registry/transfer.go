package registry

import (
	"context"
	"io"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WatchTransfer returns r as a reader that tells the progress of ctx what is
// read through it: a transfer that moves with each read and, where r is an
// io.Seeker, goes back when it is sought. ended ends the transfer, and may be
// called again, and while r is read; a download also ends with io.EOF. Of t,
// Upload, Reference and Descriptor are taken. Without a progress in ctx the
// reader is r itself.
//
// It is for what moves content by itself, as a foreign source does. What this
// module moves is told of already. The reader is an io.Seeker if r is one that
// knows where it stands.
func WatchTransfer(ctx context.Context, t Transfer, r io.Reader) (watched io.Reader, ended func()) {
	to := watcherOf(ctx)
	if to == nil {
		return r, func() {}
	}
	t.ID, t.Done, t.Ended, t.Elsewhere = 0, 0, false, false
	w := &transferReader{r: r, to: to, now: t}
	if s, ok := r.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			w.start = start
			return &transferSeeker{w, s}, w.end
		}
	}
	return w, w.end
}

// TrackTransfer is WatchTransfer for content that somebody else moves, while
// the operation of ctx waits for it: a cache that another process fills. at
// tells how many bytes have moved by then; ended as there.
func TrackTransfer(ctx context.Context, t Transfer) (at func(done int64), ended func()) {
	to := watcherOf(ctx)
	if to == nil {
		return func(int64) {}, func() {}
	}
	t.ID, t.Done, t.Ended, t.Elsewhere = 0, 0, false, true
	r := &transferReader{to: to, now: t}
	return func(done int64) { r.change(false, func(t *Transfer) { t.Done = done }) }, r.end
}

// watch is WatchTransfer for content of this repository.
func (r *Repository) watch(ctx context.Context, upload bool, desc ocispec.Descriptor, content io.Reader) (watched io.Reader, ended func()) {
	return WatchTransfer(ctx, Transfer{Upload: upload, Reference: r.ref.WithDigest(desc.Digest), Descriptor: desc}, content)
}

// transferReader tells of what is read through it. A transport may still read
// the body of a request that has failed while the next one begins: now has a
// lock, which is not held while anybody is told.
type transferReader struct {
	r     io.Reader
	to    *watcher
	start int64 // where r stood at first

	mu      sync.Mutex
	now     Transfer
	told    time.Time // when it was told of last
	telling bool
	changed bool // while it was told of
}

func (r *transferReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	last := err == io.EOF && !r.now.Upload // what is sent may have to be sent again
	if n > 0 || last {
		r.change(last, func(t *Transfer) { t.Done, t.Ended = t.Done+int64(n), last })
	}
	return n, err
}

func (r *transferReader) end() { r.change(true, func(t *Transfer) { t.Ended = true }) }

// change changes where the transfer stands, and tells of it if that is due.
func (r *transferReader) change(due bool, change func(*Transfer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.Ended {
		return
	}
	change(&r.now)
	if size := r.now.Descriptor.Size; size > 0 && r.now.Done > size {
		r.now.Done = size // more is an error, which the reader will find
	}
	if r.now.ID == 0 {
		if r.now.Done == 0 {
			return // nothing has moved yet
		}
		r.now.ID = r.to.transfers.Add(1)
	}
	if !due && time.Since(r.told) < progressInterval {
		return
	}
	if r.changed = r.telling; r.telling {
		return // whoever tells goes on with this
	}
	r.telling = true
	for again := true; again; again = r.changed {
		r.told, r.changed = time.Now(), false
		now := r.now
		r.mu.Unlock()
		r.to.moved(now)
		r.mu.Lock()
	}
	r.telling = false
}

type transferSeeker struct {
	*transferReader
	seeker io.Seeker
}

func (s *transferSeeker) Seek(offset int64, whence int) (int64, error) {
	at, err := s.seeker.Seek(offset, whence)
	if err == nil {
		s.moveTo(at - s.start)
	}
	return at, err
}

func (r *transferReader) moveTo(done int64) {
	r.mu.Lock()
	elsewhere := r.now.Done != done
	r.mu.Unlock()
	if elsewhere {
		r.change(true, func(t *Transfer) { t.Done = max(done, 0) })
	}
}
