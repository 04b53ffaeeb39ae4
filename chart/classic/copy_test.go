package classic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// copyAll copies and returns, sorted, what became of each chart.
func copyAll(t *testing.T, src *classic.Repository, to registry.Reference, o *classic.CopyOptions) []string {
	t.Helper()
	var all []string
	for c, err := range classic.Copy(t.Context(), src, to, o) {
		text := strings.TrimSpace(c.Name + " " + c.Version)
		switch {
		case err != nil && errors.Is(err, registry.ErrExists):
			text += " conflict"
		case err != nil && errors.Is(err, registry.ErrInvalidReference):
			text += " no name"
		case err != nil && errors.Is(err, registry.ErrNotFound):
			text += " not found"
		case err != nil && errors.Is(err, classic.ErrInvalidIndex):
			text += " invalid"
		case err != nil:
			text += " " + err.Error()
		case c.Exists:
			text += " exists"
		default:
			text += " copied"
		}
		if err == nil && (c.Reference.Digest == "" || c.Reference.Repository != strings.Trim(to.Repository+"/"+c.Name, "/")) {
			t.Errorf("%s is now %s", text, c.Reference)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

func TestCopy(t *testing.T) {
	s := registrytest.New(nil)
	defer s.Close()
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0", "voyage 1.1.0-rc.1", "voyage 1.1.0+a.b", "harbour 0.1.0")
	q.files["/charts/harbour-0.1.0.tgz.prov"] = []byte("signed")
	dir := t.TempDir()
	client := newClient(t, dir)
	src := open(t, client, q.URL+"/charts", &classic.Options{Provenance: true})
	to := registry.Reference{Host: s.Host, Repository: "team/charts"}

	want := []string{"harbour 0.1.0 copied", "voyage 1.0.0 copied", "voyage 1.1.0+a.b copied", "voyage 1.1.0-rc.1 copied"}
	if diff := cmp.Diff(want, copyAll(t, src, to, nil)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	pulled, err := client.Pull(t.Context(), registry.Reference{Host: s.Host, Repository: "team/charts/harbour", Tag: "0.1.0"}, chart.PullOptions{})
	if err != nil || pulled.Provenance == nil {
		t.Fatalf("the provenance file: %v", err)
	}
	pulled.Close()

	s.Reset()
	q.asked()
	for i := range want {
		want[i] = strings.Replace(want[i], "copied", "exists", 1)
	}
	if diff := cmp.Diff(want, copyAll(t, src, to, nil)); diff != "" {
		t.Errorf("again, -want +got:\n%s", diff)
	}
	if cost, asked := s.Cost(), q.asked(); cost.Requests != 4 || cost.Sent != 0 || cost.Received != 0 || len(asked) != 0 {
		t.Errorf("again: %+v at the registry, %q at the repository; want one HEAD for each chart", cost, asked)
	}
	// Without the cache, the manifests tell.
	bare := open(t, newClient(t, ""), q.URL+"/charts", nil)
	if diff := cmp.Diff(want, copyAll(t, bare, to, nil)); diff != "" {
		t.Errorf("elsewhere, -want +got:\n%s", diff)
	}
	if asked := q.asked(); len(asked) != 1 {
		t.Errorf("elsewhere: %q at the repository", asked)
	}
}

func TestCopyChooses(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0", "voyage 2.0.0-rc.1", "voyage 1.10.0", "voyage 1.9.0", "harbour 0.1.0")
	src := open(t, newClient(t, ""), q.URL+"/charts", nil)
	for _, tc := range []struct {
		name    string
		options classic.CopyOptions
		want    []string
	}{
		{"one chart", classic.CopyOptions{Charts: []string{"harbour"}}, []string{"harbour 0.1.0 copied"}},
		{"one that is not there", classic.CopyOptions{Charts: []string{"harbor", "harbour"}}, []string{"harbor not found", "harbour 0.1.0 copied"}},
		{"none", classic.CopyOptions{Charts: []string{}}, nil},
		{"a range", classic.CopyOptions{Version: ">=1.5"}, []string{"voyage 1.10.0 copied", "voyage 1.9.0 copied"}},
		{"a range with pre-releases", classic.CopyOptions{Version: ">=1.10", Prereleases: true}, []string{"voyage 1.10.0 copied", "voyage 2.0.0-rc.1 copied"}},
		{"charts, one of which the range misses", classic.CopyOptions{Version: ">=1.5", Charts: []string{"harbour", "voyage"}}, []string{"harbour not found", "voyage 1.10.0 copied", "voyage 1.9.0 copied"}},
		{"a range that misses all", classic.CopyOptions{Version: "^9"}, nil},
		{"a version", classic.CopyOptions{Version: "1.0.0"}, []string{"voyage 1.0.0 copied"}},
		{"the latest", classic.CopyOptions{Latest: 1}, []string{"harbour 0.1.0 copied", "voyage 1.10.0 copied"}},
		{"the latest two, pre-releases too", classic.CopyOptions{Latest: 2, Prereleases: true, Charts: []string{"voyage"}, Parallel: 1}, []string{"voyage 1.10.0 copied", "voyage 2.0.0-rc.1 copied"}},
		{"no range", classic.CopyOptions{Version: "x.y"}, []string{" no name"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := registrytest.New(nil)
			defer s.Close()
			if diff := cmp.Diff(tc.want, copyAll(t, src, registry.Reference{Host: s.Host}, &tc.options)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCopyGoesOn: one chart's failure is its own.
func TestCopyGoesOn(t *testing.T) {
	s := registrytest.New(nil)
	defer s.Close()
	q := newQuay(t, false)
	index := map[string][]string{
		"good":     {q.put(t, "/charts/good.tgz", "good", "1.0.0")},
		"Upper":    {q.put(t, "/charts/Upper.tgz", "Upper", "1.0.0"), q.put(t, "/charts/Upper2.tgz", "Upper", "2.0.0")},
		"bad":      {"  - name: bad\n    version: x\n", q.put(t, "/charts/bad.tgz", "bad", "2.0.0")},
		"longest":  {q.put(t, "/charts/long.tgz", "longest", "1.0.0-"+strings.Repeat("x", 130))},
		"gone":     {entry("gone", "1.0.0", strings.Repeat("ab", 32), "gone.tgz")},
		"nobodys":  {strings.Replace(q.put(t, "/charts/nobodys.tgz", "nobodys", "1.0.0"), "digest", "note", 1)},
		"a/b":      {entry("b", "1.0.0", "", "x")},
		"replaced": {q.put(t, "/charts/replaced.tgz", "replaced", "1.0.0")},
	}
	q.files["/charts/index.yaml"] = indexOf(index)
	client := newClient(t, t.TempDir())
	src := open(t, client, q.URL+"/charts", nil)
	to := registry.Reference{Host: s.Host, Repository: "team"}

	other := newQuay(t, false) // another archive under the same version
	other.put(t, "/x.tgz", "replaced", "1.0.0")
	data := append([]byte(nil), other.files["/x.tgz"]...)
	data[9] = 3 // the system in gzip's header
	other.files["/x.tgz"] = data
	other.files["/index.yaml"] = indexOf(map[string][]string{"replaced": {entry("replaced", "1.0.0", "", "x.tgz")}})
	if diff := cmp.Diff([]string{"replaced 1.0.0 copied"}, copyAll(t, open(t, client, other.URL, nil), to, nil)); diff != "" {
		t.Fatal(diff)
	}

	want := []string{"Upper no name", "a/b no name", "bad 2.0.0 copied", "bad x invalid", "gone 1.0.0 not found", "good 1.0.0 copied",
		"longest 1.0.0-" + strings.Repeat("x", 130) + " no name", "nobodys 1.0.0 copied", "replaced 1.0.0 conflict"}
	if diff := cmp.Diff(want, copyAll(t, src, to, nil)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"replaced 1.0.0 copied"}, copyAll(t, src, to, &classic.CopyOptions{Charts: []string{"replaced"}, Force: true})); diff != "" {
		t.Errorf("forced, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"nobodys 1.0.0 exists"}, copyAll(t, src, to, &classic.CopyOptions{Charts: []string{"nobodys"}})); diff != "" {
		t.Errorf("again, without a digest: -want +got:\n%s", diff)
	}
}

func TestCopyEnds(t *testing.T) {
	s := registrytest.New(nil)
	defer s.Close()
	q := newQuay(t, false)
	var charts []string
	for i := range 30 {
		charts = append(charts, fmt.Sprintf("voyage 1.0.%d", i))
	}
	q.serve(t, charts...)
	to := registry.Reference{Host: s.Host}
	src := open(t, newClient(t, ""), q.URL+"/charts", nil)
	for range classic.Copy(t.Context(), src, to, nil) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	good := 0
	for c, err := range classic.Copy(ctx, src, to, &classic.CopyOptions{Parallel: 2}) {
		if last = err; err == nil {
			good++
		} else if c.Name != "" {
			t.Errorf("%s: %v", c.Name, err)
		}
		if good == 5 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || good > 10 {
		t.Errorf("%d copied, then %v", good, last)
	}
	if got := copyAll(t, src, to, nil); len(got) != 30 || strings.Count(strings.Join(got, ","), "exists") < good {
		t.Errorf("resumed: %q", got)
	}
	q.hook = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	down := open(t, newClient(t, ""), q.URL+"/charts", nil)
	n := 0
	for c, err := range classic.Copy(t.Context(), down, to, &classic.CopyOptions{Charts: []string{"a", "b"}}) {
		if n++; !errors.Is(err, registry.ErrUnavailable) || c.Name != "" {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
}

func TestParseNamespace(t *testing.T) {
	for text, want := range map[string]registry.Reference{
		"ghcr.io":                {Host: "ghcr.io"},
		"oci://ghcr.io/":         {Host: "ghcr.io"},
		"localhost:5000/team/a/": {Host: "localhost:5000", Repository: "team/a"},
	} {
		if got, err := classic.ParseNamespace(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "https://ghcr.io", "ghcr.io/Team", "ghcr.io/team:1", "me:" + canary + "@ghcr.io"} {
		if got, err := classic.ParseNamespace(text); !errors.Is(err, registry.ErrInvalidReference) || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "/chart") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
