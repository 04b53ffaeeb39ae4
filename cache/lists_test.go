package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// listsSource lists in pages, and fails before the page of that number.
type listsSource struct {
	*fakeSource
	pages     [][]string
	referrers [][]ocispec.Descriptor
	failAt    int
	failure   error
	between   func(ctx context.Context, page int) // each page, before it
}

func (l *listsSource) step(ctx context.Context, page int) error {
	if l.between != nil {
		l.between(ctx, page)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.failure != nil && page >= l.failAt {
		return l.failure
	}
	return nil
}

func (l *listsSource) Tags(ctx context.Context, last string, fn func([]string) error) error {
	l.count("Tags")
	return listsPages(ctx, l, l.pages, fn)
}

func (l *listsSource) Referrers(ctx context.Context, _ ocispec.Descriptor, artifactType string, fn func([]ocispec.Descriptor) error) error {
	l.count("Referrers" + artifactType)
	return listsPages(ctx, l, l.referrers, fn)
}

func listsPages[T any](ctx context.Context, l *listsSource, pages [][]T, fn func([]T) error) error {
	for i := 0; ; i++ {
		if err := l.step(ctx, i); err != nil {
			return err
		}
		if i == len(pages) {
			return nil
		}
		if err := fn(slices.Clone(pages[i])); err != nil {
			return err
		}
	}
}

func (l *listsSource) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	if l.failure != nil {
		l.count("Resolve")
		return ocispec.Descriptor{}, l.failure
	}
	return l.fakeSource.Resolve(ctx, reference)
}

var (
	errListsDown   = fmt.Errorf("dial: %w", registry.ErrUnavailable)
	errListsNone   = &registry.Error{Op: "list", Kind: registry.ErrNotFound, StatusCode: 404}
	errListsDenied = &registry.Error{Op: "list", Kind: registry.ErrDenied, StatusCode: 403}
)

// listsTags reads the list of tags.
func listsTags(t *testing.T, src *cache.Source) (string, cache.Listing, error) {
	t.Helper()
	var all []string
	listing, err := src.ListTags(t.Context(), "", func(tags []string) error { all = append(all, tags...); return nil })
	return strings.Join(all, " "), listing, err
}

// listsKept is the one file of lists of that kind.
func listsKept(t *testing.T, s *cache.Store, kind string) string {
	t.Helper()
	var found []string
	filepath.WalkDir(filepath.Join(s.Dir(), "parts", "default", kind), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	if len(found) != 1 {
		t.Fatalf("files in %s: %q, want one", kind, found)
	}
	return found[0]
}

func TestTagListModes(t *testing.T) {
	hour := cache.Policy{MaxAge: time.Hour}
	stale := cache.Policy{StaleIfError: time.Hour}
	for _, tc := range []struct {
		name    string
		warm    [][]string // the list that was read before; nil: none was
		age     time.Duration
		policy  cache.Policy
		failure error
		failAt  int
		want    string // "": an error
		origin  cache.Origin
		err     error
		asked   string
	}{
		{name: "confirm", warm: [][]string{{"1.0.0"}}, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "confirm, registry down", warm: [][]string{{"1.0.0"}}, failure: errListsDown, err: registry.ErrUnavailable, asked: "Tags"},
		{name: "within max-age", warm: [][]string{{"1.0.0"}}, policy: hour, want: "1.0.0", origin: cache.FromCache},
		{name: "within max-age, no list", policy: hour, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "beyond max-age", warm: [][]string{{"1.0.0"}}, age: 2 * time.Hour, policy: hour, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "from the future", warm: [][]string{{"1.0.0"}}, age: -time.Hour, policy: hour, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "empty, within a minute", warm: [][]string{{}}, age: 50 * time.Second, policy: hour, want: "", origin: cache.FromCache},
		{name: "empty, beyond a minute", warm: [][]string{{}}, age: 61 * time.Second, policy: hour, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "stale", warm: [][]string{{"1.0.0"}}, policy: stale, failure: errListsDown, want: "1.0.0", origin: cache.FromStale, asked: "Tags"},
		{name: "stale, down before the last page", warm: [][]string{{"1.0.0"}}, policy: stale, failure: errListsDown, failAt: 2, want: "1.0.0", origin: cache.FromStale, asked: "Tags"},
		{name: "stale, rate limited", warm: [][]string{{"1.0.0"}}, policy: stale, failure: registry.ErrRateLimited, want: "1.0.0", origin: cache.FromStale, asked: "Tags"},
		{name: "stale, registry answers", warm: [][]string{{"1.0.0"}}, policy: stale, want: "1.0.0 2.0.0 3.0.0", origin: cache.FromNetwork, asked: "Tags"},
		{name: "stale, too old", warm: [][]string{{"1.0.0"}}, age: 2 * time.Hour, policy: stale, failure: errListsDown, err: registry.ErrUnavailable, asked: "Tags"},
		{name: "stale, denied", warm: [][]string{{"1.0.0"}}, policy: stale, failure: errListsDenied, err: registry.ErrDenied, asked: "Tags"},
		{name: "stale, repository gone", warm: [][]string{{"1.0.0"}}, policy: stale, failure: errListsNone, err: registry.ErrNotFound, asked: "Tags"},
		{name: "stale, no list", policy: stale, failure: errListsDown, err: registry.ErrUnavailable, asked: "Tags"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := newStore(t, "")
			f := &listsSource{fakeSource: newFake()}
			if tc.warm != nil {
				f.pages = tc.warm
				if _, listing, err := listsTags(t, s.Through(f, team, cache.Policy{})); err != nil || listing.Origin != cache.FromNetwork {
					t.Fatal(listing, err)
				}
				cache.ListsAge(t, listsKept(t, s, "tags"), tc.age)
			}
			f.spent()
			f.pages, f.failure, f.failAt = [][]string{{"1.0.0", "2.0.0"}, {"3.0.0"}}, tc.failure, tc.failAt
			before := time.Now()
			got, listing, err := listsTags(t, s.Through(f, team, tc.policy))
			if got != tc.want || listing.Origin != tc.origin || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Errorf("%q from %q, %v; want %q from %q, %v", got, listing.Origin, err, tc.want, tc.origin, tc.err)
			}
			if (listing.Err != nil) != (tc.origin == cache.FromStale) || listing.Err != nil && !errors.Is(listing.Err, tc.failure) {
				t.Errorf("%s: failure %v", listing.Origin, listing.Err)
			}
			if asked := f.spent(); asked != tc.asked {
				t.Errorf("asked for %q, want %q", asked, tc.asked)
			}
			if age := before.Sub(listing.Listed); tc.origin != "" && (age-tc.age).Abs() > 30*time.Second && tc.origin != cache.FromNetwork {
				t.Errorf("listed %s ago, want %s", age, tc.age)
			}
			wantClean(t, s.Dir())
		})
	}
}

// Half a list is none: not when the caller stops, when the registry fails, or
// when it is beyond the limit.
func TestTagListIsWhole(t *testing.T) {
	long := slices.Repeat([]string{strings.Repeat("x", 127)}, 33_000) // 4.3 MB
	for _, tc := range []struct {
		name    string
		pages   [][]string
		last    string
		failure error
		own     error
	}{
		{name: "failure", pages: [][]string{{"1"}, {"2"}}, failure: errListsDown},
		{name: "caller stops", pages: [][]string{{"1"}, {"2"}}, own: errors.New("enough")},
		{name: "after a tag", pages: [][]string{{"2"}}, last: "1"},
		{name: "too long", pages: [][]string{long[:20_000], long[20_000:], {"1"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, log := newStore(t, "")
			f := &listsSource{fakeSource: newFake(), pages: tc.pages, failure: tc.failure, failAt: 1}
			n, want := 0, len(slices.Concat(tc.pages...))
			err := s.Through(f, team, cache.Policy{}).Tags(t.Context(), tc.last, func(tags []string) error { n += len(tags); return tc.own })
			if fails := tc.own != nil || tc.failure != nil; fails != (err != nil) || !fails && n != want {
				t.Errorf("%d tags, %v", n, err)
			}
			if tc.own != nil && err != tc.own {
				t.Errorf("error of fn came back as %v", err)
			}
			f.spent()
			f.failure = nil
			if _, listing, err := listsTags(t, s.Through(f, team, cache.Policy{MaxAge: time.Hour})); err != nil || listing.Origin != cache.FromNetwork {
				t.Errorf("then from %q, %v", listing.Origin, err)
			}
			if log.String() != "" {
				t.Error(log)
			}
		})
	}
	// A held list that turns out too long is handed out all the same, once.
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), pages: [][]string{{"1"}}}
	listsTags(t, s.Through(f, team, cache.Policy{}))
	f.pages = [][]string{{"1"}, long, {"2"}}
	got, listing, err := listsTags(t, s.Through(f, team, cache.Policy{StaleIfError: time.Hour}))
	if want := "1 " + strings.Join(long, " ") + " 2"; got != want || listing.Origin != cache.FromNetwork || err != nil {
		t.Errorf("%d bytes of tags, want %d; %+v, %v", len(got), len(want), listing, err)
	}
}

func TestTagListAfter(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), pages: [][]string{{"c", "a"}, {"b"}}}
	listsTags(t, s.Through(f, team, cache.Policy{}))
	f.spent()
	src := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
	for range 2 {
		var got []string
		if err := src.Tags(t.Context(), "a", func(tags []string) error { got = append(got, tags...); return nil }); err != nil || !slices.Equal(got, []string{"c", "b"}) {
			t.Errorf("after a: %q, %v", got, err)
		}
	}
	if asked := f.spent(); asked != "" {
		t.Errorf("asked for %q", asked)
	}
}

// Whoever pushed sees what he pushed, also when a list was on its way meanwhile.
func TestPushDropsTagList(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), pages: [][]string{{"1.0.0"}}}
	manifest, _ := f.add("2.0.0", []byte("layer"))
	src := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
	push := func() {
		if err := src.Record(t.Context(), "2.0.0", manifest); err != nil {
			t.Error(err)
		}
		f.pages = [][]string{{"1.0.0", "2.0.0"}}
	}
	listsTags(t, src)
	push()
	if got, listing, err := listsTags(t, src); got != "1.0.0 2.0.0" || listing.Origin != cache.FromNetwork || err != nil {
		t.Errorf("after a push: %q from %q, %v", got, listing.Origin, err)
	}
	os.Remove(listsKept(t, s, "tags"))
	f.pages = [][]string{{"1.0.0"}}
	f.between = func(_ context.Context, page int) {
		if page == 1 {
			push()
		}
	}
	listsTags(t, src)
	f.between = nil
	if got, listing, err := listsTags(t, src); got != "1.0.0 2.0.0" || listing.Origin != cache.FromNetwork || err != nil {
		t.Errorf("after a push while it was read: %q from %q, %v", got, listing.Origin, err)
	}
	if _, listing, _ := listsTags(t, src); listing.Origin != cache.FromCache {
		t.Errorf("the list after is %q", listing.Origin)
	}
}

// A registry that hangs is not waited for where a list can stand in, but one
// that is slow and gives page after page is.
func TestTagListPatience(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), pages: [][]string{{"1.0.0"}}}
	listsTags(t, s.Through(f, team, cache.Policy{}))
	src := s.Through(f, team, cache.Policy{StaleIfError: time.Hour, StalePatience: 400 * time.Millisecond})
	f.pages = [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"5"}}
	f.between = func(ctx context.Context, page int) {
		if page > 0 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	if got, listing, err := listsTags(t, src); got != "1 2 3 4 5" || listing.Origin != cache.FromNetwork || err != nil {
		t.Errorf("slow: %q, %+v, %v", got, listing, err)
	}
	f.between = func(ctx context.Context, page int) {
		if page == 1 {
			<-ctx.Done()
		}
	}
	if got, listing, err := listsTags(t, src); got != "1 2 3 4 5" || listing.Origin != cache.FromStale || err != nil || listing.Err == nil {
		t.Errorf("hung: %q, %+v, %v", got, listing, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.between = func(context.Context, int) { cancel() }
	if _, err := src.ListTags(ctx, "", func([]string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
