package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// What each pull may ask of the source.
func TestRequests(t *testing.T) {
	old, new := []byte("the old layer"), []byte("the new layer")
	tests := []struct {
		name   string
		policy cache.Policy
		by     string // "": the tag
		before func(f *fakeSource, s *cache.Store, manifest, layer ocispec.Descriptor)
		basic  bool // the source has no optional role
		warm   bool
		want   string
	}{
		{name: "cold by tag", want: "Fetch FetchReference"},
		{name: "cold by tag, no role", basic: true, want: "Fetch Fetch Resolve"},
		{name: "cold by digest", by: "digest", want: "Fetch FetchReference"},
		{name: "warm by tag, unchanged", warm: true, want: "Resolve"},
		{name: "warm by digest", warm: true, by: "digest", want: ""},
		{name: "warm within max-age", warm: true, policy: cache.Policy{MaxAge: time.Hour}, want: ""},
		{name: "warm beyond max-age", warm: true, policy: cache.Policy{MaxAge: time.Nanosecond}, want: "Resolve"},
		{name: "warm offline", warm: true, policy: cache.Policy{Offline: true}, want: ""},
		{name: "warm, tag moved", warm: true, want: "Fetch Fetch Resolve", before: func(f *fakeSource, s *cache.Store, _, _ ocispec.Descriptor) {
			f.add("1.0.0", new)
		}},
		{name: "warm, manifest lost", warm: true, want: "FetchReference", before: func(f *fakeSource, s *cache.Store, manifest, _ ocispec.Descriptor) {
			os.Remove(blobPath(s, manifest))
		}},
		{name: "warm within max-age, manifest lost", warm: true, policy: cache.Policy{MaxAge: time.Hour}, want: "FetchReference", before: func(f *fakeSource, s *cache.Store, manifest, _ ocispec.Descriptor) {
			os.Remove(blobPath(s, manifest))
		}},
		{name: "warm, manifest bad", warm: true, want: "Fetch Resolve", before: func(f *fakeSource, s *cache.Store, manifest, _ ocispec.Descriptor) {
			flip(t, blobPath(s, manifest))
		}},
		{name: "within max-age, manifest bad, tag moved and old one gone", warm: true, policy: cache.Policy{MaxAge: time.Hour}, want: "Fetch Fetch Fetch Resolve", before: func(f *fakeSource, s *cache.Store, manifest, _ ocispec.Descriptor) {
			flip(t, blobPath(s, manifest))
			f.add("1.0.0", new)
			delete(f.content, manifest.Digest)
		}},
		{name: "warm, layer lost", warm: true, want: "Fetch Resolve", before: func(f *fakeSource, s *cache.Store, _, layer ocispec.Descriptor) {
			os.Remove(blobPath(s, layer))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			manifest, layer := f.add("1.0.0", old)
			s, _ := newStore(t, "")
			if tt.warm {
				mustPull(t, s.Through(fullSource{f}, v1, cache.Policy{}), "1.0.0", old)
				time.Sleep(time.Microsecond) // so that a nanosecond has passed
			}
			if tt.before != nil {
				tt.before(f, s, manifest, layer)
			}
			f.spent()
			var src registry.Source = fullSource{f}
			if tt.basic {
				src = f
			}
			reference, want := "1.0.0", old
			if tt.by == "digest" {
				reference = manifest.Digest.String()
			}
			if strings.Contains(tt.name, "moved") {
				want = new
			}
			through := s.Through(src, v1, tt.policy)
			mustPull(t, through, reference, want)
			if got := f.spent(); got != tt.want {
				t.Errorf("asked the source for %q, want %q", got, tt.want)
			}
			// Whatever came before, the cache is warm now.
			mustPull(t, s.Through(src, v1, cache.Policy{Offline: true}), reference, want)
			if got := f.spent(); got != "" {
				t.Errorf("offline, asked the source for %q", got)
			}
			wantClean(t, s.Dir())
		})
	}
}

func TestOfflineMiss(t *testing.T) {
	f := newFake()
	manifest, layer := f.add("1.0.0", []byte("layer"))
	s, _ := newStore(t, "")
	for name, src := range map[string]*cache.Source{
		"nil source": s.Through(nil, v1, cache.Policy{}),
		"source":     s.Through(fullSource{f}, v1, cache.Policy{Offline: true}),
	} {
		for op, call := range map[string]func() error{
			"resolve " + v1.String():                          func() error { _, err := src.Resolve(t.Context(), "1.0.0"); return err },
			"resolve " + team.String() + "@":                  func() error { _, err := src.Resolve(t.Context(), manifest.Digest.String()); return err },
			"resolve " + team.String() + ":2":                 func() error { _, _, err := src.FetchReference(t.Context(), "2"); return err },
			"fetch " + team.WithDigest(layer.Digest).String(): func() error { _, err := src.Fetch(t.Context(), layer); return err },
			"fetch " + team.String() + "@":                    func() error { _, err := src.Open(t.Context(), layer); return err },
			"list tags " + team.String():                      func() error { return src.Tags(t.Context(), "", nil) },
		} {
			err := call()
			if !errors.Is(err, registry.ErrNotFound) || !strings.HasPrefix(err.Error(), op) || !strings.Contains(err.Error(), "offline") {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
		if ok, err := src.Exists(t.Context(), layer); ok || err != nil {
			t.Errorf("%s: Exists = %t, %v", name, ok, err)
		}
	}
	if got := f.spent(); got != "" {
		t.Errorf("offline, asked the source for %q", got)
	}
}

func TestTags(t *testing.T) {
	f := newFake()
	for _, tag := range []string{"1.0.0", "2.0.0", "RC", "rc", "1.0.0_a"} {
		f.add(tag, []byte(tag))
	}
	s, _ := newStore(t, "")
	src := s.Through(fullSource{f}, team, cache.Policy{})
	for _, tag := range []string{"RC", "1.0.0", "rc", "1.0.0+a"} {
		mustPull(t, src, tag, []byte(registry.TagOfVersion(tag)))
	}
	other := registry.Reference{Host: team.Host, Repository: "team/other"}
	mustPull(t, s.Through(fullSource{f}, other, cache.Policy{}), "2.0.0", []byte("2.0.0"))
	list := func(src *cache.Source, last string) (all []string) {
		t.Helper()
		if err := src.Tags(t.Context(), last, func(tags []string) error { all = append(all, tags...); return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	offline := s.Through(nil, team, cache.Policy{})
	if got, want := list(offline, ""), []string{"1.0.0", "1.0.0_a", "RC", "rc"}; !slices.Equal(got, want) {
		t.Errorf("offline tags %q, want %q", got, want)
	}
	if got, want := list(offline, "RC"), []string{"rc"}; !slices.Equal(got, want) {
		t.Errorf("offline tags after RC %q, want %q", got, want)
	}
	if got, want := list(src, "1.0.0_a"), []string{"2.0.0", "RC", "rc"}; !slices.Equal(got, want) {
		t.Errorf("tags %q, want %q", got, want)
	}
	stop := errors.New("enough")
	for name, src := range map[string]*cache.Source{"online": src, "offline": offline} {
		if err := src.Tags(t.Context(), "", func([]string) error { return stop }); err != stop {
			t.Errorf("%s: error of fn came back as %v", name, err)
		}
	}
	if err := s.Through(f, team, cache.Policy{}).Tags(t.Context(), "", nil); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("without the role: %v", err)
	}
}

func TestRecord(t *testing.T) {
	f := newFake()
	manifest, layer := f.add("1.0.0", []byte("layer"))
	s, _ := newStore(t, "")
	src := s.Through(f, v1, cache.Policy{MaxAge: time.Hour})
	put(t, s, manifest, f.content[manifest.Digest])
	put(t, s, layer, []byte("layer"))
	if err := src.Record(t.Context(), "1.0.0+x", manifest); err != nil {
		t.Fatal(err)
	}
	mustPull(t, src, "1.0.0_x", []byte("layer"))
	if got := f.spent(); got != "" {
		t.Errorf("after Record, asked the source for %q", got)
	}
	unknown, _ := newFake().add("1.0.0", []byte("other"))
	if err := src.Record(t.Context(), "1.0.0+x", unknown); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Through(nil, v1, cache.Policy{}).Resolve(t.Context(), "1.0.0_x"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a tag that was pushed over is still known: %v", err)
	}
	if err := src.Record(t.Context(), "-", manifest); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("Record of no tag: %v", err)
	}
}

// A source that answers a digest with another one is not believed.
func TestResolveOtherDigest(t *testing.T) {
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	asked := describe("", []byte("something else")).Digest
	f.tags[asked.String()] = manifest
	s, _ := newStore(t, "")
	for name, src := range map[string]registry.Source{"Resolve": f, "FetchReference": fullSource{f}} {
		if _, _, err := s.Through(src, team, cache.Policy{}).FetchManifest(t.Context(), asked.String()); !errors.Is(err, registry.ErrDigestMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManifestLimit(t *testing.T) {
	f := newFake()
	big := bytes.Repeat([]byte(" "), 4<<20+1)
	desc := describe(ocispec.MediaTypeImageManifest, big)
	f.content[desc.Digest], f.tags["big"] = big, desc
	s, _ := newStore(t, "")
	for _, src := range []registry.Source{f, fullSource{f}} {
		_, _, err := s.Through(src, team, cache.Policy{}).FetchManifest(t.Context(), "big")
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(4<<20)) {
			t.Errorf("manifest beyond the limit: %v", err)
		}
	}
}

func flip(t testing.TB, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}
