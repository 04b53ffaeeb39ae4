package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// startProxy puts a fault between the command and a registry and returns the
// address. spoil sees each answer before the command does.
func startProxy(t *testing.T, reg *registryServer, spoil func(*http.Response) error) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: reg.host})
	proxy.ModifyResponse = spoil
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ErrorLog = nil
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func isBlob(r *http.Response) bool {
	return r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/blobs/sha256:") && r.StatusCode/100 == 2
}

func isManifest(r *http.Response) bool {
	return r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/manifests/") && r.StatusCode == http.StatusOK
}

// rewrite replaces the body of an answer.
func rewrite(r *http.Response, change func([]byte) []byte) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	data = change(data)
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.ContentLength = int64(len(data))
	r.Header.Set("Content-Length", strconv.Itoa(len(data)))
	return nil
}

// flip changes one byte in the middle.
func flip(data []byte) []byte {
	data = bytes.Clone(data)
	if len(data) > 0 {
		data[len(data)/2] ^= 1
	}
	return data
}

func html([]byte) []byte { return []byte("<!DOCTYPE html><html><title>Please log in</title></html>") }

// TestFaultyRegistry pulls from registries that do not do what they promise.
func TestFaultyRegistry(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := bigChart(t, "cargo", 1<<20)
	pushed := newUser(t).json("push", c.path, reg.ref("team/cargo:1.0.0"))
	byTag, byDigest := "team/cargo:1.0.0", "team/cargo@"+pushed.Digest
	for name, tc := range map[string]struct {
		ref   string
		spoil func(*http.Response) error
		code  int
		words []string
	}{
		"blob with other bytes": {byTag, func(r *http.Response) error {
			if isBlob(r) {
				return rewrite(r, flip)
			}
			return nil
		}, exitVerify, []string{"sha256:"}},
		"blob that is too long": {byTag, func(r *http.Response) error {
			if isBlob(r) {
				return rewrite(r, func(b []byte) []byte { return append(b, 'x') })
			}
			return nil
		}, exitVerify, []string{"sha256:"}},
		"manifest with other bytes": {byDigest, func(r *http.Response) error {
			if isManifest(r) {
				return rewrite(r, flip)
			}
			return nil
		}, exitVerify, []string{pushed.Digest}},
		"web page instead of a manifest": {byTag, func(r *http.Response) error {
			r.StatusCode = http.StatusOK
			r.Header = http.Header{"Content-Type": {"text/html; charset=utf-8"}}
			return rewrite(r, html)
		}, exitUnreachable, []string{"html"}},
		"connection cut at once": {byTag, func(*http.Response) error { return io.ErrUnexpectedEOF }, exitUnreachable, nil},
		"server error":           {byTag, status(http.StatusInternalServerError), exitUnreachable, []string{"500"}},
		"too many requests":      {byTag, status(http.StatusTooManyRequests), exitUnreachable, []string{"rate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := startProxy(t, reg, tc.spoil)
			u := newUser(t)
			u.portolan("pull", host+"/"+tc.ref, "--timeout", "20s").fails(t, tc.code, append(tc.words, host)...)
			u.leavesNothing()
		})
	}
}

func status(code int) func(*http.Response) error {
	return func(r *http.Response) error {
		r.StatusCode, r.Status = code, fmt.Sprintf("%d %s", code, http.StatusText(code))
		return rewrite(r, func([]byte) []byte { return nil })
	}
}

// TestBrokenConnection cuts the download in the middle, and each further try
// before its first byte: nothing of the half stays. Once the line holds, the
// same user gets the right bytes.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := bigChart(t, "cargo", 1<<20)
	newUser(t).json("push", c.path, reg.ref("team/cargo:1.0.0"))
	var tries atomic.Int32
	var holds atomic.Bool
	host := startProxy(t, reg, func(r *http.Response) error {
		if !isBlob(r) || holds.Load() {
			return nil
		}
		length := int64(0)
		if tries.Add(1) == 1 {
			length = 300_000
		}
		// The announced length stays: the connection ends before it.
		r.Body = io.NopCloser(io.LimitReader(r.Body, length))
		return nil
	})
	u := newUser(t)
	u.portolan("pull", host+"/team/cargo:1.0.0", "--timeout", "20s").fails(t, exitUnreachable, host)
	if tries.Load() == 0 {
		t.Error("nothing was cut")
	}
	u.leavesNothing()
	holds.Store(true)
	u.pulls(host+"/team/cargo:1.0.0", c)
}

// TestNobodyListens pulls from an address where nothing is.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	u := newUser(t)
	u.portolan("pull", host+"/team/harbour:1.0.0", "--timeout", "20s").fails(t, exitUnreachable, host)
	c := smallChart(t, "harbour", "1.0.0")
	u.portolan("push", c.path, host+"/team/harbour:1.0.0", "--timeout", "20s").fails(t, exitUnreachable, host)
	u.portolan("pull", "registry.invalid/team/harbour:1.0.0", "--timeout", "20s").fails(t, exitUnreachable, "registry.invalid")
	u.leavesNothing()
}
