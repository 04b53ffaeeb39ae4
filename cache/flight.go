package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// flights are the downloads of this process: content that several ask for at
// once comes once.
type flights struct {
	mu  sync.Mutex
	all map[flightKey]*flight
}

// flightKey has the repository too: it decides whether content is there, and
// whether the caller may have it.
type flightKey struct {
	repository string
	digest     digest.Digest
	size       int64
	level      int // see Source.await
}

// flight is one download. Whoever leads it ends it; the others follow.
type flight struct {
	of    *flights
	key   flightKey
	moved atomic.Int64 // bytes that have come
	ended chan struct{}

	// By of.mu until it has ended, and theirs who follow then.
	followers int
	file      *sharedFile // verified content; nil: there is none
	err       error       // why; nil: somebody else should try
}

// join makes the caller the leader of a flight, or one of its followers.
func (fs *flights) join(key flightKey) (f *flight, leads bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f = fs.all[key]; f != nil {
		f.followers++
		return f, false
	}
	f = &flight{of: fs, key: key, ended: make(chan struct{})}
	if fs.all == nil {
		fs.all = map[flightKey]*flight{}
	}
	fs.all[key] = f
	return f, true
}

// errStalled ends a flight whose leader has waited in vain.
var errStalled = errors.New("another process stands still")

// end ends it with verified content of which each follower gets a share, with
// an error that is theirs too, or with neither: that the leader's context has
// ended is nobody else's. It may be called again, and on nil, which does
// nothing.
func (f *flight) end(ctx context.Context, c *Content, err error) {
	if f == nil {
		return
	}
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.of.all[f.key] != f {
		return
	}
	delete(f.of.all, f.key)
	if ctx.Err() == nil {
		f.err = err
	}
	if c != nil && f.followers > 0 {
		f.file = &sharedFile{contentFile: c.file}
		f.file.owners.Store(int64(f.followers) + 1)
		c.file = &share{sharedFile: f.file}
	}
	close(f.ended)
}

// leave gives up what follow would have got.
func (f *flight) leave() {
	f.of.mu.Lock()
	f.followers--
	over := f.of.all[f.key] != f
	f.of.mu.Unlock()
	if over && f.file != nil {
		f.file.release()
	}
}

// landing is how a flight ended for somebody who followed it. The zero landing:
// it is somebody else's turn to lead.
type landing struct {
	file    contentFile // the follower's to close; nil: none
	err     error
	stalled bool // nothing has come for a while
}

// follow waits for the end of a flight of another goroutine, for as long as
// something comes. at is told how much has.
func (f *flight) follow(ctx context.Context, patience time.Duration, at func(done int64)) landing {
	tick := time.NewTicker(min(followEvery, patience))
	defer tick.Stop()
	last, since := int64(0), time.Now()
	for {
		select {
		case <-f.ended:
			switch {
			case f.err == errStalled:
				return landing{stalled: true}
			case f.file == nil:
				return landing{err: f.err}
			}
			return landing{file: &share{sharedFile: f.file}}
		case <-ctx.Done():
			f.leave()
			return landing{err: ctx.Err()}
		case now := <-tick.C:
			if n := f.moved.Load(); n != last {
				last, since = n, now
				at(n)
			} else if now.Sub(since) >= patience {
				f.leave()
				return landing{stalled: true}
			}
		}
	}
}

// followEvery is how often those who follow look how far it is.
const followEvery = 50 * time.Millisecond

// sharedFile is closed when all its owners have closed their shares.
type sharedFile struct {
	contentFile
	owners atomic.Int64
}

func (s *sharedFile) release() error {
	if s.owners.Add(-1) > 0 {
		return nil
	}
	return s.contentFile.Close()
}

type share struct {
	*sharedFile
	once sync.Once
}

func (s *share) Close() (err error) {
	s.once.Do(func() { err = s.release() })
	return err
}
