package cache_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// faultsRewrite changes what a sealed file says.
func faultsRewrite(t testing.TB, path string, change func(note map[string]any)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const seal = sha256.Size*2 + 1
	var note map[string]any
	if err := json.Unmarshal(data[seal:], &note); err != nil {
		t.Fatal(err)
	}
	change(note)
	if data, err = json.Marshal(note); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	data = append(append(hex.AppendEncode(nil, sum[:]), '\n'), data...)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestWrongTimes gives everything in a cache times that a clock gone wrong has
// left: they are no reason to trust anything, nor to lose it.
func TestWrongTimes(t *testing.T) {
	now := time.Now()
	for name, then := range map[string]time.Time{
		"ten years ahead":     now.AddDate(10, 0, 0),
		"a minute ahead":      now.Add(time.Minute),
		"ten years ago":       now.AddDate(-10, 0, 0),
		"before there were":   time.Unix(0, 0),
		"the last that fits":  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"the first that fits": {},
	} {
		t.Run(name, func(t *testing.T) {
			f, s, _, _ := faultsCache(t)
			files, _ := faultsFiles(t, s.Dir())
			for _, path := range files {
				if err := os.Chtimes(path, then, then); err != nil && then.Year() < 9999 && !then.IsZero() {
					t.Fatal(err) // file systems have their own last and first
				}
			}
			refs, err := filepath.Glob(filepath.Join(s.Dir(), "parts", "default", "refs", "*", "*"))
			if err != nil || len(refs) != 1 {
				t.Fatal(refs, err)
			}
			faultsRewrite(t, refs[0], func(note map[string]any) { note["fetched"], note["confirmed"] = then, then })
			faultsWant(t, s, cache.VerifyOptions{})
			f.spent()

			offline := s.Through(nil, team, cache.Policy{})
			if res := mustPull(t, offline, "1.0.0", f.content[f.layer.Digest]); res.Descriptor.Digest != f.manifest.Digest {
				t.Errorf("offline: %+v", res)
			}
			if info, err := os.Stat(blobPath(s, f.layer)); err != nil || time.Since(info.ModTime()).Abs() > time.Minute {
				t.Errorf("the time of the last use is %v, %v", info.ModTime(), err)
			}
			trusting := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
			for _, want := range []string{"Resolve", ""} { // the first mends it
				mustPull(t, trusting, "1.0.0", f.content[f.layer.Digest])
				if got := f.spent(); got != want {
					t.Errorf("asked for %q, want %q", got, want)
				}
			}
			if err := errors.Join(f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClockSetBack uses a cache with a clock that is set back by decades, and
// then right again: a bubble of testing/synctest begins in the year 2000. A tag
// that moves meanwhile is followed at once each time.
func TestClockSetBack(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	move := func(seed uint64) (layer []byte) {
		layer = noise(400, seed)
		f.manifest, f.layer = f.add("1.0.0", layer)
		return layer
	}
	trusting := cache.Policy{MaxAge: time.Hour}
	layer := move(91)
	synctest.Test(t, func(t *testing.T) {
		if year := time.Now().Year(); year > 2001 {
			t.Fatalf("the clock was not set back: %d", year)
		}
		ctx := context.Background()
		if res := mustPull(t, s.Through(f, team, trusting), "1.0.0", layer); res.Origin != cache.FromNetwork || res.Confirmed.Year() != 2000 {
			t.Errorf("set back: %+v", res)
		}
		f.spent()
		mustPull(t, s.Through(f, team, trusting), "1.0.0", layer)
		if got := f.spent(); got != "" {
			t.Errorf("with that clock: asked for %q", got)
		}
		if err := f.use(ctx, s); err != nil {
			t.Error(err)
		}
		faultsWant(t, s, cache.VerifyOptions{})
	})
	layer = move(92)
	if res := mustPull(t, s.Through(f, team, trusting), "1.0.0", layer); res.Origin != cache.FromNetwork {
		t.Errorf("right again: %+v", res)
	}
	if err := errors.Join(f.use(t.Context(), s), f.pack(t.Context(), s)); err != nil {
		t.Error(err)
	}
	faultsWant(t, s, cache.VerifyOptions{})
}

// faultsDown is a registry that is down.
type faultsDown struct{ *faultsSource }

func (faultsDown) Resolve(context.Context, string) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, registry.ErrUnavailable
}

// Stale answers are as old as their confirmation says, where that can be: one
// that lies ahead may be of any age.
func TestStaleByAWrongClock(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	refs, _ := filepath.Glob(filepath.Join(s.Dir(), "parts", "default", "refs", "*", "*"))
	down := faultsDown{f}
	for name, tt := range map[string]struct {
		ahead time.Duration
		most  time.Duration
		want  bool
	}{
		"an hour ago":          {-time.Hour, 2 * time.Hour, true},
		"an hour ago, too old": {-time.Hour, time.Minute, false},
		"an hour ahead":        {time.Hour, 2 * time.Hour, false},
	} {
		faultsRewrite(t, refs[0], func(note map[string]any) { note["confirmed"] = time.Now().Add(tt.ahead) })
		_, err := s.Through(down, team, cache.Policy{StaleIfError: tt.most}).Resolve(t.Context(), "1.0.0")
		if (err == nil) != tt.want || err != nil && !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
