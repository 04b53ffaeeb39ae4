package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/portolan-oci/portolan/registry"
)

// progressLog keeps what it is told.
type progressLog struct {
	mu    sync.Mutex
	moved []registry.Transfer
	steps []string
}

func (l *progressLog) Moved(t registry.Transfer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved = append(l.moved, t)
}

func (l *progressLog) Stepped(s registry.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, s.String())
}

// take returns what was told since the last call, as "up 5/10".
func (l *progressLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, t := range l.moved {
		text := "down"
		if t.Upload {
			text = "up"
		}
		text = fmt.Sprintf("%s %d/%d", text, t.Done, t.Descriptor.Size)
		if t.Ended {
			text += " ended"
		}
		all = append(all, text)
	}
	l.moved = nil
	return all
}

func TestProgressOfRepository(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	log := &progressLog{}
	ctx := registry.WithProgress(t.Context(), log)
	data := bytes.Repeat([]byte("portolan"), 1000)
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(data), Size: int64(len(data))}

	if err := repo.Push(ctx, desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	all := log.moved
	if got := log.take(); len(got) < 2 || got[len(got)-1] != "up 8000/8000 ended" {
		t.Errorf("push: told %q", got)
	}
	want := registry.Transfer{ID: 1, Upload: true, Reference: repo.Reference().WithDigest(desc.Digest), Descriptor: desc, Done: 8000, Ended: true}
	if diff := cmp.Diff(want, all[len(all)-1]); diff != "" {
		t.Errorf("last told (-want +got):\n%s", diff)
	}

	for _, tc := range []struct {
		name string
		read func(io.Reader) error
		last string
	}{
		{"whole", func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }, "down 8000/8000 ended"},
		{"given up", func(r io.Reader) error { _, err := io.ReadFull(r, make([]byte, 10)); return err }, "down 10/8000 ended"},
		{"not begun", func(io.Reader) error { return nil }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rc, err := repo.Fetch(ctx, desc)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.read(rc); err != nil {
				t.Fatal(err)
			}
			rc.Close()
			rc.Close()
			last := ""
			if got := log.take(); len(got) > 0 {
				last = got[len(got)-1]
			}
			if last != tc.last {
				t.Errorf("last told %q, want %q", last, tc.last)
			}
		})
	}
}

// An upload that has to be sent twice goes back to nothing, and never beyond
// its size.
func TestProgressOfRewoundUpload(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 100)
	log := &progressLog{}
	ctx := registry.WithProgress(t.Context(), log)
	desc := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: 100}
	source := bytes.NewReader(append([]byte("head"), data...))
	source.Seek(4, io.SeekStart)
	r, ended := registry.WatchTransfer(ctx, registry.Transfer{Upload: true, Descriptor: desc}, source)
	seeker := r.(io.Seeker)
	for range 2 {
		if at, err := seeker.Seek(4, io.SeekStart); at != 4 || err != nil {
			t.Fatalf("Seek: %d, %v", at, err)
		}
		if n, err := io.Copy(io.Discard, iotest.OneByteReader(r)); n != 100 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	ended()
	want := []string{"up 1/100", "up 0/100", "up 100/100 ended"}
	if diff := cmp.Diff(want, log.take()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// However small the pieces are, a transfer is told of ten times a second.
func TestProgressIsSeldomTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &progressLog{}
		ctx := registry.WithProgress(t.Context(), log)
		content := io.LimitReader(iotest.OneByteReader(slow{10 * time.Millisecond}), 100)
		r, ended := registry.WatchTransfer(ctx, registry.Transfer{}, content)
		io.Copy(io.Discard, r)
		ended()
		if got := log.take(); len(got) != 11 || got[10] != "down 100/0 ended" {
			t.Errorf("told %d times in one second: %q", len(got), got)
		}
	})
}

type slow struct{ wait time.Duration }

func (s slow) Read(p []byte) (int, error) {
	if s.wait > 0 {
		time.Sleep(s.wait)
	}
	return len(p), nil
}

func TestProgressNests(t *testing.T) {
	outer, inner := &progressLog{}, &progressLog{}
	ctx := registry.WithProgress(t.Context(), outer)
	for _, in := range []context.Context{registry.WithProgress(registry.WithProgress(ctx, nil), inner), ctx} {
		r, ended := registry.WatchTransfer(in, registry.Transfer{}, strings.NewReader("x"))
		io.Copy(io.Discard, r)
		ended()
	}
	registry.TellStep(registry.WithProgress(ctx, inner), registry.Step{Kind: registry.StepResolve})
	if outer.moved[0].ID == outer.moved[len(outer.moved)-1].ID {
		t.Error("two transfers have one ID")
	}
	if a, b := len(outer.take()), len(inner.take()); a != 4 || b != 2 {
		t.Errorf("outer told %d times, inner %d; want 4 and 2", a, b)
	}
	if got := fmt.Sprint(outer.steps, inner.steps); got != "[resolving] [resolving]" {
		t.Errorf("steps %s", got)
	}
}

func TestNobodyWatches(t *testing.T) {
	in := strings.NewReader("x")
	r, ended := registry.WatchTransfer(t.Context(), registry.Transfer{}, in)
	ended()
	if r != io.Reader(in) {
		t.Errorf("the reader became a %T", r)
	}
	registry.TellStep(t.Context(), registry.Step{})
}

// A transport may read on while the upload is given up. What is told then is
// still one at a time, in order, and nothing after the end.
func TestProgressInOrder(t *testing.T) {
	for range 100 {
		log := &progressOrder{t: t}
		r, ended := registry.WatchTransfer(registry.WithProgress(t.Context(), log), registry.Transfer{Upload: true}, slow{})
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { io.CopyN(io.Discard, iotest.OneByteReader(r), 100) })
		}
		group.Go(ended)
		group.Wait()
		ended()
	}
}

type progressOrder struct {
	t     *testing.T
	mu    sync.Mutex
	ended bool
}

func (o *progressOrder) Moved(t registry.Transfer) {
	if !o.mu.TryLock() {
		o.t.Error("told of one transfer twice at a time")
		return
	}
	defer o.mu.Unlock()
	if o.ended {
		o.t.Error("told of a transfer that has ended")
	}
	o.ended = t.Ended
}

func (o *progressOrder) Stepped(registry.Step) {}

func TestStepString(t *testing.T) {
	reset := &url.Error{Op: "Get", URL: "https://r.example/v2/?sig=canary",
		Err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}}
	u, _ := url.Parse("https://r.example/v2/?sig=canary")
	status := func(code int) error { return &errcode.ErrorResponse{URL: u, StatusCode: code} }
	for _, tc := range []struct {
		step registry.Step
		want string
	}{
		{registry.Step{Kind: registry.StepResolve}, "resolving"},
		{registry.Step{Kind: registry.StepVerify}, "verifying"},
		{registry.Step{Kind: registry.StepWait, Wait: 12 * time.Second, Err: status(429)}, "waiting (rate limited, in 12s)"},
		{registry.Step{Kind: registry.StepWait, Wait: time.Minute, Err: registry.WrapError("x", registry.Reference{}, status(429))}, "waiting (rate limited, in 1m0s)"},
		{registry.Step{Kind: registry.StepWait, Wait: time.Millisecond}, "waiting (the host is busy)"},
		{registry.Step{Kind: registry.StepRetry, Attempt: 2, Err: reset}, "retrying (attempt 2: connection reset by peer)"},
		{registry.Step{Kind: registry.StepRetry, Attempt: 3, Wait: 2 * time.Second, Err: status(503)}, "retrying (attempt 3: 503 Service Unavailable, in 2s)"},
		{registry.Step{Kind: registry.StepRetry, Attempt: 2, Err: io.ErrUnexpectedEOF}, "retrying (attempt 2: unexpected EOF)"},
		{registry.Step{Kind: registry.StepRetry, Attempt: 2, Err: errors.New("\x1b[2J" + strings.Repeat("long ", 50))},
			"retrying (attempt 2: [2J" + strings.Repeat("long ", 15) + "lo…)"},
		{registry.Step{Kind: "new\nkind"}, "new kind"},
	} {
		if got := tc.step.String(); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.step, got, tc.want)
		}
	}
}

func BenchmarkWatchTransfer(b *testing.B) {
	for name, ctx := range map[string]context.Context{
		"nobody": b.Context(), "watched": registry.WithProgress(b.Context(), &progressLog{}),
	} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 32<<10)
			r, ended := registry.WatchTransfer(ctx, registry.Transfer{}, slow{})
			defer ended()
			for b.Loop() {
				r.Read(buf)
			}
		})
	}
}
