package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// throughFront stands before a registry, hands on all that comes at once, and
// writes down who got what from it.
type throughFront struct {
	host     string
	server   *httptest.Server
	registry *registryServer
	dead     atomic.Bool

	mu       sync.Mutex
	requests []*throughRequest
	diesAt   int64 // bytes of a blob; zero: it lives
}

// throughRequest is one that the registry has answered.
type throughRequest struct {
	method, path, ranges string
	status               int
	sent                 atomic.Int64 // bytes of the body
}

func startThroughFront(t testing.TB, reg *registryServer) *throughFront {
	t.Helper()
	f := &throughFront{registry: reg}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: reg.scheme, Host: reg.host})
	proxy.FlushInterval = -1 // what was read has been sent when the next read begins
	proxy.ModifyResponse = f.note
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.dead.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.server.Close)
	f.host = strings.TrimPrefix(f.server.URL, "http://")
	return f
}

func (f *throughFront) note(r *http.Response) error {
	n := &throughRequest{method: r.Request.Method, path: r.Request.URL.Path, ranges: r.Request.Header.Get("Range"), status: r.StatusCode}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, n)
	body := &throughBody{ReadCloser: r.Body, note: n, left: -1, die: f.die}
	if f.diesAt > 0 && isBlob(r) {
		body.left = f.diesAt
	}
	r.Body = body
	return nil
}

// dieAt kills the registry, and the way to it, once so much of a blob has
// passed.
func (f *throughFront) dieAt(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.diesAt = bytes
}

func (f *throughFront) die() {
	f.dead.Store(true)
	f.server.Listener.Close()
	f.registry.kill()
}

// reset returns what was answered since the last one.
func (f *throughFront) reset() []*throughRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := f.requests
	f.requests = nil
	return requests
}

// throughBlobs are those requests that read blobs, and their bytes.
func throughBlobs(requests []*throughRequest) (blobs []*throughRequest, bytes int64) {
	for _, r := range requests {
		if r.method == http.MethodGet && strings.Contains(r.path, "/blobs/sha256:") {
			blobs, bytes = append(blobs, r), bytes+r.sent.Load()
		}
	}
	return blobs, bytes
}

// throughTags counts the requests that read a manifest by its tag.
func throughTags(requests []*throughRequest) (n int) {
	for _, r := range requests {
		if _, name, found := strings.Cut(r.path, "/manifests/"); found && !strings.HasPrefix(name, "sha256:") {
			n++
		}
	}
	return n
}

// throughBody counts what passes, and lets the registry die where it is told.
type throughBody struct {
	io.ReadCloser
	note *throughRequest
	left int64 // until it dies; negative: it does not
	die  func()
}

func (b *throughBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.die()
		return 0, io.ErrUnexpectedEOF
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	b.note.sent.Add(int64(n))
	if b.left > 0 {
		b.left -= int64(n)
	}
	return n, err
}
