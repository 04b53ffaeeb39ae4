package main

import (
	"io"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/portolan-oci/portolan/registry"
)

const (
	// showAfter is how long a command is quiet: most are done by then.
	showAfter = 300 * time.Millisecond
	// smallTransfer is done before a bar could be read.
	smallTransfer = 256 << 10
	barWidth      = 30
	nameWidth     = 28
)

// progress shows what a command does on standard error, where that is a
// terminal: a bar for each content that moves, and beside it, or on a line of
// its own, why it waits. It implements registry.Progress; nil shows nothing.
type progress struct {
	terminal *os.File
	begun    time.Time

	mu     sync.Mutex
	lines  *mpb.Progress  // nil until something is shown
	bars   map[int64]*bar // by transfer
	status *bar           // of a step that concerns no bar; nil: there is none
	timer  *time.Timer    // shows the status once the command has taken a while
	done   bool
}

// bar is one line. Its note is drawn while it is set.
type bar struct {
	*mpb.Bar
	about registry.Reference
	note  atomic.Pointer[string]
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &progress{terminal: f, begun: time.Now(), bars: map[int64]*bar{}}
}

// Moved implements registry.Progress.
func (p *progress) Moved(t registry.Transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bars[t.ID]
	switch {
	case p.done:
		return
	case t.Ended && b != nil:
		b.Abort(true)
		delete(p.bars, t.ID)
		return
	case b == nil:
		large := max(t.Descriptor.Size, t.Done) >= smallTransfer
		if t.Ended || !large || time.Since(p.begun) < showAfter {
			return
		}
		b = p.newBar(t)
		p.bars[t.ID] = b
	}
	p.setStatus("")
	b.note.Store(nil)
	b.SetCurrent(t.Done)
}

// Stepped implements registry.Progress.
func (p *progress) Stepped(s registry.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	text, shown := s.String(), false
	for _, b := range p.bars {
		if b.about == s.Reference || s.Reference.IsZero() && b.about.Host == s.Host {
			b.note.Store(&text)
			shown = true
		}
	}
	if shown {
		return
	}
	if s.Host != "" {
		text = s.Host + ": " + text
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(showAfter-time.Since(p.begun), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.bars) == 0 {
			p.setStatus(text)
		}
	})
}

// setStatus shows a line without a bar, or takes it away. The lock is held.
func (p *progress) setStatus(text string) {
	switch {
	case text == "" && p.timer != nil:
		p.timer.Stop()
		fallthrough
	case text == "" || p.done:
		if p.status != nil {
			p.status.Abort(true)
			p.status = nil
		}
		return
	case p.status == nil:
		p.status = p.line(mpb.NopStyle(), decor.Name(""))
	}
	p.status.note.Store(&text)
}

func (p *progress) newBar(t registry.Transfer) *bar {
	name := "pull"
	switch {
	case t.Upload:
		name = "push"
	case t.Elsewhere:
		name = "wait" // for what another process pulls
	}
	if t.Reference.Repository != "" {
		name += " " + path.Base(t.Reference.Repository)
	}
	if len(name) > nameWidth {
		name = name[:nameWidth-1] + "…" // names in references are ASCII
	}
	b := p.line(mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		decor.Name(name, decor.WC{W: nameWidth, C: decor.DindentRight | decor.DextraSpace}),
		decor.CountersKibiByte(" % .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f"))
	b.about = t.Reference
	b.SetTotal(t.Descriptor.Size, false) // not given at first, so that all of it is not yet the end: it may start anew
	return b
}

// line adds a line with a note at its end. The lock is held.
func (p *progress) line(style mpb.BarFillerBuilder, name decor.Decorator, numbers ...decor.Decorator) *bar {
	if p.lines == nil {
		p.lines = mpb.New(mpb.WithOutput(p.terminal), mpb.WithAutoRefresh())
	}
	b := new(bar)
	space := ""
	if len(numbers) > 0 {
		space = "  "
	}
	note := decor.Any(func(decor.Statistics) string {
		if text := b.note.Load(); text != nil {
			return space + *text
		}
		return ""
	})
	b.Bar = p.lines.New(0, style, mpb.BarWidth(barWidth), mpb.PrependDecorators(name), mpb.AppendDecorators(append(numbers, note)...))
	return b
}

// finish takes everything away. It may be called again.
func (p *progress) finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.setStatus("")
	p.done = true
	for _, b := range p.bars {
		b.Abort(true)
	}
	lines := p.lines
	p.mu.Unlock()
	if lines != nil {
		lines.Wait()
	}
}

// above makes a writer of lines that does not write into what is shown.
func (p *progress) above(w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return w
	}
	return aboveWriter{p, w}
}

type aboveWriter struct {
	p *progress
	w io.Writer
}

func (a aboveWriter) Write(line []byte) (int, error) {
	a.p.mu.Lock()
	lines := a.p.lines
	if a.p.done {
		lines = nil
	}
	a.p.mu.Unlock()
	if lines != nil {
		if n, err := lines.Write(line); err == nil {
			return n, nil
		}
	}
	return a.w.Write(line)
}
