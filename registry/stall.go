package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// What comes or goes without end, but too slowly to be of use, holds whoever
// waits for it as well as what does not move at all.
const (
	// stallTimeout is how long a body may take for minFlow bytes, while somebody
	// waits for them. Registries that fetch what they are asked for from
	// elsewhere take some seconds for the first.
	stallTimeout = time.Minute
	minFlow      = 16 << 10
	// answerTimeout is how long an answer of at most maxAnswer may take: 14 KiB
	// a second.
	answerTimeout = 5 * time.Minute
)

var (
	errStalled = fmt.Errorf("less than %d KiB came in %s", minFlow>>10, stallTimeout)
	// errSilent is about a host that did not answer within the time for it.
	errSilent = errors.New("no answer in time")
)

// stallGuard ends a body that stands still, or nearly so.
func stallGuard(body io.ReadCloser) io.ReadCloser { return &guarded{ReadCloser: body} }

type guarded struct {
	io.ReadCloser
	timer   *time.Timer
	waited  time.Duration // for the bytes in flow
	flow    int
	stalled atomic.Bool
}

func (g *guarded) Read(p []byte) (int, error) {
	start := time.Now()
	if g.timer == nil {
		g.timer = time.AfterFunc(stallTimeout, g.stall)
	} else {
		g.timer.Reset(max(stallTimeout-g.waited, 0))
	}
	n, err := g.ReadCloser.Read(p)
	g.timer.Stop()
	g.waited += time.Since(start)
	if g.flow += n; g.flow >= minFlow {
		g.flow, g.waited = 0, 0
	}
	if err != nil && g.stalled.Load() {
		err = errStalled
	}
	return n, err
}

func (g *guarded) stall() {
	if g.stalled.CompareAndSwap(false, true) {
		g.ReadCloser.Close()
	}
}

// sendGuard ends a request whose body nobody takes. What the body's own source
// takes is not counted; and once all of it is taken, the transport waits for the
// answer, with a limit of its own.
type sendGuard struct {
	cancel context.CancelFunc
	timer  *time.Timer
	fired  atomic.Bool
}

// guardSend returns a context for a request whose bodies go through the guard.
func guardSend(ctx context.Context) (context.Context, *sendGuard) {
	g := new(sendGuard)
	ctx, g.cancel = context.WithCancel(ctx)
	g.timer = time.AfterFunc(time.Hour, func() {
		g.fired.Store(true)
		g.cancel()
	})
	g.timer.Stop()
	return ctx, g
}

// body guards one body of the request.
func (g *sendGuard) body(rc io.ReadCloser) io.ReadCloser { return &taken{rc, g} }

// end stops the guard, and tells whether it ended the request.
func (g *sendGuard) end() bool {
	g.timer.Stop()
	return g.fired.Load()
}

type taken struct {
	io.ReadCloser
	guard *sendGuard
}

func (t *taken) Read(p []byte) (int, error) {
	t.guard.timer.Stop()
	n, err := t.ReadCloser.Read(p)
	if err == nil {
		t.guard.timer.Reset(stallTimeout)
	}
	return n, err
}
