package cache

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// gcBlob keeps content that was used age ago.
func gcBlob(t *testing.T, s *Store, data string, age time.Duration) (ocispec.Descriptor, string) {
	t.Helper()
	desc := ocispec.Descriptor{Digest: digest.FromString(data), Size: int64(len(data))}
	if err := s.Put(t.Context(), desc, bytes.NewReader([]byte(data))); err != nil {
		t.Fatal(err)
	}
	path := s.blobPath(desc.Digest)
	gcTouch(t, path, time.Now().Add(-age))
	return desc, path
}

func gcTouch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func gcStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "cache"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Between the look at a file and its removal somebody may use it or bring it
// anew, and it stays.
func TestCollectUsedMeanwhile(t *testing.T) {
	const age = 100 * time.Hour
	for _, tt := range []struct {
		name      string
		meanwhile func(t *testing.T, s *Store, desc ocispec.Descriptor)
		stays     bool
	}{
		{"nothing", func(*testing.T, *Store, ocispec.Descriptor) {}, false},
		{"read", func(t *testing.T, s *Store, desc ocispec.Descriptor) {
			c, err := s.Open(t.Context(), desc)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}, true},
		{"brought anew", func(t *testing.T, s *Store, desc ocispec.Descriptor) { gcBlob(t, s, "content", 0) }, true},
		{"brought anew by a clock that is behind", func(t *testing.T, s *Store, desc ocispec.Descriptor) {
			gcBlob(t, s, "content", 2*age)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := gcStore(t)
			desc, path := gcBlob(t, s, "content", age)
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			tt.meanwhile(t, s, desc)
			c := newCollector(s, Limits{}, CollectOptions{})
			if removed := c.remove(condemned{path, desc.Digest, info, ReasonUnused}); removed == tt.stays {
				t.Errorf("removed: %t", removed)
			}
			if s.has(desc) != tt.stays || c.failed() != nil {
				t.Errorf("here: %t, %v", s.has(desc), c.failed())
			}
			if left, _ := os.ReadDir(s.path("ingest")); len(left) > 0 {
				t.Errorf("left in ingest: %v", left)
			}
		})
	}
}

// A collection that is killed while content is out of reach costs nothing that
// came anew in that moment.
func TestCollectKilledInBetween(t *testing.T) {
	for _, tt := range []struct {
		name  string
		age   time.Duration
		stays bool
	}{{"old", 100 * time.Hour, false}, {"anew", time.Minute, true}} {
		s := gcStore(t)
		desc, path := gcBlob(t, s, "content", tt.age)
		if err := os.Rename(path, s.asidePath(desc.Digest)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Collect(t.Context(), Limits{}, CollectOptions{}); err != nil || s.has(desc) != tt.stays {
			t.Errorf("%s: here: %t, %v", tt.name, s.has(desc), err)
		}
		if left, _ := os.ReadDir(s.path("ingest")); len(left) > 0 {
			t.Errorf("%s: left in ingest: %v", tt.name, left)
		}
	}
}

// Content that comes while a collection forgets who knew it is known again.
func TestCollectForgetsWhatComes(t *testing.T) {
	s := gcStore(t)
	desc, path := gcBlob(t, s, "content", 0)
	if err := os.Remove(s.knownPath(desc.Digest)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(s.knownPath(desc.Digest), info); err != nil {
		t.Fatal(err)
	}
	if since, ok := s.knows(desc.Digest); !ok || !since.Equal(info.ModTime()) {
		t.Errorf("known: %t, since %s", ok, since)
	}
}

// What was imported stays, without a pin.
func TestCollectKeepsHeld(t *testing.T) {
	s, desc, _ := recorded(t)
	layer, path := gcBlob(t, s, "layer", 100*time.Hour)
	data := []byte(`{"schemaVersion":2,"config":{"digest":"` + layer.Digest.String() + `","size":5}}`)
	held := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := s.Put(t.Context(), held, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	r := newRecord(chartRef.WithTag("2.0.0"), held, time.Now(), time.Time{})
	if err := errors.Join(s.writeRef(r), s.hold(r)); err != nil {
		t.Fatal(err)
	}
	// A signature, which came with it, refers to it.
	signature, signaturePath := gcBlob(t, s, `{"schemaVersion":2,"subject":{"digest":"`+held.Digest.String()+`","size":9}}`, 100*time.Hour)
	signature.MediaType = ocispec.MediaTypeImageManifest
	of := chartRef.WithDigest(held.Digest)
	of.Tag = ""
	list := s.part("referrers", hashName(of.Name()), escapeDigest(held.Digest))
	if err := s.writeSealed(list, listed[ocispec.Descriptor]{Of: of, Items: []ocispec.Descriptor{signature}}, false); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, signaturePath, list, s.blobPath(desc.Digest), s.blobPath(held.Digest), s.refPath(chartRef), s.refPath(r.Reference)} {
		gcTouch(t, path, time.Now().Add(-100*time.Hour))
	}
	c, err := s.Collect(t.Context(), Limits{MaxAge: time.Hour}, CollectOptions{})
	if err != nil || c.Rooted != 3 || c.Removed != 1 || c.References != 1 || !s.has(signature) || !s.has(layer) || !s.has(held) || s.has(desc) {
		t.Errorf("%+v, %v", c, err)
	}
}

// A time in the future is set right, unless it is the clock that is wrong, and
// is no reason to remove anything in either case.
func TestCollectClocks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		last  time.Duration // the collection before, from now; 0: none
		mends bool
	}{{"none before", 0, true}, {"one before", -time.Hour, true}, {"the clock is behind", time.Hour, false}} {
		s := gcStore(t)
		desc, path := gcBlob(t, s, "content", -1000*time.Hour)
		if tt.last != 0 {
			s.writeStamp(time.Now().Add(tt.last))
		}
		if _, err := s.Collect(t.Context(), Limits{MaxAge: 1, MaxSize: 1}, CollectOptions{}); err != nil || !s.has(desc) {
			t.Errorf("%s: here: %t, %v", tt.name, s.has(desc), err)
		}
		info, err := os.Lstat(path)
		if err != nil || !info.ModTime().After(time.Now()) != tt.mends {
			t.Errorf("%s: used %s, %v", tt.name, info.ModTime(), err)
		}
	}
}

func TestCollectIfDue(t *testing.T) {
	s := gcStore(t)
	due := func(want bool, when string) {
		t.Helper()
		desc, _ := gcBlob(t, s, when, 100*time.Hour)
		told := 0
		ran, c, err := s.CollectIfDue(t.Context(), Limits{MaxAge: time.Hour}, 24*time.Hour, CollectOptions{Removed: func(r Removal) {
			if r.Kind == RemovedContent {
				told++
			}
		}})
		if err != nil || ran != want || s.has(desc) == want || (c.Removed > 0) != want || told != c.Removed {
			t.Errorf("%s: ran: %t, %+v, told of %d, %v", when, ran, c, told, err)
		}
	}
	due(true, "the first time")
	due(false, "the second time")
	s.writeStamp(time.Now().Add(-23 * time.Hour))
	due(false, "within a day")
	s.writeStamp(time.Now().Add(-25 * time.Hour))
	claim, err := s.lockOut(t.Context(), lockCollect)
	if err != nil {
		t.Fatal(err)
	}
	due(false, "while another collects")
	claim.Release()
	due(true, "after a day")
	s.writeStamp(time.Now().Add(25 * time.Hour))
	due(true, "with a stamp of the future")
	if err := os.WriteFile(s.path("collected"), []byte("no stamp"), 0o666); err != nil {
		t.Fatal(err)
	}
	due(true, "with a bad stamp")
	if _, err := s.Collect(t.Context(), Limits{}, CollectOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	due(false, "after a dry run")
}

// One collection waits for the other, for as long as its context lasts. A dry
// run waits for nobody.
func TestCollectWaits(t *testing.T) {
	s := gcStore(t)
	gcBlob(t, s, "content", 0)
	claim, err := s.lockOut(t.Context(), lockCollect)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Collect(ctx, Limits{}, CollectOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := s.Collect(t.Context(), Limits{}, CollectOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Collect(t.Context(), Limits{}, CollectOptions{})
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	claim.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(s.path("locks")); err != nil || len(left) > 0 {
		t.Errorf("left in locks: %v, %v", left, err)
	}
}

// While content is removed, nothing is pinned, and the other way round.
func TestPinWaitsForRemovals(t *testing.T) {
	s, desc, _ := recorded(t)
	claim, err := s.holdRemovals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := s.Pin(ctx, chartRef, desc); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	claim.Release()
	if err := s.Pin(t.Context(), chartRef, desc); err != nil {
		t.Error(err)
	}
}

// A file that cannot be removed does not stop the rest.
func TestCollectGoesOn(t *testing.T) {
	s := gcStore(t)
	one, path := gcBlob(t, s, "one", 100*time.Hour)
	two, _ := gcBlob(t, s, "two", 100*time.Hour)
	if out, err := gcImmutable(path, true); err != nil {
		t.Skipf("needs root on Linux, and a file system that keeps attributes: %v: %s", err, out)
	}
	defer gcImmutable(path, false)
	c, err := s.Collect(t.Context(), Limits{MaxAge: time.Hour}, CollectOptions{})
	if !errors.Is(err, fs.ErrPermission) || c.Removed != 1 || c.Kept != 1 || s.has(two) || !s.has(one) {
		t.Errorf("%+v, %v", c, err)
	}
}
