package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// slowly gives a reader's content in pieces, each after a pause.
type slowly struct {
	r     io.Reader
	pause time.Duration
	piece int
}

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.r.Read(p[:min(len(p), s.piece)])
}

// downloads has one content that takes a while to come.
func downloads(size int, body func([]byte) io.Reader) (*fakeSource, ocispec.Descriptor, []byte) {
	data := noise(size, 3)
	desc := describe("", data)
	f := newFake()
	f.content[desc.Digest] = data
	f.body = body
	return f, desc, data
}

func openWhole(ctx context.Context, src *cache.Source, desc ocispec.Descriptor) ([]byte, cache.Origin, error) {
	c, err := src.Open(ctx, desc)
	if err != nil {
		return nil, "", err
	}
	data, err := io.ReadAll(c)
	return data, c.Origin(), errors.Join(err, c.Close())
}

// Content that many ask for at once comes once, whichever way they read it, and
// those who wait are told how far it is.
func TestOneDownload(t *testing.T) {
	t.Parallel()
	f, desc, data := downloads(1<<20, func(b []byte) io.Reader {
		return slowly{bytes.NewReader(b), 20 * time.Millisecond, 128 << 10}
	})
	s, _ := newStore(t, "")
	var watched watching
	ctx := registry.WithProgress(t.Context(), &watched)
	var origins sync.Map
	g, ctx := errgroup.WithContext(ctx)
	for i := range 64 {
		g.Go(func() error {
			src := s.Through(f, team, cache.Policy{})
			var got []byte
			var err error
			if i%3 == 0 {
				got, err = fetch(ctx, src, desc)
			} else {
				var from cache.Origin
				got, from, err = openWhole(ctx, src, desc)
				n, _ := origins.LoadOrStore(from, new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			}
			if err == nil && !bytes.Equal(got, data) {
				err = fmt.Errorf("%d wrong bytes", len(got))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := f.spent(); got != "Fetch" {
		t.Errorf("asked the source for %q", got)
	}
	if n, ok := origins.Load(cache.FromNetwork); ok && n.(*atomic.Int64).Load() != 1 {
		t.Errorf("%d say that it came over the network", n.(*atomic.Int64).Load())
	}
	if watched.elsewhere.Load() == 0 {
		t.Error("nobody who waited was told of progress")
	}
	wantClean(t, s.Dir())
	if left, _ := os.ReadDir(filepath.Join(s.Dir(), "locks")); len(left) > 0 {
		t.Errorf("locks stay: %v", left)
	}
}

type watching struct{ elsewhere atomic.Int64 }

func (w *watching) Moved(t registry.Transfer) {
	if t.Elsewhere && t.Done > 0 {
		w.elsewhere.Add(1)
	}
}

func (w *watching) Stepped(registry.Step) {}

// What the caller of the one download gives up, another one takes over at once.
func TestDownloadGivenUp(t *testing.T) {
	for name, read := range map[string]func(context.Context, *cache.Source, ocispec.Descriptor) error{
		"opened": func(ctx context.Context, src *cache.Source, desc ocispec.Descriptor) error {
			_, _, err := openWhole(ctx, src, desc)
			return err
		},
		"fetched": func(ctx context.Context, src *cache.Source, desc ocispec.Descriptor) error {
			_, err := fetch(ctx, src, desc)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{}, 100)
			f, desc, data := downloads(1<<20, func(b []byte) io.Reader {
				begun <- struct{}{}
				return slowly{bytes.NewReader(b), 10 * time.Millisecond, 64 << 10}
			})
			s, _ := newStore(t, "")
			ctx, cancel := context.WithCancel(t.Context())
			var wait sync.WaitGroup
			wait.Go(func() {
				if err := read(ctx, s.Through(f, team, cache.Policy{}), desc); !errors.Is(err, context.Canceled) {
					t.Errorf("the one who gave up: %v", err)
				}
			})
			<-begun
			for range 8 {
				wait.Go(func() {
					got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
					if err != nil || !bytes.Equal(got, data) {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				})
			}
			time.Sleep(20 * time.Millisecond)
			cancel()
			wait.Wait()
			if got := f.spent(); got != "Fetch Fetch" {
				t.Errorf("asked the source for %q", got)
			}
			wantClean(t, s.Dir())
		})
	}
}

// A download that stands still delays nobody for longer than the patience, be
// it in this process or in another, and the others share the next one.
func TestDownloadStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // on a busy disk a write may take longer than the patience
		const patience = 2 * time.Second
		hanging := make(chan struct{})
		var hung sync.WaitGroup
		defer hung.Wait()
		defer close(hanging)
		var first atomic.Bool
		f, desc, data := downloads(1<<20, func(b []byte) io.Reader {
			if first.CompareAndSwap(false, true) {
				return io.MultiReader(bytes.NewReader(b[:1000]), onRead{bytes.NewReader(nil), func() { <-hanging }})
			}
			return slowly{bytes.NewReader(b), 150 * time.Millisecond, 64 << 10} // longer than the patience, and moving
		})
		dir := filepath.Join(t.TempDir(), "cache")
		open := func() *cache.Store {
			s, err := cache.Open(dir, &cache.Options{Patience: patience})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		one, other := open(), open()
		hung.Go(func() { openWhole(t.Context(), one.Through(f, team, cache.Policy{}), desc) })
		for !first.Load() {
			time.Sleep(time.Millisecond)
		}
		var wait sync.WaitGroup
		start := time.Now()
		for i := range 16 {
			wait.Go(func() {
				s := []*cache.Store{one, other}[i%2]
				got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		wait.Wait()
		if took := time.Since(start); took > 2*patience {
			t.Errorf("took %s", took)
		}
		if got := f.spent(); got != "Fetch Fetch" {
			t.Errorf("asked the source for %q", got)
		}
	})
}

// Who reads a few bytes now and then holds nobody up.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // on a busy disk a write may take longer than the patience
		f, desc, data := downloads(3<<20, nil)
		dir := filepath.Join(t.TempDir(), "cache")
		var stores []*cache.Store
		for range 2 {
			s, err := cache.Open(dir, &cache.Options{Patience: 400 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			stores = append(stores, s)
		}
		body, err := stores[0].Through(f, team, cache.Policy{}).Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		var reading sync.WaitGroup
		done := make(chan struct{})
		reading.Go(func() {
			defer body.Close()
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
					body.Read(make([]byte, 16))
				}
			}
		})
		defer reading.Wait()
		defer close(done)
		for i, s := range stores {
			start := time.Now()
			got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
			if took := time.Since(start); err != nil || !bytes.Equal(got, data) || took > 20*time.Second {
				t.Errorf("store %d: %d bytes after %s, %v", i, len(got), took, err)
			}
		}
	})
}

// When nothing comes for anybody, everyone asks for himself in the end.
func TestNothingComesForAnybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // on a busy disk a write may take longer than the patience
		const patience = 200 * time.Millisecond
		hanging := make(chan struct{})
		var asked atomic.Int64
		f, desc, data := downloads(1000, func(b []byte) io.Reader {
			if asked.Add(1) <= 2 { // one for each level
				return onRead{bytes.NewReader(b), func() { <-hanging }}
			}
			return bytes.NewReader(b)
		})
		s, err := cache.Open(t.TempDir(), &cache.Options{Patience: patience})
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		var right atomic.Int64
		for range 8 {
			wait.Go(func() {
				got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if right.Add(1) == 6 {
					close(hanging)
				}
			})
		}
		wait.Wait()
	})
}

// The least patience there is, is one.
func TestLeastPatience(t *testing.T) {
	t.Parallel()
	f, desc, data := downloads(64<<10, func(b []byte) io.Reader {
		return slowly{bytes.NewReader(b), time.Millisecond, 8 << 10}
	})
	s, err := cache.Open(t.TempDir(), &cache.Options{Patience: 1})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wait.Wait()
}

// An answer of the registry is one for all who wait for it; that the one who
// asked was cancelled is not.
func TestDownloadFails(t *testing.T) {
	t.Parallel()
	f, desc, _ := downloads(1000, nil)
	f.fetchErr = registry.ErrDenied
	gate := make(chan struct{})
	s, _ := newStore(t, "")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			src := s.Through(waiting{f, gate}, team, cache.Policy{})
			if _, _, err := openWhole(t.Context(), src, desc); !errors.Is(err, registry.ErrDenied) {
				t.Errorf("error %v", err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(gate)
	wait.Wait()
	if got := f.spent(); got != "Fetch" {
		t.Errorf("asked the source for %q", got)
	}
}

// waiting answers no Fetch before its gate is open.
type waiting struct {
	registry.Source
	gate chan struct{}
}

func (w waiting) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	<-w.gate
	return w.Source.Fetch(ctx, desc)
}

// Two repositories with the same content: that one does not have it, or does
// not give it to this caller, says nothing of the other.
func TestDownloadOfAnotherRepository(t *testing.T) {
	good, desc, data := downloads(1000, nil)
	bad, _, _ := downloads(1000, nil)
	bad.fetchErr = registry.ErrNotFound
	gate := make(chan struct{})
	s, _ := newStore(t, "")
	elsewhere := team
	elsewhere.Repository = "team/other"
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, _, err := openWhole(t.Context(), s.Through(waiting{bad, gate}, elsewhere, cache.Policy{}), desc); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
	time.Sleep(20 * time.Millisecond)
	wait.Go(func() {
		got, _, err := openWhole(t.Context(), s.Through(good, team, cache.Policy{}), desc)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	time.Sleep(20 * time.Millisecond)
	close(gate)
	wait.Wait()
}

// A directory without locks costs downloads and no more.
func TestNoLocks(t *testing.T) {
	t.Parallel()
	f, desc, data := downloads(100_000, func(b []byte) io.Reader {
		return slowly{bytes.NewReader(b), 5 * time.Millisecond, 32 << 10}
	})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "locks"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		s, _ := newStore(t, dir)
		for range 4 {
			wait.Go(func() {
				got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
	}
	wait.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.calls["Fetch"]; n < 1 || n > 4 {
		t.Errorf("%d downloads by 4 stores", n)
	}
	wantClean(t, dir)
}

// Where the cache keeps nothing, those of one process share what is downloaded.
func TestOneDownloadWithoutDirectory(t *testing.T) {
	t.Parallel()
	f, desc, data := downloads(1<<20, func(b []byte) io.Reader {
		return slowly{bytes.NewReader(b), 10 * time.Millisecond, 128 << 10}
	})
	s := cache.None()
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			got, _, err := openWhole(t.Context(), s.Through(f, team, cache.Policy{}), desc)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wait.Wait()
	if got := f.spent(); got != "Fetch" {
		t.Errorf("asked the source for %q", got)
	}
}
