package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// defaultConcurrent lets 100 charts arrive in a second over a line of 50 ms:
// each is two requests, one after the other.
const defaultConcurrent = 16

// How long a mirror that failed is passed over: longer with each failure in a
// row, so that a dead one costs little and one that was restarted is found.
const (
	minDown = 5 * time.Second
	maxDown = 5 * time.Minute
)

// gate is what all requests to one host have in common: how many there may be
// at once and in a second, until when the host wants to be left alone, and how
// it has fared. Safe for concurrent use.
type gate struct {
	host       string              // as in references
	all, reads *semaphore.Weighted // nil: no limit
	tokens     *semaphore.Weighted // those of requests for tokens; nil: no limit
	rate       *rate.Limiter       // nil: no limit
	maxWait    time.Duration

	mu        sync.Mutex
	until     time.Time // nobody asks before
	down      time.Time // who has a choice asks elsewhere before
	distrust  time.Time // likewise, however well it answers
	failures  int       // in a row
	misnaming bool      // its digest headers are wrong
}

func newGate(host string, c HostConfig, maxWait time.Duration) *gate {
	g := &gate{host: host, maxWait: maxWait}
	if n := int64(c.concurrent()); n > 0 {
		// An upload may read its content from the same host, so that reads must
		// not take every place.
		g.all, g.reads = semaphore.NewWeighted(n), semaphore.NewWeighted(max(n-1, 1))
		// A token is asked for by a request whose content may be one of the
		// bodies that hold all places.
		g.tokens = semaphore.NewWeighted(n)
	}
	if c.RequestsPerSecond > 0 {
		g.rate = rate.NewLimiter(rate.Limit(c.RequestsPerSecond), max(int(c.RequestsPerSecond), 1))
	}
	return g
}

// concurrent is how many requests there may be at once; 0: as many as come.
func (c HostConfig) concurrent() int {
	return max(cmp.Or(c.MaxConcurrent, defaultConcurrent), 0)
}

type resumedKey struct{}

// resumed marks the request that takes up a broken download or upload: its
// place is that of the broken connection, which it must not queue for. It could
// wait for an upload that waits for what it brings.
func resumed(ctx context.Context) context.Context {
	return context.WithValue(ctx, resumedKey{}, true)
}

type forTokenKey struct{}

// forToken marks a request to a token server, which others wait for. It does
// not sit where the download does that it is made for.
func forToken(ctx context.Context) context.Context {
	return context.WithValue(withSeat(ctx, nil), forTokenKey{}, true)
}

// enter waits for a place, for the rate and for the end of a pause, and returns
// what gives the place back; that may be called more than once. beside tells
// that a download goes on beside those that have a place: its own was elsewhere.
func (g *gate) enter(req *http.Request) (leave func(), beside bool, err error) {
	ctx := req.Context()
	var held []*semaphore.Weighted
	leave = sync.OnceFunc(func() {
		for _, s := range held {
			s.Release(1)
		}
	})
	take := func(s *semaphore.Weighted) error {
		if s == nil {
			return nil
		}
		err := s.Acquire(ctx, 1)
		if err == nil {
			held = append(held, s)
		}
		return err
	}
	switch {
	case ctx.Value(forTokenKey{}) != nil:
		err = take(g.tokens)
	case ctx.Value(resumedKey{}) != nil:
		if s := seatOf(ctx); s != nil {
			if kept := s.take(g); kept != nil {
				leave = kept
			} else {
				beside = true
			}
		}
	default:
		if isRead(req) {
			err = take(g.reads)
		}
		if err == nil {
			err = take(g.all)
		}
	}
	if err == nil {
		err = g.pause(ctx)
	}
	if err == nil && g.rate != nil {
		if err = g.rate.Wait(ctx); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w by the configured requests per second: the next would come after the deadline", ErrRateLimited)
		}
	}
	if err != nil {
		leave()
		return nil, false, err
	}
	return leave, beside, nil
}

// pause waits until the host may be asked again, unless that is after the
// deadline.
func (g *gate) pause(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return &pausedError{wait}
		}
		TellStep(ctx, Step{Kind: StepWait, Host: g.host, Wait: wait, Err: ErrRateLimited})
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pausedError: the host has asked others not to come before the deadline.
type pausedError struct{ wait time.Duration }

func (e *pausedError) Error() string {
	return fmt.Sprintf("the host asked to be left alone for another %s", e.wait.Round(100*time.Millisecond))
}

func (e *pausedError) Unwrap() error { return ErrRateLimited }

// leaveAlone notes that the host wants no request for a while. What asks for
// longer than anyone here would wait counts as that long: no server may stop a
// process for a year.
func (g *gate) leaveAlone(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(d, g.maxWait)); until.After(g.until) {
		g.until = until
	}
}

// pausing tells whether the host wants to be left alone now.
func (g *gate) pausing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.until)
}

// failed and worked keep count of how the host fares; what fails of many
// requests that were under way is one failure. lied passes it over for the
// longest time at once, which no later answer ends: its start proves nothing.
func (g *gate) failed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Before(g.down) {
		return
	}
	g.down = now.Add(min(minDown<<min(g.failures, 10), maxDown))
	g.failures++
}

func (g *gate) worked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.down = 0, time.Time{}
}

func (g *gate) lied() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.distrust = time.Now().Add(maxDown)
}

func (g *gate) isDown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return now.Before(g.down) || now.Before(g.distrust)
}

// misnames tells whether the host is known to send wrong digests in headers, so
// that a HEAD says nothing; misnamed notes that it does.
func (g *gate) misnames() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.misnaming
}

func (g *gate) misnamed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.misnaming = true
}

// placed is the body of an answer that gives its place at the gate back when
// it ends.
type placed struct {
	io.ReadCloser
	leave func()
}

func (p *placed) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		p.leave()
	}
	return n, err
}

func (p *placed) Close() error {
	defer p.leave()
	return p.ReadCloser.Close()
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
