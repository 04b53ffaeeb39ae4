package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portolan-oci/portolan/cache"
)

// gcHelperDir names the directory for the other processes of these tests.
const gcHelperDir = "PORTOLAN_CACHE_TEST_GC"

// TestGCHelper is the other processes; alone it does nothing.
func TestGCHelper(t *testing.T) {
	dir := os.Getenv(gcHelperDir)
	if dir == "" {
		t.Skip("runs as a process of another test")
	}
	s, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("begins\n")
	for t.Context().Err() == nil {
		if _, err := s.Collect(t.Context(), cache.Limits{MaxSize: 1}, cache.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// gcOutdate makes what is in a directory look old, while others use it: all but
// what is being written.
func gcOutdate(dir string) {
	then := time.Now().Add(-10 * gcDay)
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(d.Name(), ".") {
			os.Chtimes(path, then, then) // it may be gone
		}
		return nil
	})
}

// Pulls and pins are right while collections remove all that they may, in this
// process and in others that are killed at any point. What is pinned is there.
func TestCollectCrowd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	f, layers := harbour()
	s, log := newStore(t, dir)
	pinned := newFake()
	var pins []string
	for i := range 4 {
		tag := fmt.Sprintf("%d.0.0-packed", i)
		pinned.add(tag, noise(10_000+i, uint64(50+i)))
		pins = append(pins, tag)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	g, gctx := errgroup.WithContext(t.Context())
	for worker := range 4 {
		g.Go(func() error { // reads
			for n := worker; ctx.Err() == nil && gctx.Err() == nil; n++ {
				tag := fmt.Sprintf("%d.0.0", n%len(layers))
				got, _, err := pull(gctx, s.Through(fullSource{f}, team, cache.Policy{}), tag)
				if err != nil || !bytes.Equal(got, layers[tag]) {
					return fmt.Errorf("pull %s: %d bytes, %w", tag, len(got), err)
				}
			}
			return nil
		})
	}
	g.Go(func() error { // packs
		for n := 0; ctx.Err() == nil && gctx.Err() == nil; n++ {
			for _, data := range pinned.content {
				if err := s.Put(gctx, describe("", data), bytes.NewReader(data)); err != nil {
					return err
				}
			}
			tag := pins[n%len(pins)]
			if err := s.Pin(gctx, team.WithTag(tag), pinned.tags[tag]); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error { // lets time pass
		for ctx.Err() == nil && gctx.Err() == nil {
			gcOutdate(filepath.Join(dir, "parts"))
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	g.Go(func() error { // lets time pass for what is not being pinned
		for ctx.Err() == nil && gctx.Err() == nil {
			for tag := range layers {
				then := time.Now().Add(-10 * gcDay)
				os.Chtimes(blobPath(s, describe("", layers[tag])), then, then)
				os.Chtimes(blobPath(s, f.tags[tag]), then, then)
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	removed := 0
	g.Go(func() error { // collects
		for ctx.Err() == nil && gctx.Err() == nil {
			c, err := s.Collect(gctx, cache.Limits{MaxSize: 1}, cache.CollectOptions{})
			removed += c.Removed
			if err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error { // collects elsewhere, until it is killed
		for ctx.Err() == nil && gctx.Err() == nil {
			if err := gcKilled(gctx, dir, time.Duration(rand.IntN(100))*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatalf("%v; log: %s", err, log)
	}
	if removed == 0 {
		t.Error("nothing was removed: the test shows nothing")
	}
	gcAge(t, 10*gcDay, dir)
	c, _ := gcRun(t, s, cache.Limits{MaxSize: 1}, false)
	if c.Rooted != 12 || c.Kept != 12 {
		t.Errorf("%+v, want 12 contents of four pins to stay", c)
	}
	for _, tag := range pins {
		if desc, err := s.Pinned(t.Context(), team.WithTag(tag)); err != nil || desc.Digest != pinned.tags[tag].Digest {
			t.Errorf("%s: %v", tag, err)
		}
		if err := s.Pin(t.Context(), team.WithTag(tag), pinned.tags[tag]); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"ingest", "locks"} {
		if left, err := os.ReadDir(filepath.Join(dir, name)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", name, left, err)
		}
	}
	wantClean(t, dir)
}

// gcKilled collects in another process, and kills it after that time.
func gcKilled(ctx context.Context, dir string, after time.Duration) error {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestGCHelper$")
	cmd.Env = append(os.Environ(), gcHelperDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line := make([]byte, 7)
	if _, err := io.ReadFull(out, line); err != nil {
		return err
	}
	time.Sleep(after)
	cmd.Process.Kill()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 && ctx.Err() == nil {
		return fmt.Errorf("the other process ended by itself, with %d", code)
	}
	return nil
}
