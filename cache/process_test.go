package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// Tests start this binary again to have other processes; these name their part.
const (
	helperPart = "PORTOLAN_CACHE_TEST_PART"
	helperDir  = "PORTOLAN_CACHE_TEST_DIR"
)

// TestHelperProcess is the other processes; alone it does nothing.
func TestHelperProcess(t *testing.T) {
	switch part := os.Getenv(helperPart); part {
	case "":
	case "crowd":
		if err := crowd(t.Context(), os.Getenv(helperDir)); err != nil {
			t.Fatal(err)
		}
	case "hang":
		hang(t, os.Getenv(helperDir))
	default:
		t.Fatalf("no part %q", part)
	}
}

func helper(t *testing.T, part, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), helperPart+"="+part, helperDir+"="+dir)
	return cmd
}

// harbour has some charts, of which several share a layer.
func harbour() (f *fakeSource, layers map[string][]byte) {
	f, layers = newFake(), map[string][]byte{}
	for i := range 12 {
		tag := fmt.Sprintf("%d.0.0", i)
		layers[tag] = noise(100_000+i/3, uint64(i/3))
		f.add(tag, layers[tag])
	}
	return f, layers
}

// crowd is 16 goroutines that read the same and different content in
// different ways, and now and then spoil or remove what the others use.
func crowd(ctx context.Context, dir string) error {
	f, layers := harbour()
	s, err := cache.Open(dir, nil)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for worker := range 16 {
		g.Go(func() error {
			var src registry.Source = fullSource{f}
			if worker%2 == 0 {
				src = f
			}
			for round := range 4 {
				tag := fmt.Sprintf("%d.0.0", (worker*5+round)%len(layers))
				through := s.Through(src, team, cache.Policy{})
				got, _, err := pull(ctx, through, tag)
				if err == nil && !bytes.Equal(got, layers[tag]) {
					err = errors.New("wrong bytes")
				}
				if err != nil {
					return fmt.Errorf("pull %s: %w", tag, err)
				}
				desc := describe("", layers[tag])
				if got, err = fetch(ctx, through, desc); err != nil || !bytes.Equal(got, layers[tag]) {
					return fmt.Errorf("fetch %s: %d bytes, %w", tag, len(got), err)
				}
				switch {
				case worker == 3 && round%2 == 0:
					os.Remove(blobPath(s, desc))
				case worker == 7:
					err = s.Put(ctx, desc, bytes.NewReader(layers[tag]))
				case worker == 11:
					for _, lerr := range s.Entries(ctx) {
						err = errors.Join(err, lerr)
					}
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func TestCrowd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if out, err := helper(t, "crowd", dir).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wait.Wait()
	wantClean(t, dir)
	s, log := newStore(t, dir)
	f, layers := harbour()
	for tag, layer := range layers {
		mustPull(t, s.Through(fullSource{f}, team, cache.Policy{}), tag, layer)
	}
	n := 0
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			t.Error(e, err)
		}
		n++
	}
	if n != len(layers) || log.String() != "" {
		t.Errorf("%d entries, want %d; log: %s", n, len(layers), log)
	}
}

// hang reads half of a blob into the cache, says so, and waits for its end.
func hang(t *testing.T, dir string) {
	s, _ := newStore(t, dir)
	data := noise(1<<20, 13)
	desc := describe("", data)
	f := newFake()
	f.content[desc.Digest] = data
	f.body = func(b []byte) io.Reader {
		return io.MultiReader(bytes.NewReader(b[:len(b)/2]), announce{}, bytes.NewReader(b[len(b)/2:]))
	}
	if c, err := s.Through(f, team, cache.Policy{}).Open(t.Context(), desc); err == nil {
		c.Close()
	}
}

type announce struct{}

func (announce) Read([]byte) (int, error) {
	os.Stdout.WriteString("half\n")
	select {}
}

// A process that is killed while content arrives costs nobody anything.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	cmd := helper(t, "hang", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "half\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if left, err := os.ReadDir(filepath.Join(dir, "ingest")); err != nil || len(left) != 1 {
		t.Fatalf("%d files in ingest, %v: the process was not in the middle", len(left), err)
	}

	s, log := newStore(t, dir)
	data := noise(1<<20, 13)
	desc := describe("", data)
	if ok, _ := s.Exists(t.Context(), desc); ok {
		t.Error("half of the content exists")
	}
	f := newFake()
	f.content[desc.Digest] = data
	for range 2 {
		if got, err := fetch(t.Context(), s.Through(f, team, cache.Policy{}), desc); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if got := f.spent(); got != "Fetch" || strings.TrimSpace(log.String()) != "" {
		t.Errorf("asked the source for %q; log: %s", got, log)
	}
}

// A process that hangs while content arrives delays nobody for longer than the
// patience.
func TestHung(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	cmd := helper(t, "hang", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	const patience = time.Second
	s, err := cache.Open(dir, &cache.Options{Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	data := noise(1<<20, 13)
	desc := describe("", data)
	f := newFake()
	f.content[desc.Digest] = data
	start := time.Now()
	got, err := fetch(t.Context(), s.Through(f, team, cache.Policy{}), desc)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if took := time.Since(start); took < patience/2 || took > 5*patience {
		t.Errorf("took %s", took)
	}
}

// One Source, and its source, serve goroutines of one process.
func TestSharedSource(t *testing.T) {
	f, layers := harbour()
	s, _ := newStore(t, "")
	src := s.Through(fullSource{f}, team, cache.Policy{})
	g, ctx := errgroup.WithContext(t.Context())
	for worker := range 64 {
		g.Go(func() error {
			tag := fmt.Sprintf("%d.0.0", worker%len(layers))
			if _, err := src.Resolve(ctx, tag); err != nil {
				return err
			}
			got, _, err := pull(ctx, src, tag)
			if err == nil && !bytes.Equal(got, layers[tag]) {
				err = errors.New("wrong bytes")
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	wantClean(t, s.Dir())
}
