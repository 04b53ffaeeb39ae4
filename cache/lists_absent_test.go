package cache_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// listsFull is a listsSource that resolves and fetches in one request.
type listsFull struct{ *listsSource }

func (l listsFull) FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, io.ReadCloser, error) {
	if l.failure != nil {
		l.count("FetchReference")
		return ocispec.Descriptor{}, nil, l.failure
	}
	return fullSource{l.fakeSource}.FetchReference(ctx, reference)
}

// listsAbsent is where it is noted that there was none.
func listsAbsent(s *cache.Store) []string {
	found, _ := filepath.Glob(filepath.Join(s.Dir(), "parts", "*", "absent", "*", "*"))
	return found
}

func TestAbsence(t *testing.T) {
	gone := digest.FromString("a manifest that is nowhere").String()
	hour := cache.Policy{MaxAge: time.Hour}
	for _, tc := range []struct {
		name    string
		object  string
		policy  cache.Policy
		failure error
		age     time.Duration
		want    error
		again   string // what the second time costs
		noted   int
	}{
		{"tag", "9.9.9", hour, nil, 0, registry.ErrNotFound, "", 1},
		{"digest", gone, hour, nil, 0, registry.ErrNotFound, "", 1},
		{"tag, beyond max-age", "9.9.9", cache.Policy{MaxAge: 20 * time.Second}, nil, 30 * time.Second, registry.ErrNotFound, "Ask", 1},
		{"tag, beyond a minute", "9.9.9", hour, nil, 61 * time.Second, registry.ErrNotFound, "Ask", 1},
		{"tag, in the future", "9.9.9", hour, nil, -time.Hour, registry.ErrNotFound, "Ask", 1},
		{"confirm", "9.9.9", cache.Policy{}, nil, 0, registry.ErrNotFound, "Ask", 0},
		{"stale if error", "9.9.9", cache.Policy{StaleIfError: time.Hour}, nil, 0, registry.ErrNotFound, "Ask", 0},
		{"repository", "9.9.9", hour, errListsNone, 0, registry.ErrNotFound, "", 1},
		{"denied", "9.9.9", hour, errListsDenied, 0, registry.ErrDenied, "Ask", 0},
		{"denied and not found", "9.9.9", hour, errors.Join(registry.ErrNotFound, registry.ErrDenied), 0, registry.ErrDenied, "Ask", 0},
		{"unauthorized", "9.9.9", hour, registry.ErrUnauthorized, 0, registry.ErrUnauthorized, "Ask", 0},
		{"down", "9.9.9", hour, errListsDown, 0, registry.ErrUnavailable, "Ask", 0},
		{"rate limited", "9.9.9", hour, registry.ErrRateLimited, 0, registry.ErrRateLimited, "Ask", 0},
		{"cancelled", "9.9.9", hour, context.Canceled, 0, context.Canceled, "Ask", 0},
	} {
		for op, ask := range map[string]func(*cache.Source) error{
			"Resolve":        func(src *cache.Source) error { _, err := src.Resolve(t.Context(), tc.object); return err },
			"FetchReference": func(src *cache.Source) error { _, _, err := src.FetchManifest(t.Context(), tc.object); return err },
		} {
			t.Run(tc.name+", "+op, func(t *testing.T) {
				s, log := newStore(t, "")
				f := &listsSource{fakeSource: newFake(), failure: tc.failure}
				src := s.Through(listsFull{f}, team, tc.policy)
				if err := ask(src); !errors.Is(err, tc.want) {
					t.Fatal(err)
				}
				noted := listsAbsent(s)
				if len(noted) != tc.noted {
					t.Fatalf("noted %q, want %d", noted, tc.noted)
				}
				for _, path := range noted {
					cache.ListsAge(t, path, tc.age)
				}
				if asked := f.spent(); asked != op {
					t.Errorf("first asked for %q", asked)
				}
				err := ask(src)
				if !errors.Is(err, tc.want) {
					t.Error(err)
				}
				if asked := strings.ReplaceAll(f.spent(), op, "Ask"); asked != tc.again {
					t.Errorf("again asked for %q, want %q", asked, tc.again)
				}
				if tc.again == "" && (!strings.Contains(err.Error(), team.Name()) || !strings.Contains(err.Error(), "max-age")) {
					t.Errorf("says nothing of why: %v", err)
				}
				ask(s.Through(listsFull{f}, team, cache.Policy{})) // confirms, whatever is noted
				if asked := strings.ReplaceAll(f.spent(), op, "Ask"); asked != "Ask" {
					t.Errorf("confirming, asked for %q", asked)
				}
				if log.String() != "" {
					t.Error(log)
				}
				wantClean(t, s.Dir())
			})
		}
	}
}

// What appears is seen by those who publish it and those who confirm it.
func TestAbsenceEnds(t *testing.T) {
	hour := cache.Policy{MaxAge: time.Hour}
	for name, appear := range map[string]func(t *testing.T, s *cache.Store, f *listsSource, manifest ocispec.Descriptor){
		"confirmed by tag": func(t *testing.T, s *cache.Store, f *listsSource, _ ocispec.Descriptor) {
			mustPull(t, s.Through(listsFull{f}, team, cache.Policy{}), "1.0.0", []byte("layer"))
		},
		"confirmed by digest": func(t *testing.T, s *cache.Store, f *listsSource, manifest ocispec.Descriptor) {
			if _, err := s.Through(listsFull{f}, team, cache.Policy{}).Resolve(t.Context(), manifest.Digest.String()); err != nil {
				t.Fatal(err)
			}
		},
		"pushed": func(t *testing.T, s *cache.Store, f *listsSource, manifest ocispec.Descriptor) {
			if err := s.Through(nil, team, hour).Record(t.Context(), "1.0.0", manifest); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t, "")
			f := &listsSource{fakeSource: newFake()}
			manifest, _ := newFake().add("1.0.0", []byte("layer"))
			object := "1.0.0"
			if strings.HasSuffix(name, "digest") {
				object = manifest.Digest.String()
			}
			src := s.Through(listsFull{f}, team, hour)
			if _, _, err := src.FetchManifest(t.Context(), object); !errors.Is(err, registry.ErrNotFound) {
				t.Fatal(err)
			}
			f.add("1.0.0", []byte("layer"))
			if _, _, err := src.FetchManifest(t.Context(), object); !errors.Is(err, registry.ErrNotFound) {
				t.Fatalf("not trusted: %v", err)
			}
			appear(t, s, f, manifest)
			if noted := listsAbsent(s); len(noted) != 0 {
				t.Errorf("still noted: %q", noted)
			}
			mustPull(t, src, object, []byte("layer"))
		})
	}
}

// A tag that was removed is answered offline only: not when the registry is
// down, and not within max-age.
func TestRemovedTag(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake()}
	f.add("1.0.0", []byte("layer"))
	policy := cache.Policy{StaleIfError: time.Hour}
	mustPull(t, s.Through(listsFull{f}, team, policy), "1.0.0", []byte("layer"))
	f.failure = errListsDown
	if res := mustPull(t, s.Through(listsFull{f}, team, policy), "1.0.0", []byte("layer")); res.Origin != cache.FromStale {
		t.Errorf("before it was removed: %s", res.Origin)
	}
	f.failure = nil
	delete(f.tags, "1.0.0")
	if _, _, err := s.Through(listsFull{f}, team, policy).FetchManifest(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	f.failure = errListsDown
	if _, _, err := s.Through(listsFull{f}, team, policy).FetchManifest(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("removed, registry down: %v", err)
	}
	f.failure = nil
	hour := s.Through(listsFull{f}, team, cache.Policy{MaxAge: time.Hour})
	f.spent()
	for _, want := range []string{"Resolve", ""} {
		if _, _, err := hour.FetchManifest(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("removed, within max-age: %v", err)
		}
		if asked := f.spent(); asked != want {
			t.Errorf("asked for %q, want %q", asked, want)
		}
	}
	if res := mustPull(t, s.Through(nil, team, cache.Policy{}), "1.0.0", []byte("layer")); !res.Confirmed.IsZero() {
		t.Errorf("offline, confirmed %s", res.Confirmed)
	}
}

// A tag that is spelled as a digest's file name is another thing.
func TestAbsenceNames(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake()}
	src := s.Through(listsFull{f}, team, cache.Policy{MaxAge: time.Hour})
	d := digest.FromString("x")
	long := digest.SHA512.FromString("x")
	for _, object := range []string{"sha256-" + d.Encoded(), d.String(), long.String(), "RC", "rc", "con"} {
		src.Resolve(t.Context(), object)
	}
	f.spent()
	for _, object := range []string{"sha256-" + d.Encoded(), d.String(), long.String(), "RC", "rc", "con"} {
		if _, err := src.Resolve(t.Context(), object); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", object, err)
		}
	}
	if asked := f.spent(); asked != "" {
		t.Errorf("asked for %q", asked)
	}
	for fault, err := range s.Verify(t.Context(), cache.VerifyOptions{}) {
		t.Error(fault, err)
	}
	for _, path := range listsAbsent(s) {
		if name := filepath.Base(path); len(name)+14 > 143 || strings.ToLower(name) != name || strings.ContainsAny(name, `:<>"|?*\`) || name == "con" {
			t.Errorf("file name %q", name)
		}
	}
}

// Bad notes of every kind are removed, told of, and asked for anew.
func TestListsHeal(t *testing.T) {
	for kind, read := range map[string]func(*cache.Source) error{
		"tags": func(src *cache.Source) error {
			return src.Tags(t.Context(), "", func([]string) error { return nil })
		},
		"referrers": func(src *cache.Source) error {
			return src.Referrers(t.Context(), listsSubject, "", func([]ocispec.Descriptor) error { return nil })
		},
		"absent": func(src *cache.Source) error {
			if _, err := src.Resolve(t.Context(), "9.9.9"); !errors.Is(err, registry.ErrNotFound) {
				return errors.Join(errors.New("no absence"), err)
			}
			return nil
		},
	} {
		t.Run(kind, func(t *testing.T) {
			s, log := newStore(t, "")
			f := &listsSource{fakeSource: newFake(), pages: [][]string{{"1.0.0"}}, referrers: [][]ocispec.Descriptor{{listsReferrer("sig", "a")}}}
			src := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
			if err := read(src); err != nil {
				t.Fatal(err)
			}
			path := listsKept(t, s, kind)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f.spent()
			for i := range good {
				bad := []byte(string(good))
				bad[i] ^= 1
				if err := os.WriteFile(path, bad, 0o666); err != nil {
					t.Fatal(err)
				}
				if err := read(src); err != nil || f.spent() == "" {
					t.Fatalf("byte %d flipped: %v, or nothing was asked for", i, err)
				}
			}
			if !strings.Contains(log.String(), "bad file in the cache removed") {
				t.Errorf("log: %s", log)
			}
			// A good file in the place of another is not that one's.
			other := registry.Reference{Host: team.Host, Repository: "team/other"}
			if err := read(s.Through(f, other, cache.Policy{MaxAge: time.Hour})); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, good, 0o666); err != nil {
				t.Fatal(err)
			}
			filepath.WalkDir(filepath.Join(s.Dir(), "parts", "default", kind), func(p string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() && p != path {
					err = os.WriteFile(p, good, 0o666)
				}
				return err
			})
			f.spent()
			if err := read(s.Through(f, other, cache.Policy{MaxAge: time.Hour})); err != nil || f.spent() == "" {
				t.Errorf("another's file: %v, or nothing was asked for", err)
			}
		})
	}
}
