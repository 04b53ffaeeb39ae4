package auth

import (
	"context"
	"sync"
)

// flights lets one caller do what many want at the same time. The work is
// done in the leader's own goroutine under its own context; when that context
// ends, one of the waiters takes over. Failures are shared by those who waited
// and then forgotten. The zero value is ready.
type flights[K comparable, V any] struct {
	mu  sync.Mutex
	now map[K]*flight[V]
}

type flight[V any] struct {
	done      chan struct{}
	value     V
	err       error
	abandoned bool // the leader's context ended: the outcome says nothing to others
}

func (f *flights[K, V]) do(ctx context.Context, key K, work func(context.Context) (V, error)) (V, error) {
	var none V
	for {
		// A waiter that is late as well would take over for nothing.
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		f.mu.Lock()
		current, running := f.now[key]
		if !running {
			break
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-current.done:
			if !current.abandoned {
				return current.value, current.err
			}
		}
	}
	own := &flight[V]{done: make(chan struct{}), abandoned: true}
	if f.now == nil {
		f.now = make(map[K]*flight[V])
	}
	f.now[key] = own
	f.mu.Unlock()
	// Deferred, so that a panic in the work leaves no waiter behind.
	defer func() {
		f.mu.Lock()
		delete(f.now, key)
		f.mu.Unlock()
		close(own.done)
	}()
	value, err := work(ctx)
	own.value, own.err = value, err
	own.abandoned = err != nil && ctx.Err() != nil
	return value, err
}
