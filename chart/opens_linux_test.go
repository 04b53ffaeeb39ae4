package chart_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/opens"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// benchOpens is how many files beneath the cache's directory a warm pull may
// open: on a network file system each is a round trip.
const benchOpens = 6

// A warm pull opens the note of its tag, if it has one, then the manifest and
// the archive, and nothing else. By digest it makes no request either.
func TestWarmPullOpens(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0", "1.1.0")
	tag := h.repo.WithTag("1.0.0")
	manifest := h.pull(t, h.client, tag, chart.PullOptions{}).Manifest.Digest
	h.pull(t, h.client, h.repo.WithTag("1.1.0"), chart.PullOptions{}) // beside it
	w, err := opens.Watch(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, tt := range []struct {
		name   string
		ref    registry.Reference
		policy cache.Policy
		costs  string
		kinds  string // of the files, in the order in which they are opened
	}{
		{"digest", h.repo.WithDigest(manifest), cache.Policy{}, "", "blobs"},
		{"tag and digest", tag.WithDigest(manifest), cache.Policy{}, "", "blobs"},
		{"digest, offline", h.repo.WithDigest(manifest), cache.Policy{Offline: true}, "", "blobs"},
		{"tag", tag, cache.Policy{}, "HEAD", "refs blobs"},
		{"tag within max-age", tag, cache.Policy{MaxAge: time.Hour}, "", "refs blobs"},
		{"tag, offline", tag, cache.Policy{Offline: true}, "", "refs blobs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := h.newClient(t, tt.policy)
			h.Reset()
			h.pull(t, client, tt.ref, chart.PullOptions{})
			h.costs(t, tt.name, tt.costs, 0)
			opened, err := w.Opened()
			if err != nil {
				t.Fatal(err)
			}
			if kinds := benchKinds(opened); len(opened) > benchOpens || kinds != tt.kinds {
				t.Errorf("opened %q, want at most %d, first to last of: %s", opened, benchOpens, tt.kinds)
			}
		})
	}
}

// benchKinds are the kinds of files of the cache: blobs or, beneath a partition,
// refs, known and so on. One after another of the same kind count once.
func benchKinds(paths []string) string {
	var kinds []string
	for _, path := range paths {
		elem := strings.Split(path, "/")
		if elem[0] == "parts" && len(elem) > 2 {
			elem = elem[2:]
		}
		kinds = append(kinds, elem[0])
	}
	return strings.Join(slices.Compact(kinds), " ")
}
