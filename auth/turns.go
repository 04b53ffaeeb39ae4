package auth

import (
	"context"
	"sync"
)

// turns lets one caller at a time do what there is one of, by key. The zero
// value is ready. Keys stay: there are as many as programs.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{}
}

// take waits for the turn, or for the end of ctx. Whoever has it gives it
// back with release.
func (t *turns) take(ctx context.Context, key string) (release func(), err error) {
	t.mu.Lock()
	turn, found := t.of[key]
	if !found {
		if t.of == nil {
			t.of = make(map[string]chan struct{})
		}
		turn = make(chan struct{}, 1)
		t.of[key] = turn
	}
	t.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
