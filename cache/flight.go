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
	grows := newGrowth(f.key.size)
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
		case <-tick.C:
			if n := f.moved.Load(); grows.to(n) {
				at(n)
			}
			if grows.still(patience) {
				f.leave()
				return landing{stalled: true}
			}
		}
	}
}

// followEvery is how often those who follow look how far it is.
const followEvery = 50 * time.Millisecond

// growth tells a download that goes on from one that does not: too little comes,
// or more than there is, or it comes anew for ever.
type growth struct {
	size  int64 // of the content
	last  int64
	mark  int64 // how much had come at that time
	since time.Time
	all   int64 // that has come, all beginnings together
}

const (
	// minGrowth is what has to come for the wait to begin anew: who reads a few
	// bytes now and then holds nobody up.
	minGrowth = 64 << 10
	// maxHolders is how often content may come from its beginning for those who
	// watch, since a holder was killed, or given wrong bytes.
	maxHolders = 16
)

func newGrowth(size int64) growth { return growth{size: size, since: time.Now()} }

// to notes how much has come, and tells whether that is another amount.
func (g *growth) to(n int64) bool {
	if n == g.last || n > g.size {
		return false
	}
	g.all += max(0, n-g.last)
	g.mark = min(g.mark, n)
	g.last = n
	if (n-g.mark >= minGrowth || n == g.size) && g.all/maxHolders <= g.size {
		g.mark, g.since = n, time.Now()
	}
	return true
}

// still tells whether too little has come for that long.
func (g *growth) still(patience time.Duration) bool { return time.Since(g.since) >= patience }

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
