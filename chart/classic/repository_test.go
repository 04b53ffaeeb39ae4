package classic_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

// repository is what chart's dependencies want of a chart repository.
type repository interface {
	Versions(ctx context.Context, name string) ([]string, error)
	Pull(ctx context.Context, name, version string) (*chart.Packed, error)
}

var _ repository = (*classic.Repository)(nil)

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

func TestAliases(t *testing.T) {
	file := filepath.Join(t.TempDir(), "repositories.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	write("apiVersion: \"\"\nrepositories:\n- name: stable\n  url: " + q.URL + "/charts/\n  username: me\n  password: " + canary + "\n- null\n- name: stable\n  url: https://other\n")
	aliases, err := classic.Aliases(file)
	if err != nil || aliases["stable"] != q.URL+"/charts/" || len(aliases) != 1 {
		t.Fatalf("%q, %v", aliases, err)
	}
	set := classic.NewRepositories(newClient(t, ""), aliases, nil)
	defer set.Close()
	first, err := set.Open(t.Context(), "@stable")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"alias:stable", q.URL + "/charts", q.URL + "/charts/"} {
		if again, err := set.Open(t.Context(), address); err != nil || again != first {
			t.Errorf("%s: %v, another one: %v", address, err, again != first)
		}
	}
	if _, err := set.Open(t.Context(), "@nobody"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error = %v", err)
	}
	write("repositories:\n- name: [" + canary + "\n  password: {" + canary)
	if _, err := classic.Aliases(file); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error = %v", err)
	}
	if _, err := classic.Aliases(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
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
