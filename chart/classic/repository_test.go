package classic_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

func TestLookUps(t *testing.T) {
	q := newQuay(t, false)
	q.files["/charts/index.yaml"] = indexOf(map[string][]string{
		"voyage": {entry("voyage", "2.0.0", "", "first"), entry("voyage", "1.0.0", "", "x"), entry("voyage", "2.0.0", "", "second"), "  - name: voyage\n    version: bad\n", "  - null\n"},
		"empty":  {},
	})
	r := open(t, newClient(t, ""), q.URL+"/charts/", nil)
	var names []string
	for name, err := range r.Charts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	versions, err := r.Versions(t.Context(), "voyage")
	if diff := cmp.Diff([][]string{{"empty", "voyage"}, {"2.0.0", "1.0.0"}}, [][]string{names, versions}); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	e, err := r.Entry(t.Context(), "voyage", "2.0.0")
	if err != nil || e.URLs[0] != "first" {
		t.Errorf("of two entries of one version: %+v, %v", e, err)
	}
	valid, faults := 0, 0
	for _, err := range r.Entries(t.Context(), "voyage") {
		if _, ok := errors.AsType[*classic.EntryError](err); ok && errors.Is(err, classic.ErrInvalidIndex) {
			faults++
		} else if err == nil {
			valid++
		} else {
			t.Error(err)
		}
	}
	if valid != 3 || faults != 2 {
		t.Errorf("%d valid and %d invalid entries", valid, faults)
	}
	for _, err := range []error{
		second(r.Versions(t.Context(), "nothing")), second(r.Entry(t.Context(), "nothing", "1.0.0")),
		second(r.Entry(t.Context(), "voyage", "v1.0.0")), second(r.Entry(t.Context(), "voyage", "bad")), second(r.Pull(t.Context(), "voyage", "3.0.0")),
	} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("error = %v", err)
		}
	}
	if got := q.asked(); len(got) != 1 {
		t.Errorf("requests %q, want one", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestIndexAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
		says   string
	}{
		{"a web page", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<!DOCTYPE html>log in") }, classic.ErrInvalidIndex, "web page"},
		{"nothing", func(w http.ResponseWriter, r *http.Request) {}, classic.ErrInvalidIndex, "empty"},
		{"missing", http.NotFound, registry.ErrNotFound, "index.yaml"},
		{"locked", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, registry.ErrUnauthorized, ""},
		{"down", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }, registry.ErrUnavailable, "502"},
		{"busy", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, registry.ErrRateLimited, ""},
		{"unmodified, though nobody has it", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) }, nil, "304"},
		{"truncated", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "apiVersion: v1\n")
		}, registry.ErrUnavailable, ""},
		{"too large", func(w http.ResponseWriter, r *http.Request) {
			line := "# " + strings.Repeat("x", 1<<10) + "\n"
			for range 2 << 10 {
				fmt.Fprint(w, line)
			}
		}, classic.ErrInvalidIndex, "more than 1048576 bytes"},
		{"too large, compressed", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			defer zw.Close()
			for range 2 << 10 {
				fmt.Fprint(zw, "# "+strings.Repeat("x", 1<<10)+"\n")
			}
		}, classic.ErrInvalidIndex, "more than 1048576 bytes"},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("compression was not asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			defer zw.Close()
			fmt.Fprint(zw, "apiVersion: v1\nentries:\n  voyage:\n", entry("voyage", "1.0.0", "", "x"))
		}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := newQuay(t, false)
			q.hook = func(w http.ResponseWriter, r *http.Request) bool { tc.answer(w, r); return true }
			dir := t.TempDir()
			r := open(t, newClient(t, ""), q.URL, &classic.Options{Dir: dir, MaxSize: 1 << 20})
			_, err := r.Versions(t.Context(), "voyage")
			if tc.name == "compressed" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || strings.Count(err.Error(), q.URL) != 1 {
				t.Errorf("error = %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) != 0 {
				t.Errorf("kept: %q", left)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	client := newClient(t, "")
	for _, address := range []string{"", "charts.example.com", "oci://host/x", "ftp://host", "https://", "https://me:" + canary + "@host/charts", "file://relative/x", "https://ho st"} {
		_, err := classic.Open(client, address, nil)
		if !errors.Is(err, registry.ErrInvalidReference) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := classic.Open(client, "file:///no/such/directory", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
	if _, err := classic.Open(nil, "https://host", nil); err == nil {
		t.Error("no client, and no error")
	}
}

// TestConcurrentUse: whoever comes first reads the index, the others wait.
func TestConcurrentUse(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	hold := make(chan struct{})
	q.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "index.yaml") {
			<-hold
		}
		return false
	}
	r := open(t, newClient(t, ""), q.URL+"/charts", nil)
	errs := make(chan error, 16)
	for range cap(errs) {
		go func() { errs <- second(r.Versions(t.Context(), "voyage")) }()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for len(q.asked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := second(r.Versions(ctx, "voyage")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that waits: %v", err)
	}
	close(hold)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := q.asked(); len(got) != 0 {
		t.Errorf("further requests %q", got)
	}
}
