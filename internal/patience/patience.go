// Package patience gives up on who says nothing for a while, where there is
// something else to go on with.
package patience

import (
	"context"
	"errors"
	"time"
)

// ErrOver is the error of what took too long.
var ErrOver = errors.New("no answer in time")

// Bound calls ask with a context that ends when most is over. ask may stop the
// timer when it is answered, and reset it while it waits for more. The error is
// that of ask, or ErrOver itself if it failed because its time was over and that
// of ctx was not.
func Bound(ctx context.Context, most time.Duration, ask func(ctx context.Context, timer *time.Timer) error) error {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(most, func() { cancel(ErrOver) })
	defer timer.Stop()
	err := ask(bounded, timer)
	if err != nil && ctx.Err() == nil && context.Cause(bounded) == ErrOver {
		return ErrOver
	}
	return err
}
