package registrytest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// quirksServer starts a server for one test.
func quirksServer(t *testing.T, options *registrytest.Options) *registrytest.Server {
	t.Helper()
	s := registrytest.New(options)
	t.Cleanup(s.Close)
	return s
}

// quirksDo makes one request on a connection of its own, follows nothing, and
// reads the whole answer. readErr is how its body ended, if not well.
func quirksDo(t *testing.T, method, url string, header http.Header, body string) (resp *http.Response, content string, readErr error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err = transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// quirksBlob puts a blob into team/app and returns its URL.
func quirksBlob(t *testing.T, s *registrytest.Server, content string) string {
	t.Helper()
	d := digest.FromString(content).String()
	resp, _, err := quirksDo(t, "POST", s.URL+"/v2/team/app/blobs/uploads/", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	resp, text, err := quirksDo(t, "PUT", quirksNext(t, resp, "digest="+d), nil, content)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("upload: %v %v %s", resp, err, text)
	}
	return s.URL + "/v2/team/app/blobs/" + d
}

// quirksNext is where an answer's Location leads, with a query added.
func quirksNext(t *testing.T, resp *http.Response, query string) string {
	t.Helper()
	u, err := resp.Location()
	if err != nil {
		t.Fatalf("%s %s: %d: %v", resp.Request.Method, resp.Request.URL, resp.StatusCode, err)
	}
	if query != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += query
	}
	return u.String()
}

var quirksContent = strings.Repeat("harbour ", 1<<13) // 64 KiB
