package registry

import (
	"context"
	"net/http"
	"sync"
)

// seat keeps the place of a download at a gate from a connection that broke to
// the next one: if another request took it, that could wait for an upload that
// waits for what the download brings. Safe for concurrent use.
type seat struct {
	mu    sync.Mutex
	gate  *gate
	leave func() // nil: none is kept
	ended bool
}

type seatKey struct{}

func withSeat(ctx context.Context, s *seat) context.Context {
	return context.WithValue(ctx, seatKey{}, s)
}

func seatOf(ctx context.Context) *seat {
	s, _ := ctx.Value(seatKey{}).(*seat)
	return s
}

// leaving returns what gives a place back when an answer's body has ended: for
// content, to the seat.
func (s *seat) leaving(g *gate, resp *http.Response, leave func()) func() {
	if s == nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		return leave
	}
	return sync.OnceFunc(func() { s.keep(g, leave) })
}

func (s *seat) keep(g *gate, leave func()) {
	s.mu.Lock()
	before := s.leave
	if s.ended {
		before = leave
	} else {
		s.gate, s.leave = g, leave
	}
	s.mu.Unlock()
	if before != nil {
		before()
	}
}

// take returns the place that is kept at a gate, nil if there is none.
func (s *seat) take(g *gate) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == g {
		leave, s.leave = s.leave, nil
	}
	return leave
}

// end gives the place back, and each that comes later.
func (s *seat) end() {
	s.mu.Lock()
	leave := s.leave
	s.leave, s.ended = nil, true
	s.mu.Unlock()
	if leave != nil {
		leave()
	}
}
