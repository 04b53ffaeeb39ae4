package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// uploadsProxy stands before a registry and may answer in its place. It
// answers whoever is asked for, as proxies that keep the Host header do.
func uploadsProxy(t *testing.T, reg *registryServer, instead func(http.ResponseWriter, *http.Request) bool) (ref func(string) string) {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: reg.host})
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !instead(w, req) {
			proxy.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(server.Close)
	return func(name string) string { return strings.TrimPrefix(server.URL, "http://") + "/" + name }
}

// TestUploadsUnderALimit pushes through a proxy that takes 1 MiB at a time, as
// nginx does by default.
func TestUploadsUnderALimit(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	var patches atomic.Int64
	ref := uploadsProxy(t, reg, func(w http.ResponseWriter, req *http.Request) bool {
		if req.ContentLength > 1<<20 {
			io.Copy(io.Discard, req.Body)
			http.Error(w, "<html>413 Request Entity Too Large", http.StatusRequestEntityTooLarge)
			return true
		}
		if req.Method == http.MethodPatch {
			patches.Add(1)
		}
		return false
	})
	u := newUser(t)
	c := bigChart(t, "cargo", 5<<20)
	pushed := u.json("push", c.path, ref("team/cargo:1.0.0"))
	if n := patches.Load(); n < 6 {
		t.Errorf("%d chunks", n)
	}
	got := u.json("pull", reg.ref("team/cargo@%s", pushed.Digest), "-d", u.dir("got"))
	if !bytes.Equal(readFile(t, got.Path), readFile(t, c.path)) {
		t.Error("other bytes came back")
	}
}

// TestUploadsThatBreakOff pushes over a line that breaks within every second
// upload.
func TestUploadsThatBreakOff(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	var uploads atomic.Int64
	ref := uploadsProxy(t, reg, func(_ http.ResponseWriter, req *http.Request) bool {
		if req.ContentLength > 64<<10 && uploads.Add(1)%2 == 1 {
			req.Body = io.NopCloser(io.MultiReader(io.LimitReader(req.Body, req.ContentLength/2), brokenReader{}))
		}
		return false
	})
	u := newUser(t)
	c := bigChart(t, "cargo", 5<<20)
	pushed := u.json("push", c.path, ref("team/cargo:1.0.0"))
	if uploads.Load() < 2 {
		t.Error("nothing broke off")
	}
	got := u.json("pull", reg.ref("team/cargo@%s", pushed.Digest), "-d", u.dir("got"))
	if !bytes.Equal(readFile(t, got.Path), readFile(t, c.path)) {
		t.Error("other bytes came back")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestUploadsMissing pushes to a registry that says that it has what it has
// not.
func TestUploadsMissing(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	var lies atomic.Int64
	ref := uploadsProxy(t, reg, func(w http.ResponseWriter, req *http.Request) bool {
		lie := req.Method == http.MethodHead && strings.Contains(req.URL.Path, "/blobs/")
		if lie {
			lies.Add(1)
			w.Header().Set("Content-Length", "1")
		}
		return lie
	})
	u := newUser(t)
	c := bigChart(t, "cargo", 1<<20)
	u.json("push", c.path, ref("team/cargo:1.0.0"))
	if lies.Load() == 0 {
		t.Error("nobody was lied to")
	}
	u.json("copy", ref("team/cargo:1.0.0"), ref("mirror/cargo"))
	for _, name := range []string{"team/cargo:1.0.0", "mirror/cargo:1.0.0"} {
		got := u.json("pull", reg.ref("%s", name), "-d", u.dir("got", name[:4]))
		if !bytes.Equal(readFile(t, got.Path), readFile(t, c.path)) {
			t.Errorf("%s: other bytes came back", name)
		}
	}
}

// TestUploadsToATagThatMayNotMove pushes to a registry with a rule for tags.
func TestUploadsToATagThatMayNotMove(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	ref := uploadsProxy(t, reg, func(w http.ResponseWriter, req *http.Request) bool {
		refuse := req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, "/manifests/1.0.0")
		if refuse {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusPreconditionFailed)
			io.WriteString(w, `{"errors":[{"code":"PRECONDITION","message":"Failed to process request due to 'team/cargo:1.0.0' configured as immutable."}]}`)
		}
		return refuse
	})
	c := smallChart(t, "cargo", "1.0.0")
	newUser(t).portolan("push", c.path, ref("team/cargo:1.0.0"), "--force").fails(t, exitConflict, "already exists", "immutable", "another tag")
}
