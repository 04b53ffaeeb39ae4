package classic_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

// offlineDown answers as a server does that is being mended.
func offlineDown(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		return true
	}
}

// TestStaleIndex: a server that cannot answer is bridged by the kept index, one
// that does answer is not.
func TestStaleIndex(t *testing.T) {
	hangs := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	for _, tc := range []struct {
		name  string
		hook  func(http.ResponseWriter, *http.Request) bool
		stale time.Duration
		want  error // nil: the kept index is used
	}{
		{"down, not allowed", offlineDown(http.StatusBadGateway), 0, registry.ErrUnavailable},
		{"down", offlineDown(http.StatusBadGateway), time.Hour, nil},
		{"down, too old", offlineDown(http.StatusBadGateway), time.Nanosecond, registry.ErrUnavailable},
		{"silent", hangs, time.Hour, nil},
		{"gone", offlineDown(http.StatusNotFound), time.Hour, registry.ErrNotFound},
		{"denied", offlineDown(http.StatusForbidden), time.Hour, registry.ErrDenied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := newQuay(t, false)
			q.serve(t, "voyage 1.0.0", "sloop 2.0.0")
			cacheDir, dir := t.TempDir(), t.TempDir()
			warm := open(t, newClient(t, cacheDir), q.URL+"/charts", &classic.Options{Dir: dir})
			packed, err := warm.Pull(t.Context(), "voyage", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			packed.Close()
			q.mu.Lock()
			q.hook = tc.hook
			q.mu.Unlock()
			r := open(t, newClient(t, cacheDir), q.URL+"/charts", &classic.Options{Dir: dir, StaleIfError: tc.stale, MaxAge: time.Nanosecond})
			begin := time.Now()
			versions, err := r.Versions(t.Context(), "voyage")
			if tc.want != nil {
				if !errors.Is(err, tc.want) {
					t.Errorf("%q, %v, want %v", versions, err, tc.want)
				}
				return
			}
			if err != nil || len(versions) != 1 {
				t.Fatalf("%q, %v", versions, err)
			}
			q.asked()
			again, err := r.Pull(t.Context(), "voyage", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			again.Close()
			if asked := q.asked(); len(asked) > 0 {
				t.Errorf("asked %q, a moment after there was no answer", asked)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("waited %s", took)
			}
		})
	}
}

// TestOfflineArchive: offline, no archive is asked for, and the missing one is
// named.
func TestOfflineArchive(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0", "sloop 2.0.0")
	cacheDir, dir := t.TempDir(), t.TempDir()
	packed, err := open(t, newClient(t, cacheDir), q.URL+"/charts", &classic.Options{Dir: dir}).Pull(t.Context(), "voyage", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	packed.Close()
	q.asked()
	for _, prov := range []bool{false, true} {
		r := open(t, newClient(t, cacheDir), q.URL+"/charts", &classic.Options{Dir: dir, Offline: true, Provenance: prov})
		packed, err := r.Pull(t.Context(), "voyage", "1.0.0")
		if prov {
			// Whether it has one is not known here.
			if !errors.Is(err, chart.ErrNotCached) || !strings.Contains(err.Error(), "voyage-1.0.0.tgz.prov") {
				t.Errorf("its provenance file: %v", err)
			}
		} else if err != nil {
			t.Errorf("what the cache has: %v", err)
		}
		if err == nil {
			packed.Close()
		}
		_, err = r.Pull(t.Context(), "sloop", "2.0.0")
		if !errors.Is(err, chart.ErrNotCached) || !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "sloop-2.0.0.tgz") {
			t.Errorf("what it has not: %v", err)
		}
	}
	nothing := open(t, newClient(t, ""), q.URL+"/charts", &classic.Options{Offline: true})
	if _, err := nothing.Versions(t.Context(), "voyage"); !errors.Is(err, chart.ErrNotCached) || !strings.Contains(err.Error(), q.URL+"/charts") {
		t.Errorf("no index: %v", err)
	}
	if asked := q.asked(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}
