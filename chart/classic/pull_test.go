package classic_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

func TestPull(t *testing.T) {
	for _, secure := range []bool{false, true} {
		q := newQuay(t, secure)
		q.password = canary
		q.serve(t, "voyage 1.0.0", "voyage 1.1.0")
		client := newClient(t, t.TempDir(), q)
		r := open(t, client, q.URL+"/charts", nil)
		for i, want := range [][]string{{"GET /charts/index.yaml", "GET /charts/voyage-1.0.0.tgz"}, nil} {
			packed, err := r.Pull(t.Context(), "voyage", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if string(content(t, packed)) != string(archiveOf(t, "voyage", "1.0.0")) || packed.Metadata.Version != "1.0.0" {
				t.Error("another archive came")
			}
			packed.Close()
			if diff := cmp.Diff(want, q.asked()); diff != "" {
				t.Errorf("pull %d (-want +got):\n%s", i, diff)
			}
		}
	}
}

// TestWhereArchivesAre: relative to the repository as with Helm, anywhere
// else, several places, and what the password is given to.
func TestWhereArchivesAre(t *testing.T) {
	elsewhere := newQuay(t, true)
	elsewhere.put(t, "/store/away.tgz", "away", "1.0.0")
	q := newQuay(t, true)
	sum := func(name string) string {
		e := q.put(t, "/"+name, name, "1.0.0")
		return strings.TrimSpace(strings.Split(strings.Split(e, "digest: ")[1], "\n")[0])
	}
	q.put(t, "/charts/below/relative.tgz", "relative", "1.0.0")
	q.put(t, "/up.tgz", "up", "1.0.0")
	q.put(t, "/rooted.tgz", "rooted", "1.0.0")
	q.put(t, "/charts/second.tgz", "second", "1.0.0")
	q.files["/charts/broken.tgz"] = []byte("other bytes")
	q.files["/charts/index.yaml"] = indexOf(map[string][]string{
		"relative": {entry("relative", "1.0.0", sum("relative"), "below/relative.tgz")},
		"up":       {entry("up", "1.0.0", sum("up"), "../up.tgz")},
		"rooted":   {entry("rooted", "1.0.0", sum("rooted"), "/rooted.tgz?x=1")},
		"away":     {entry("away", "1.0.0", strings.ToUpper(sum("away")), elsewhere.URL+"/store/away.tgz")},
		"second":   {entry("second", "1.0.0", sum("second"), "missing.tgz", "broken.tgz", "second.tgz")},
	})
	elsewhere.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Error("the password went to another host")
		}
		return false
	}
	q.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("key") != "k" {
			t.Errorf("%s: the query of the repository is lost", r.URL)
		}
		return false
	}
	r := open(t, newClient(t, "", q, elsewhere), q.URL+"/charts?key=k", nil)
	for _, name := range []string{"relative", "up", "rooted", "away", "second"} {
		packed, err := r.Pull(t.Context(), name, "1.0.0")
		if err != nil {
			t.Error(err)
			continue
		}
		packed.Close()
	}
}

// TestNoFallingBackToPlainHTTP: what nobody vouches for does not come in the
// clear where the index came over HTTPS.
func TestNoFallingBackToPlainHTTP(t *testing.T) {
	clear := newQuay(t, false)
	vouched := strings.Replace(clear.put(t, "/a.tgz", "vouched", "1.0.0"), "- /a.tgz", "- "+clear.URL+"/a.tgz", 1)
	clear.put(t, "/b.tgz", "nobodys", "1.0.0")
	q := newQuay(t, true)
	q.files["/charts/index.yaml"] = indexOf(map[string][]string{"vouched": {vouched}, "nobodys": {entry("nobodys", "1.0.0", "", clear.URL+"/b.tgz")}})
	r := open(t, newClient(t, "", q), q.URL+"/charts", nil)
	packed, err := r.Pull(t.Context(), "vouched", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	packed.Close()
	if _, err := r.Pull(t.Context(), "nobodys", "1.0.0"); !errors.Is(err, classic.ErrInvalidIndex) || len(clear.asked()) != 1 {
		t.Errorf("error = %v", err)
	}
}

func TestPullRefuses(t *testing.T) {
	q := newQuay(t, false)
	good := q.put(t, "/charts/good.tgz", "good", "1.0.0")
	sum := strings.Split(strings.Split(good, "digest: ")[1], "\n")[0]
	q.files["/charts/page.tgz"] = []byte("<html>not here</html>")
	q.hook = func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/charts/short.tgz":
			w.Header().Set("Content-Length", "100000")
			w.Write([]byte("half"))
		case "/charts/locked.tgz":
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		default:
			return false
		}
		return true
	}
	index := map[string][]string{}
	cases := []struct {
		name, digest, url string
		want              error
	}{
		{"wrong-digest", strings.Repeat("ab", 32), "good.tgz", registry.ErrDigestMismatch},
		{"no-digest-at-all", "xyz", "good.tgz", classic.ErrInvalidIndex},
		{"another-name", sum, "good.tgz", chart.ErrInvalidMetadata},
		{"missing", sum, "missing.tgz", registry.ErrNotFound},
		{"truncated", sum, "short.tgz", nil},
		{"locked", strings.Repeat("cd", 32), "locked.tgz", registry.ErrUnauthorized},
		{"a-page", strings.Repeat("ef", 32), "page.tgz", registry.ErrUnavailable},
		{"a-file", strings.Repeat("ef", 32), "file:///etc/passwd", classic.ErrInvalidIndex},
		{"with-a-password", strings.Repeat("ef", 32), "http://me:" + canary + "@" + q.host() + "/good.tgz", registry.ErrInvalidReference},
		{"another-scheme", strings.Repeat("ef", 32), "ftp://host/x.tgz", classic.ErrInvalidIndex},
	}
	for _, tc := range cases {
		index[tc.name] = []string{entry(tc.name, "1.0.0", tc.digest, `"`+tc.url+`"`)}
	}
	index["no-url"] = []string{"  - apiVersion: v2\n    name: no-url\n    version: 1.0.0\n"}
	q.files["/charts/index.yaml"] = indexOf(index)
	r := open(t, newClient(t, ""), q.URL+"/charts", nil)
	for _, tc := range append(cases, struct {
		name, digest, url string
		want              error
	}{"no-url", "", "", classic.ErrInvalidIndex}) {
		packed, err := r.Pull(t.Context(), tc.name, "1.0.0")
		if err == nil || packed != nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
			continue
		}
		if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, tc.name) {
			t.Errorf("%s: %s", tc.name, text)
		}
	}
}

func TestProvenance(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "signed 1.0.0", "unsigned 1.0.0", "secret 1.0.0")
	q.files["/charts/signed-1.0.0.tgz.prov"] = []byte("a signature")
	q.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/charts/secret-1.0.0.tgz.prov" { // as stores of objects do
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	dir := t.TempDir()
	for range 2 {
		r := open(t, newClient(t, dir), q.URL+"/charts", &classic.Options{Provenance: true})
		for name, signed := range map[string]bool{"signed": true, "unsigned": false, "secret": false} {
			packed, err := r.Pull(t.Context(), name, "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if (packed.Provenance != nil) != signed {
				t.Errorf("%s: provenance %v", name, packed.Provenance)
			}
			packed.Close()
		}
	}
	if n := strings.Count(strings.Join(q.asked(), "\n"), ".tgz\n"); n > 3 {
		t.Errorf("%d archives were downloaded, of 3", n)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "charts"), 0o777); err != nil {
		t.Fatal(err)
	}
	write("secret.tgz", archiveOf(t, "secret", "1.0.0"))
	write("charts/voyage.tgz", archiveOf(t, "voyage", "1.0.0"))
	if err := os.Symlink(filepath.Join(dir, "secret.tgz"), filepath.Join(dir, "charts", "link.tgz")); err != nil {
		t.Fatal(err)
	}
	index := map[string][]string{
		"voyage":   {entry("voyage", "1.0.0", "", "voyage.tgz")},
		"absolute": {entry("absolute", "1.0.0", "", "file://"+filepath.ToSlash(dir)+"/charts/voyage.tgz")},
		"up":       {entry("up", "1.0.0", "", "../secret.tgz")},
		"rooted":   {entry("rooted", "1.0.0", "", "/etc/passwd")},
		"linked":   {entry("linked", "1.0.0", "", "link.tgz")},
		"itself":   {entry("itself", "1.0.0", "", ".")},
		"missing":  {entry("missing", "1.0.0", "", "missing.tgz")},
	}
	write("charts/index.yaml", indexOf(index))
	r := open(t, newClient(t, ""), "file://"+filepath.ToSlash(dir)+"/charts", &classic.Options{Provenance: true})
	packed, err := r.Pull(t.Context(), "voyage", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	packed.Close()
	for name, want := range map[string]error{"absolute": chart.ErrInvalidMetadata, "up": classic.ErrInvalidIndex, "rooted": classic.ErrInvalidIndex,
		"linked": nil, "itself": classic.ErrInvalidIndex, "missing": registry.ErrNotFound} {
		if _, err := r.Pull(t.Context(), name, "1.0.0"); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if changed, err := r.Refresh(t.Context()); changed || err != nil {
		t.Errorf("nothing changed: %v, %v", changed, err)
	}
	index["new"] = index["voyage"]
	write("charts/index.yaml", indexOf(index))
	if changed, err := r.Refresh(t.Context()); !changed || err != nil {
		t.Errorf("the index changed: %v, %v", changed, err)
	}
}

// TestPulledIsCached: the chart is there under its manifest.
func TestPulledIsCached(t *testing.T) {
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	dir := t.TempDir()
	packed, err := open(t, newClient(t, dir), q.URL+"/charts", nil).Pull(t.Context(), "voyage", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	store, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, desc := range packed.Descriptors() {
		if ok, err := store.Exists(t.Context(), desc); !ok || err != nil {
			t.Errorf("%s is not in the cache: %v", desc.MediaType, err)
		}
	}
}
