package classic_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

const canary = "c4n4ry-s3cr3t"

// packages holds the archives that tests serve, each made once.
var packages sync.Map

// archiveOf makes the archive of a small chart.
func archiveOf(t testing.TB, name, version string) []byte {
	t.Helper()
	key := name + " " + version
	if data, ok := packages.Load(key); ok {
		return data.([]byte)
	}
	dir := t.TempDir()
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := chart.Package(t.Context(), dir, &b, nil); err != nil {
		t.Fatal(err)
	}
	packages.Store(key, b.Bytes())
	return b.Bytes()
}

// quay is a web server with files, that writes down what it was asked.
type quay struct {
	*httptest.Server
	mu       sync.Mutex
	files    map[string][]byte
	etag     string // of all files; empty: none
	password string // empty: none is asked for
	requests []string
	bodies   int // bytes that were sent
	hook     func(w http.ResponseWriter, r *http.Request) bool
}

func newQuay(t testing.TB, secure bool) *quay {
	t.Helper()
	q := &quay{files: map[string][]byte{}}
	if secure {
		q.Server = httptest.NewTLSServer(q)
	} else {
		q.Server = httptest.NewServer(q)
	}
	t.Cleanup(q.Close)
	return q
}

func (q *quay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	q.requests = append(q.requests, r.Method+" "+r.URL.RequestURI())
	data, ok := q.files[r.URL.Path]
	etag, password, hook := q.etag, q.password, q.hook
	q.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	if _, got, _ := r.BasicAuth(); password != "" && got != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="quay"`)
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	n, _ := w.Write(data)
	q.mu.Lock()
	q.bodies += n
	q.mu.Unlock()
}

// asked returns the requests since the last call.
func (q *quay) asked() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.requests
	q.requests = nil
	return list
}

func (q *quay) host() string {
	_, host, _ := strings.Cut(q.URL, "://")
	return host
}

// put serves an archive and returns its entry in an index.
func (q *quay) put(t testing.TB, path, name, version string) string {
	t.Helper()
	data := archiveOf(t, name, version)
	q.mu.Lock()
	q.files[path] = data
	q.mu.Unlock()
	return entry(name, version, string(digest.FromBytes(data)), strings.TrimPrefix(path, "/charts/"))
}

func entry(name, version, sum string, urls ...string) string {
	text := fmt.Sprintf("  - apiVersion: v2\n    name: %s\n    version: %s\n", name, version)
	if sum != "" {
		text += "    digest: " + strings.TrimPrefix(sum, "sha256:") + "\n"
	}
	text += "    urls:\n"
	for _, u := range urls {
		text += "    - " + u + "\n"
	}
	return text
}

// indexOf joins entries, by chart, to an index.
func indexOf(entries map[string][]string) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		b.WriteString("  " + name + ":\n" + strings.Join(entries[name], ""))
	}
	return []byte(b.String())
}

// serve lets the quay have charts, each as "name version", under /charts.
func (q *quay) serve(t testing.TB, charts ...string) {
	t.Helper()
	entries := map[string][]string{}
	for _, c := range charts {
		name, version, _ := strings.Cut(c, " ")
		entries[name] = append(entries[name], q.put(t, "/charts/"+name+"-"+version+".tgz", name, version))
	}
	q.files["/charts/index.yaml"] = indexOf(entries)
}

// newClient trusts these quays, and knows the password of the first.
func newClient(t testing.TB, cacheDir string, quays ...*quay) *chart.Client {
	t.Helper()
	trusted := map[string]*registry.TLS{}
	options := &registry.Options{Hosts: func(host string) (registry.HostConfig, error) { return registry.HostConfig{TLS: trusted[host]}, nil }}
	for i, q := range quays {
		if i == 0 {
			options.Credentials = auth.Static(auth.Resource{Host: q.host()}, auth.Credential{Username: "me", Password: auth.NewSecret(canary)})
		}
		if q.Certificate() == nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: q.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		tls, err := registry.LoadTLS(file, "", "")
		if err != nil {
			t.Fatal(err)
		}
		trusted[q.host()] = tls
	}
	options.Retry.Wait = time.Millisecond
	r, err := registry.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	store := cache.None()
	if cacheDir != "" {
		if store, err = cache.Open(cacheDir, nil); err != nil {
			t.Fatal(err)
		}
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func open(t testing.TB, client *chart.Client, address string, options *classic.Options) *classic.Repository {
	t.Helper()
	r, err := classic.Open(client, address, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func content(t testing.TB, p *chart.Packed) []byte {
	t.Helper()
	data, err := io.ReadAll(p.Archive().Reader())
	if err != nil {
		t.Fatal(err)
	}
	return data
}
