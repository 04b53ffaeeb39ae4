package cache

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What is held answers for its tag where nothing newer is known, and stays when
// something is, until it is released.
func TestHeld(t *testing.T) {
	s, desc, _ := recorded(t)
	if err := s.hold(newRecord(chartRef, desc, time.Now(), time.Time{})); err != nil {
		t.Fatal(err)
	}
	offline := s.Through(nil, chartRef, Policy{Offline: true})
	for _, spoil := range []func(path string) error{
		os.Remove,
		func(path string) error { return os.WriteFile(path, []byte("flipped"), 0o600) },
	} {
		if err := spoil(s.refPath(chartRef)); err != nil {
			t.Fatal(err)
		}
		res, err := offline.Lookup(t.Context(), chartRef.Tag)
		if err != nil || res.Descriptor.Digest != desc.Digest || !res.Confirmed.IsZero() {
			t.Errorf("%+v, %v", res, err)
		}
		var tags []string
		err = offline.Tags(t.Context(), "", func(page []string) error { tags = append(tags, page...); return nil })
		if err != nil || !slices.Equal(tags, []string{chartRef.Tag}) {
			t.Errorf("tags %q, %v", tags, err)
		}
		n := 0
		for e, err := range s.Entries(t.Context()) {
			if n++; err != nil || !e.Held || e.Reference != chartRef || e.Descriptor.Digest != desc.Digest {
				t.Errorf("%+v, %v", e, err)
			}
		}
		if n != 1 {
			t.Errorf("%d entries", n)
		}
		if err := s.writeRef(newRecord(chartRef, desc, time.Now(), time.Now())); err != nil {
			t.Fatal(err)
		}
	}

	// The registry has another manifest by now.
	newer, path := gcBlob(t, s, `{"schemaVersion":2}`, 100*time.Hour)
	newer.MediaType = ocispec.MediaTypeImageManifest
	if err := s.writeRef(newRecord(chartRef, newer, time.Now(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if res, err := offline.Lookup(t.Context(), chartRef.Tag); err != nil || res.Descriptor.Digest != newer.Digest {
		t.Errorf("%+v, %v", res, err)
	}
	collect := func() {
		t.Helper()
		gcTouch(t, s.blobPath(desc.Digest), time.Now().Add(-100*time.Hour))
		if _, err := s.Collect(t.Context(), Limits{MaxAge: time.Hour}, CollectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	collect()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) || !s.has(desc) {
		t.Errorf("the newer one: %v; what is held is here: %t", err, s.has(desc))
	}
	for _, want := range []bool{true, false} {
		if released, err := s.Release(t.Context(), chartRef); err != nil || released != want {
			t.Errorf("released: %t, %v", released, err)
		}
	}
	collect()
	if s.has(desc) {
		t.Error("what was released stays")
	}
}
