package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
)

func TestCollectByAge(t *testing.T) {
	s, _ := newStore(t, "")
	old := gcChart(t, s, "1.0.0", 1000, 40*gcDay)
	recent := gcChart(t, s, "2.0.0", 1000, 20*gcDay)
	now := gcChart(t, s, "3.0.0", 1000, 0)
	gcAge(t, 40*gcDay, filepath.Join(s.Dir(), "parts"))

	if c, all := gcCollect(t, s, cache.Limits{}); c.Removed+c.References+c.Notes+c.Litter > 0 || len(all) > 0 || c.Kept != 6 {
		t.Errorf("without limits: %+v, %v", c, all)
	}
	c, all := gcCollect(t, s, cache.Limits{MaxAge: 30 * gcDay})
	if gcHere(t, s, old...) || !gcHere(t, s, recent...) || !gcHere(t, s, now...) {
		t.Error("content of the wrong age is gone")
	}
	if c.Removed != 2 || c.RemovedBytes != old[0].Size+old[1].Size || c.Kept != 4 || c.References != 1 || c.Notes != 2 || c.Litter != 0 || c.Excess != 0 {
		t.Errorf("%+v", c)
	}
	var said []string
	for _, r := range all {
		said = append(said, fmt.Sprint(r.Kind, " ", r.Reason))
		if _, err := os.Lstat(r.Path); err == nil || r.Size == 0 || time.Since(r.LastUsed) < 30*gcDay {
			t.Errorf("%+v", r)
		}
	}
	if got := strings.Join(said, ", "); got != "content unused, content unused, reference content gone" || all[2].Reference != v1 || all[2].Digest != old[0].Digest {
		t.Errorf("told %s", got)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "parts", "default", "known", "sha256")); err != nil || len(left) != 4 {
		t.Errorf("%d contents are known, %v", len(left), err)
	}
	if c, _ := gcCollect(t, s, cache.Limits{MaxAge: 30 * gcDay}); c.Removed+c.References+c.Notes+c.Litter > 0 {
		t.Errorf("the second time: %+v", c)
	}
	gcChart(t, s, "1.0.0", 1000, 0) // which is fetched again
}

// What was used last stays, by the second: also of charts that were all used in
// one hour.
func TestCollectBySize(t *testing.T) {
	for _, between := range []time.Duration{gcDay, 2 * time.Second} {
		s, _ := newStore(t, "")
		const n, size = 10, 10_000
		for i := range n {
			gcChart(t, s, fmt.Sprintf("%d.0.0", i), size, 3*gcDay+time.Duration(n-i)*between)
		}
		c, all := gcCollect(t, s, cache.Limits{MaxSize: 4 * size})
		if c.KeptBytes > 4*size || c.KeptBytes < 3*size || c.Excess != 0 {
			t.Errorf("%s between them: %+v", between, c)
		}
		for e, err := range s.Entries(t.Context()) {
			if err != nil || e.Reference.Tag < "7.0.0" && e.Size > size/2 {
				t.Errorf("%s between them: %s is still here: %v", between, e.Reference, err)
			}
		}
		for _, r := range all {
			if r.Kind == cache.RemovedContent && r.Reason != cache.ReasonSize {
				t.Errorf("%+v", r)
			}
		}
	}
}

// Content of one second goes until there is enough, and no further.
func TestCollectBySizeTie(t *testing.T) {
	s, _ := newStore(t, "")
	const size = 10_000
	for i := range 10 {
		gcChart(t, s, fmt.Sprintf("%d.0.0", i), size, 0)
	}
	gcAge(t, gcDay, filepath.Join(s.Dir(), "blobs"))
	if c, _ := gcCollect(t, s, cache.Limits{MaxSize: 5 * size}); c.KeptBytes > 5*size || c.KeptBytes < 4*size {
		t.Errorf("%+v", c)
	}
}

func TestCollectByFreeSpace(t *testing.T) {
	s, _ := newStore(t, mount(t, t.TempDir(), "size=8m"))
	const size = 1 << 20
	for i := range 4 {
		gcChart(t, s, fmt.Sprintf("%d.0.0", i), size, time.Duration(10-i)*gcDay)
	}
	c, all := gcCollect(t, s, cache.Limits{MinFree: 5 << 20})
	if c.RemovedBytes < size || c.RemovedBytes > 2*size+10_000 || c.Excess != 0 {
		t.Errorf("%+v", c)
	}
	if len(all) == 0 || all[0].Reason != cache.ReasonFree {
		t.Errorf("%+v", all)
	}
	if c, _ := gcCollect(t, s, cache.Limits{MinFree: 1 << 40}); c.Kept != 0 || c.Excess < 1<<39 {
		t.Errorf("for more than there is: %+v", c)
	}
}

// A cache whose disk is full is collected, although nothing can be written.
func TestCollectFullDisk(t *testing.T) {
	s, _ := newStore(t, mount(t, t.TempDir(), "size=1m"))
	all := gcChart(t, s, "1.0.0", 100_000, gcDay)
	if err := os.WriteFile(filepath.Join(s.Dir(), "foreign"), noise(2<<20, 1), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	c, _ := gcRun(t, s, cache.Limits{MaxSize: 1}, false)
	if c.Removed != 2 || gcHere(t, s, all...) {
		t.Errorf("%+v", c)
	}
}

// What is within its grace stays, whatever the limits; less than the hour in
// which a use need not show is no grace.
func TestCollectGrace(t *testing.T) {
	for _, tt := range []struct {
		name       string
		age, grace time.Duration
		stays      bool
	}{
		{"used now", 0, 0, true},
		{"within the default", cache.DefaultGrace - time.Minute, 0, true},
		{"beyond the default", cache.DefaultGrace + time.Minute, 0, false},
		{"within a longer one", gcDay - time.Minute, gcDay, true},
		{"within the hour", 50 * time.Minute, time.Nanosecond, true},
		{"beyond the hour", 70 * time.Minute, time.Nanosecond, false},
		{"used in the future", -gcDay, 0, true},
	} {
		s, _ := newStore(t, "")
		all := gcChart(t, s, "1.0.0", 1000, tt.age)
		c, err := s.Collect(t.Context(), cache.Limits{MaxAge: time.Nanosecond, MaxSize: 1, Grace: tt.grace}, cache.CollectOptions{})
		if err != nil || gcHere(t, s, all...) != tt.stays || (c.Excess > 0) != tt.stays {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
		}
	}
}

// Pins of all partitions stay, with all that they name.
func TestCollectKeepsPins(t *testing.T) {
	s, log := newStore(t, "")
	tenant, err := cache.Open(s.Dir(), &cache.Options{Partition: "tenant"})
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	manifest, layer := f.add("1.0.0", noise(1000, 3))
	index := []byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, manifest.MediaType, manifest.Digest, manifest.Size))
	root := describe("application/vnd.oci.image.index.v1+json", index)
	f.content[root.Digest] = index
	keepAll(t, tenant, f)
	if err := tenant.Pin(t.Context(), v1, root); err != nil {
		t.Fatal(err)
	}
	gone := gcChart(t, s, "2.0.0", 1000, 0)
	gcAge(t, 400*gcDay, s.Dir())
	c, _ := gcCollect(t, s, cache.Limits{MaxAge: gcDay, MaxSize: 1})
	if c.Rooted != 4 || c.Kept != 4 || c.Excess == 0 || gcHere(t, s, gone...) {
		t.Errorf("%+v", c)
	}
	if got, err := fetch(t.Context(), tenant.Through(nil, v1, cache.Policy{}), layer); err != nil || !bytes.Equal(got, f.content[layer.Digest]) {
		t.Errorf("%d bytes of the pinned layer, %v", len(got), err)
	}

	// A pin whose manifest is lost keeps nothing, and stays.
	if err := os.Remove(blobPath(s, manifest)); err != nil {
		t.Fatal(err)
	}
	gcAge(t, 400*gcDay, s.Dir())
	if c, _ := gcCollect(t, s, cache.Limits{MaxAge: gcDay}); c.Kept != 1 || c.References != 0 {
		t.Errorf("%+v", c)
	}
	if _, err := tenant.Pinned(t.Context(), v1); err != nil {
		t.Error("the pin is lost:", err)
	}
	// After which it is content like any other.
	if err := tenant.Unpin(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	if c, _ := gcCollect(t, s, cache.Limits{MaxAge: gcDay}); c.Kept != 0 {
		t.Errorf("%+v", c)
	}
	if log.String() != "" {
		t.Error(log)
	}
}

// When it cannot be read what is pinned, nothing is removed.
func TestCollectUnreadablePins(t *testing.T) {
	for _, path := range []string{"parts", "parts/default/pins", "parts/default/held", "parts/default/known"} {
		s, _ := newStore(t, "")
		all := gcChart(t, s, "1.0.0", 1000, 400*gcDay)
		path = filepath.Join(s.Dir(), path)
		aside := filepath.Join(t.TempDir(), "aside")
		if err := os.Rename(path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := s.Collect(t.Context(), cache.Limits{MaxAge: gcDay}, cache.CollectOptions{}); err == nil || c.Removed > 0 {
			t.Errorf("%s: %+v, %v", path, c, err)
		}
		os.Remove(path)
		os.Rename(aside, path)
		if !gcHere(t, s, all...) {
			t.Errorf("%s: content is gone", path)
		}
	}
}

func TestCollectNothing(t *testing.T) {
	missing, _ := newStore(t, "")
	for _, s := range []*cache.Store{missing, cache.None()} {
		if c, err := s.Collect(t.Context(), cache.Limits{MaxAge: 1}, cache.CollectOptions{}); err != nil || c != (cache.Collection{}) {
			t.Errorf("%+v, %v", c, err)
		}
		if ran, c, err := s.CollectIfDue(t.Context(), cache.Limits{MaxAge: 1}, 0, cache.CollectOptions{}); err != nil || ran || c != (cache.Collection{}) {
			t.Errorf("%t, %+v, %v", ran, c, err)
		}
	}
	if _, err := os.Lstat(missing.Dir()); err == nil {
		t.Error("a collection has made the directory")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := missing.Collect(ended, cache.Limits{}, cache.CollectOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
