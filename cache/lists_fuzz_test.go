package cache

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// FuzzListed: what is read of a list's file makes sense, reads the same when it
// is written again, and is trusted by nobody whom it does not concern.
func FuzzListed(f *testing.F) {
	for _, text := range []string{
		`{"of":"registry.example.com/team/app","items":["1.0.0","v1"],"listed":"2026-02-03T04:05:06Z"}`,
		`{"of":"registry.example.com/team/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","listed":"2026-02-03T04:05:06Z","none":true}`,
		`{"of":"registry.example.com/team/app","dropped":"2026-02-03T04:05:06Z"}`,
		`{"of":"registry.example.com/team/app:1.0.0","items":[]}`,
		`{"of":"","items":[{"digest":"sha256:..","size":-1,"annotations":{"a":"b"}}]}`,
		`{"listed":"0000-00-00"}`, `null`, `[]`, `{`,
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, tags bool) {
		sealed, err := seal(json.RawMessage(data))
		if err != nil {
			return // no JSON
		}
		if tags {
			fuzzListed[string](t, sealed)
		} else {
			fuzzListed[ocispec.Descriptor](t, sealed)
		}
		var bad listed[string]
		if sealed[len(sealed)-1] ^= 1; unseal(sealed, &bad) == nil {
			t.Error("a flipped bit was not found")
		}
	})
}

func fuzzListed[T any](t *testing.T, sealed []byte) {
	var l, again listed[T]
	if unseal(sealed, &l) != nil {
		return
	}
	if l.Of.Host == "" || l.Of.Repository == "" || l.Of.Tag != "" {
		t.Errorf("a list of %q", l.Of)
	}
	if l.Listed.IsZero() && l.fresh(Policy{MaxAge: Forever}, time.Now()) {
		t.Error("a list that nobody gave is trusted")
	}
	if l.fresh(Policy{}, l.Listed) {
		t.Error("a list is trusted by who confirms")
	}
	data, err := seal(l)
	if err != nil {
		return // a year beyond 9999
	}
	if err := unseal(data, &again); err != nil || !cmp.Equal(l, again, cmpopts.EquateEmpty()) {
		t.Errorf("%v, %s", err, cmp.Diff(l, again))
	}
	if _, err := registry.ParseReference(l.Of.String()); err != nil {
		t.Error(err)
	}
}
