package registry

import (
	"context"
	"sync"
)

// turns lets those who change the same thing do so one after the other, and
// nobody wait for who changes another: a registry that does not answer must not
// hold up those who speak to others. The zero value is ready for use. Safe for
// concurrent use.
type turns struct {
	mu    sync.Mutex
	queue map[string]*turn // of what is being changed
}

type turn struct {
	place chan struct{} // holds one value while it is somebody's turn
	users int           // who has it or waits for it
}

// take waits for the turn, or returns the context's error.
func (t *turns) take(ctx context.Context, what string) (leave func(), err error) {
	t.mu.Lock()
	if t.queue == nil {
		t.queue = map[string]*turn{}
	}
	q := t.queue[what]
	if q == nil {
		q = &turn{place: make(chan struct{}, 1)}
		t.queue[what] = q
	}
	q.users++
	t.mu.Unlock()
	gone := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(t.queue, what)
		}
	}
	select {
	case q.place <- struct{}{}:
		return func() { <-q.place; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
}
