package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// Every kind of fault has its name, and each file its kind.
func TestFaultKinds(t *testing.T) {
	_, s, _, _ := faultsCache(t)
	files, _ := faultsFiles(t, s.Dir())
	var kinds []cache.FaultKind
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o777)); err != nil {
			t.Fatal(err)
		}
		found := faultsFound(t, s, cache.VerifyOptions{KeepBad: true})
		i := slices.IndexFunc(found, func(f cache.Fault) bool { return f.Path == path })
		if i < 0 {
			t.Errorf("%s: %+v", path, found)
		} else {
			kinds = append(kinds, found[i].Kind)
		}
		if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []cache.FaultKind{cache.FaultContent, cache.FaultMarker, cache.FaultReference, cache.FaultPin, cache.FaultNote} {
		if !slices.Contains(kinds, want) {
			t.Errorf("none of %q among %q", want, kinds)
		}
	}
	if n := bytes.Count([]byte(fmt.Sprint(kinds)), []byte("foreign")); n > 0 {
		t.Errorf("%d are taken for foreign", n)
	}
}
