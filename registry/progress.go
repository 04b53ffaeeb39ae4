package registry

import (
	"context"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Progress watches what an operation does, for a display or a log: the bytes
// that come and go, and the steps that take time without any. It is given to
// an operation with [WithProgress].
//
// Its methods are called by the goroutines that do the work, concurrently for
// different transfers and steps, and should return at once: what they wait
// for, the operation waits for. They change nothing of what is done.
type Progress interface {
	// Moved tells where a transfer stands. A transfer is told of when its first
	// bytes have moved, at most ten times a second from then on, when it starts
	// anew, and when it has ended; one call at a time, in order, and nothing
	// after its end. What a cache or the other side had already is not moved,
	// and not told of.
	Moved(Transfer)
	// Stepped tells of a step that begins.
	Stepped(Step)
}

// Transfer is where the transfer of one content stands.
type Transfer struct {
	// ID is the transfer's own among all that one Progress is told of. Content
	// that is asked for a second time is another transfer.
	ID int64
	// Upload tells content that is sent from content that is fetched.
	Upload bool
	// Reference is the repository, with the content's digest. It is zero for
	// content that no registry holds.
	Reference Reference
	// Descriptor is the content's. A digest that is not known yet is empty, and
	// so is a size zero.
	Descriptor ocispec.Descriptor
	// Done is how many of its bytes have moved. It becomes less when the
	// transfer starts anew, and is never more than Descriptor.Size where that
	// is known.
	Done int64
	// Elsewhere tells that another operation moves it, of this process or of
	// another one, and that this one waits for it: its bytes are not moved twice.
	Elsewhere bool
	// Ended tells that this transfer moves no more: all of it has moved, or it
	// was given up. The operation's error, not this, says which.
	Ended bool
}

// WithProgress returns a context whose operations tell p what they do: those
// of this package and of all that are built on it. A nil p changes nothing; a
// progress that ctx has already is told as well.
func WithProgress(ctx context.Context, p Progress) context.Context {
	if p == nil {
		return ctx
	}
	w := &watcher{progress: p, transfers: new(atomic.Int64)}
	if outer := watcherOf(ctx); outer != nil {
		w.outer, w.transfers = outer, outer.transfers
	}
	return context.WithValue(ctx, watcherKey{}, w)
}

type watcherKey struct{}

// watcher is a Progress with those of the contexts around.
type watcher struct {
	progress  Progress
	outer     *watcher      // nil: none
	transfers *atomic.Int64 // how many have begun: theirs are the numbers up to this
}

func watcherOf(ctx context.Context) *watcher {
	w, _ := ctx.Value(watcherKey{}).(*watcher)
	return w
}

func (w *watcher) moved(t Transfer) {
	for ; w != nil; w = w.outer {
		w.progress.Moved(t)
	}
}

// TellStep tells the progress of ctx, if it has one, of a step that begins.
// It is for what does work of its own, as a source does.
func TellStep(ctx context.Context, s Step) {
	if s.Err != nil {
		s.Err = toldError{s.Err}
	}
	for w := watcherOf(ctx); w != nil; w = w.outer {
		w.progress.Stepped(s)
	}
}

// progressInterval is the least time between two tellings of one transfer: as
// often as a display is worth drawing.
const progressInterval = 100 * time.Millisecond
