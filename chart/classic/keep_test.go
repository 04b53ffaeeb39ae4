package classic_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

// TestIndexIsKept: what each further process costs.
func TestIndexIsKept(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	q.etag = `"one"`
	dir := t.TempDir()
	look := func(o classic.Options, want []string, version string) {
		t.Helper()
		o.Dir = dir
		r := open(t, newClient(t, ""), q.URL+"/charts", &o)
		versions, err := r.Versions(t.Context(), "voyage")
		if err != nil || versions[0] != version {
			t.Errorf("versions %q, %v", versions, err)
		}
		if got := q.asked(); !slices.Equal(got, want) {
			t.Errorf("requests %q, want %q", got, want)
		}
	}
	get := []string{"GET /charts/index.yaml"}
	sent := func() int { n := q.bodies; q.bodies = 0; return n }
	look(classic.Options{}, get, "1.0.0")
	if sent() == 0 {
		t.Error("nothing was sent")
	}
	look(classic.Options{}, get, "1.0.0")
	look(classic.Options{MaxAge: time.Hour}, nil, "1.0.0")
	look(classic.Options{Offline: true}, nil, "1.0.0")
	if n := sent(); n != 0 {
		t.Errorf("%d bytes were sent for what is kept", n)
	}
	q.serve(t, "voyage 2.0.0")
	q.etag = `"two"`
	look(classic.Options{MaxAge: time.Hour}, nil, "1.0.0")
	look(classic.Options{}, get, "2.0.0")
	kept, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %q, %v", kept, err)
	}
	for _, name := range kept { // what is not what its name says is not believed
		if err := os.WriteFile(name, []byte("apiVersion: v1\nentries: {}\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	look(classic.Options{MaxAge: time.Hour}, get, "2.0.0")
	if sent() == 0 {
		t.Error("a spoilt index was used")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r := open(t, newClient(t, ""), q.URL+"/charts", &classic.Options{Dir: dir, Offline: true})
	if _, err := r.Versions(t.Context(), "voyage"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("offline, with nothing kept: %v", err)
	}
	if err := os.WriteFile(dir, nil, 0o666); err != nil { // no directory can be made there
		t.Fatal(err)
	}
	look(classic.Options{}, get, "2.0.0")
}

func TestRefresh(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	q.etag = `"one"`
	r := open(t, newClient(t, ""), q.URL+"/charts", nil)
	for _, step := range []struct {
		etag    string
		version string
		changed bool
	}{{`"one"`, "1.0.0", true}, {`"one"`, "1.0.0", false}, {`"two"`, "2.0.0", true}} {
		if step.version == "2.0.0" {
			q.serve(t, "voyage 2.0.0")
			if versions, err := r.Versions(t.Context(), "voyage"); err != nil || versions[0] != "1.0.0" {
				t.Errorf("before Refresh: %q, %v", versions, err)
			}
		}
		q.etag = step.etag
		changed, err := r.Refresh(t.Context())
		versions, verr := r.Versions(t.Context(), "voyage")
		if err != nil || verr != nil || changed != step.changed || versions[0] != step.version {
			t.Errorf("%+v: changed %v, %q, %v, %v", step, changed, versions, err, verr)
		}
	}
}
