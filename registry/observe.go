package registry

import "context"

// Answer tells which host gave an answer that a caller's result is made of.
type Answer struct {
	// Host is the host, as in references.
	Host string
	// Mirror tells that it is a mirror of the host that the reference names.
	Mirror bool
	// Tag tells that a mirror was asked for a tag: the origin may have moved it
	// since.
	Tag bool
	// Err is why the answer did not count: a mirror that gave wrong content
	// matches ErrDigestMismatch. nil: it counted.
	Err error
}

type observerKey struct{}

// Observe returns a context whose operations tell fn of each answer that
// they rest on, and of each mirror that lied. fn is called from the goroutines
// that read, concurrently where an operation reads several contents at once. It
// is for results that say where they come from; an observer does not change
// what is done.
func Observe(ctx context.Context, fn func(Answer)) context.Context {
	if outer, ok := ctx.Value(observerKey{}).(func(Answer)); ok {
		inner := fn
		fn = func(a Answer) { inner(a); outer(a) }
	}
	return context.WithValue(ctx, observerKey{}, fn)
}

func observe(ctx context.Context, a Answer) {
	if fn, ok := ctx.Value(observerKey{}).(func(Answer)); ok {
		fn(a)
	}
}
