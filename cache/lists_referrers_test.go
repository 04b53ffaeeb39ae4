package cache_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

var listsSubject = describe(ocispec.MediaTypeImageManifest, []byte("a manifest"))

func listsReferrer(kind, data string) ocispec.Descriptor {
	desc := describe(ocispec.MediaTypeImageManifest, []byte(data))
	desc.ArtifactType, desc.Annotations = kind, map[string]string{"by": data}
	return desc
}

// listsReferrers reads the list of referrers, as "kind:by" of each.
func listsReferrers(t *testing.T, src *cache.Source, artifactType string) (string, cache.Listing, error) {
	t.Helper()
	var all []string
	listing, err := src.ListReferrers(t.Context(), listsSubject, artifactType, func(list []ocispec.Descriptor) error {
		for _, desc := range list {
			all = append(all, desc.ArtifactType+":"+desc.Annotations["by"])
		}
		return nil
	})
	return strings.Join(all, " "), listing, err
}

func TestReferrersModes(t *testing.T) {
	f := &listsSource{fakeSource: newFake(), referrers: [][]ocispec.Descriptor{{listsReferrer("sig", "a"), listsReferrer("sbom", "b")}, {listsReferrer("sig", "c")}}}
	for _, long := range []bool{false, true} { // names of files
		s, _ := newStore(t, "")
		subject := listsSubject
		if long {
			listsSubject.Digest = digest.SHA512.FromString("a manifest")
		}
		hour, offline := s.Through(f, team, cache.Policy{MaxAge: time.Hour}), s.Through(nil, team, cache.Policy{})
		if _, _, err := listsReferrers(t, offline, ""); !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "offline") {
			t.Errorf("offline, not asked before: %v", err)
		}
		for _, step := range []struct {
			name         string
			src          *cache.Source
			artifactType string
			want         string
			origin       cache.Origin
			asked        string
			failure      error
		}{
			{"one kind, nothing here", hour, "sig", "sig:a sig:c", cache.FromNetwork, "Referrers", nil},
			{"another kind, within max-age", hour, "sbom", "sbom:b", cache.FromCache, "", nil},
			{"all, within max-age", hour, "", "sig:a sbom:b sig:c", cache.FromCache, "", nil},
			{"a kind that is not there", hour, "vex", "", cache.FromCache, "", nil},
			{"confirm", s.Through(f, team, cache.Policy{}), "sig", "sig:a sig:c", cache.FromNetwork, "Referrers", nil},
			{"offline", offline, "sig", "sig:a sig:c", cache.FromCache, "", nil},
			{"offline, with a source", s.Through(f, team, cache.Policy{Offline: true}), "", "sig:a sbom:b sig:c", cache.FromCache, "", nil},
			{"stale", s.Through(f, team, cache.Policy{StaleIfError: time.Hour}), "sig", "sig:a sig:c", cache.FromStale, "Referrers", errListsDown},
			{"no cache", cache.None().Through(f, team, cache.Policy{}), "sig", "sig:a sig:c", cache.FromNetwork, "Referrerssig", nil},
		} {
			f.failure, f.failAt = step.failure, 1
			got, listing, err := listsReferrers(t, step.src, step.artifactType)
			if got != step.want || listing.Origin != step.origin || err != nil || listing.Listed.IsZero() {
				t.Errorf("%s: %q from %+v, %v; want %q from %s", step.name, got, listing, err, step.want, step.origin)
			}
			if asked := f.spent(); asked != step.asked {
				t.Errorf("%s: asked for %q, want %q", step.name, asked, step.asked)
			}
		}
		f.failure, f.failAt = nil, 0
		// Another manifest's list, another repository's and another partition's are not this one's.
		other := registry.Reference{Host: team.Host, Repository: "team/other"}
		if _, _, err := listsReferrers(t, s.Through(nil, other, cache.Policy{}), ""); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("another repository: %v", err)
		}
		tenant, err := cache.Open(s.Dir(), &cache.Options{Partition: "tenant"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := listsReferrers(t, tenant.Through(nil, team, cache.Policy{}), ""); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("another partition: %v", err)
		}
		listsSubject = subject
	}
}

// A caller who has found what he was looking for stops, and the list is kept.
func TestReferrersStop(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), referrers: [][]ocispec.Descriptor{{listsReferrer("sig", "a")}, {listsReferrer("sig", "b")}}}
	stop := errors.New("enough")
	for _, policy := range []cache.Policy{{}, {MaxAge: time.Hour}, {Offline: true}} {
		if err := s.Through(f, team, policy).Referrers(t.Context(), listsSubject, "", func([]ocispec.Descriptor) error { return stop }); err != stop {
			t.Errorf("%+v: error of fn came back as %v", policy, err)
		}
	}
	if got, _, err := listsReferrers(t, s.Through(nil, team, cache.Policy{}), ""); got != "sig:a sig:b" || err != nil {
		t.Errorf("kept %q, %v", got, err)
	}
	if asked := f.spent(); asked != "Referrers" {
		t.Errorf("asked for %q", asked)
	}
}

func TestReferrersNone(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake()}
	hour := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
	for _, want := range []string{"Referrers", ""} { // an empty list is one
		if got, _, err := listsReferrers(t, hour, ""); got != "" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if asked := f.spent(); asked != want {
			t.Errorf("asked for %q, want %q", asked, want)
		}
	}
	cache.ListsAge(t, listsKept(t, s, "referrers"), 61*time.Second)
	listsReferrers(t, hour, "")
	if asked := f.spent(); asked != "Referrers" {
		t.Errorf("after a minute asked for %q", asked)
	}
	if got, _, err := listsReferrers(t, s.Through(nil, team, cache.Policy{}), ""); got != "" || err != nil {
		t.Errorf("offline: %q, %v", got, err)
	}

	// No such repository: for a moment no question, offline no answer.
	f.failure = errListsNone
	cache.ListsAge(t, listsKept(t, s, "referrers"), 61*time.Second)
	for _, want := range []string{"Referrers", ""} {
		if _, _, err := listsReferrers(t, hour, ""); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("no repository: %v", err)
		}
		if asked := f.spent(); asked != want {
			t.Errorf("asked for %q, want %q", asked, want)
		}
	}
	if _, _, err := listsReferrers(t, s.Through(nil, team, cache.Policy{}), ""); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("offline: %v", err)
	}
	if _, err := hour.ListReferrers(t.Context(), ocispec.Descriptor{Digest: "sha256:../.."}, "", nil); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("a digest that is none: %v", err)
	}
}

// What was carried here is answered offline, and does not pass for what a
// registry said.
func TestReferrersCarried(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), referrers: [][]ocispec.Descriptor{{listsReferrer("sig", "b")}}}
	subject := team.WithDigest(listsSubject.Digest)
	offline := s.Through(nil, team, cache.Policy{})
	for _, carried := range [][]ocispec.Descriptor{{listsReferrer("sig", "a")}, {listsReferrer("sig", "a"), listsReferrer("sig", "b")}} {
		if err := cache.ListsHold(s, subject, carried...); err != nil {
			t.Fatal(err)
		}
	}
	if got, listing, err := listsReferrers(t, offline, ""); got != "sig:a sig:b" || !listing.Listed.IsZero() || err != nil {
		t.Errorf("offline: %q, %+v, %v", got, listing, err)
	}
	for failure, want := range map[error]error{errListsNone: registry.ErrNotFound, errListsDown: registry.ErrUnavailable} {
		f.failure = failure
		for _, policy := range []cache.Policy{{MaxAge: cache.Forever}, {StaleIfError: cache.Forever}} {
			if _, _, err := listsReferrers(t, s.Through(f, team, policy), ""); !errors.Is(err, want) {
				t.Errorf("%v under %+v: %v", failure, policy, err)
			}
		}
		if got, _, err := listsReferrers(t, offline, ""); got != "sig:a sig:b" || err != nil {
			t.Errorf("offline, after %v: %q, %v", failure, got, err)
		}
	}
	f.failure = nil
	if got, _, err := listsReferrers(t, s.Through(f, team, cache.Policy{MaxAge: cache.Forever}), ""); got != "sig:b" || err != nil {
		t.Errorf("the registry's own: %q, %v", got, err)
	}
	if err := cache.ListsHold(s, subject, listsReferrer("sig", "c")); err != nil {
		t.Fatal(err)
	}
	if got, listing, _ := listsReferrers(t, offline, ""); got != "sig:b sig:c" || !listing.Listed.IsZero() {
		t.Errorf("carried to a list: %q, %+v", got, listing)
	}
	if _, listing, err := listsReferrers(t, s.Through(f, team, cache.Policy{MaxAge: cache.Forever}), ""); listing.Origin != cache.FromNetwork || err != nil {
		t.Errorf("what no registry has said passes for its answer: %+v, %v", listing, err)
	}
	bare := team.WithDigest(digest.FromString("bare"))
	if err := cache.ListsHold(s, bare); err != nil {
		t.Fatal(err)
	}
	if _, err := offline.ListReferrers(t.Context(), ocispec.Descriptor{Digest: bare.Digest}, "", nil); err != nil {
		t.Errorf("carried without referrers: %v", err)
	}
	huge := listsReferrer("sig", strings.Repeat("x", 5<<20))
	if err := cache.ListsHold(s, subject, huge); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a list beyond the limit: %v", err)
	}
}

// A push may bring signatures along: what was listed before answers offline.
func TestPushDoubtsReferrers(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake(), referrers: [][]ocispec.Descriptor{{listsReferrer("sig", "a")}}}
	hour := s.Through(f, team, cache.Policy{MaxAge: time.Hour})
	listsReferrers(t, hour, "")
	f.spent()
	if err := hour.Record(t.Context(), "1.0.0", listsSubject); err != nil {
		t.Fatal(err)
	}
	if got, listing, err := listsReferrers(t, s.Through(nil, team, cache.Policy{}), ""); got != "sig:a" || err != nil || !listing.Listed.IsZero() {
		t.Errorf("offline: %q, %+v, %v", got, listing, err)
	}
	f.failure = errListsDown
	if _, _, err := listsReferrers(t, s.Through(f, team, cache.Policy{StaleIfError: time.Hour}), ""); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("stale: %v", err)
	}
	f.failure = nil
	if listsReferrers(t, hour, ""); f.spent() != "Referrers Referrers" {
		t.Error("within max-age, the source was not asked")
	}
	if listsReferrers(t, hour, ""); f.spent() != "" {
		t.Error("what it said then is not kept")
	}
}

// A list goes with its subject, whatever the length of its name.
func TestReferrersAreCollected(t *testing.T) {
	s, _ := newStore(t, "")
	f := &listsSource{fakeSource: newFake()}
	src := s.Through(f, team, cache.Policy{})
	data := []byte("a manifest")
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		desc := ocispec.Descriptor{Digest: algorithm.FromBytes(data), Size: int64(len(data))}
		put(t, s, desc, data)
		if err := src.Referrers(t.Context(), desc, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	lists := func() int {
		found, _ := filepath.Glob(filepath.Join(s.Dir(), "parts", "default", "referrers", "*", "*"))
		return len(found)
	}
	gcAge(t, 3*time.Hour, s.Dir())
	for _, step := range []struct {
		limits cache.Limits
		want   int
	}{{cache.Limits{}, 2}, {cache.Limits{MaxAge: time.Minute}, 0}} {
		if _, err := s.Collect(t.Context(), step.limits, cache.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := lists(); got != step.want {
			t.Errorf("%d lists after %+v, want %d", got, step.limits, step.want)
		}
	}
	for f, err := range s.Verify(t.Context(), cache.VerifyOptions{}) {
		t.Error(f, err)
	}
}

func TestListingAsJSON(t *testing.T) {
	data, err := json.Marshal([]cache.Listing{{Origin: cache.FromCache}, {Origin: cache.FromStale, Listed: time.Unix(0, 0).UTC(), Err: errListsDown}})
	if want := `[{"origin":"cache"},{"origin":"stale","listed":"1970-01-01T00:00:00Z"}]`; string(data) != want || err != nil {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
}
