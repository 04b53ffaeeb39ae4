package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/portolan-oci/portolan/registry"
)

// progress is a bar on standard error over all that one command transfers. It
// appears only on a terminal, and only for transfers that take a while.
type progress struct {
	on bool

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	seen map[int64]int64 // what has moved, by transfer
	max  int64
	done bool
}

func newProgress(w io.Writer, debug bool) *progress {
	f, ok := w.(*os.File)
	return &progress{on: ok && !debug && term.IsTerminal(int(f.Fd())), seen: map[int64]int64{}}
}

// smallTransfer is done before a bar could be read.
const smallTransfer = 256 << 10

// Moved implements registry.Progress.
func (p *progress) Moved(t registry.Transfer) {
	if !p.on || t.Descriptor.Size < smallTransfer {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	before, known := p.seen[t.ID]
	p.seen[t.ID] = t.Done
	switch {
	case p.bar == nil:
		p.max = t.Descriptor.Size
		p.bar = progressbar.NewOptions64(p.max, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	case !known:
		p.max += t.Descriptor.Size
		p.bar.ChangeMax64(p.max)
	}
	p.bar.Add64(t.Done - before)
}

// Stepped implements registry.Progress.
func (p *progress) Stepped(registry.Step) {}

// finish takes the bar away. It may be called again.
func (p *progress) finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil && !p.done {
		p.bar.Finish()
	}
	p.done = true
}
