package main

import (
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on standard error over all that one command transfers. It
// appears only on a terminal, and only for transfers that take a while.
type progress struct {
	on bool

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	seen map[digest.Digest]bool
	max  int64
	done bool
}

func (a *app) progress() *progress {
	f, ok := a.err.(*os.File)
	return &progress{on: ok && !a.debug && term.IsTerminal(int(f.Fd())), seen: map[digest.Digest]bool{}}
}

// smallTransfer is done before a bar could be read.
const smallTransfer = 256 << 10

// Moved implements chart.Progress.
func (p *progress) Moved(transfer string, desc ocispec.Descriptor, n int64) {
	if !p.on || desc.Size < smallTransfer {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	if !p.seen[desc.Digest] {
		p.seen[desc.Digest] = true
		p.max += desc.Size
		if p.bar == nil {
			p.bar = progressbar.NewOptions64(p.max, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(transfer),
				progressbar.OptionShowBytes(true), progressbar.OptionThrottle(65*time.Millisecond), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetWidth(30))
		} else {
			p.bar.ChangeMax64(p.max)
		}
	}
	p.bar.Add64(n)
}

// finish takes the bar away. It may be called again.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil && !p.done {
		p.bar.Finish()
	}
	p.done = true
}
