package cache_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// What is missing offline may well be in the registry: the message says who was
// asked, and what to do.
func TestIncompleteOfflineSaysWhoWasAsked(t *testing.T) {
	store, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	to, err := layout.Create(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	roots := []cache.ExportRoot{{Reference: registry.Reference{Host: "localhost:1", Repository: "team/voyage", Tag: "1.0.0"}}}
	_, err = store.Export(t.Context(), to, roots, cache.ExportOptions{Policy: cache.Policy{Offline: true}})
	want := "export: missing in the cache, which was asked offline: localhost:1/team/voyage:1.0.0; do the same once with the registry in reach"
	if !errors.Is(err, cache.ErrNotCached) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
