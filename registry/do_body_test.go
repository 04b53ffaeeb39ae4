package registry_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

func TestDoGoesOn(t *testing.T) {
	content := filler(1 << 20)
	for _, tc := range []struct {
		name   string
		header http.Header
		ranges bool
		change bool
		whole  bool
	}{
		{"ETag", http.Header{"Etag": {`"1"`}}, true, false, true},
		{"time", http.Header{"Last-Modified": {time.Unix(1e9, 0).UTC().Format(http.TimeFormat)}}, true, false, true},
		{"weak ETag", http.Header{"Etag": {`W/"1"`}}, true, false, false},
		{"nothing to tell versions by", nil, true, false, false},
		{"no ranges", http.Header{"Etag": {`"1"`}}, false, false, false},
		{"changed", http.Header{"Etag": {`"1"`}}, true, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var requests, sent atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				n := requests.Add(1)
				for name, values := range tc.header {
					w.Header()[name] = values
				}
				if n > 1 && tc.change {
					w.Header().Set("ETag", `"2"`)
				}
				if !tc.ranges {
					req.Header.Del("Range")
				}
				modified, _ := http.ParseTime(tc.header.Get("Last-Modified"))
				out := &cutWriter{ResponseWriter: w, left: int64(len(content)) + 1, sent: &sent}
				if n < 3 {
					out.left = 300 << 10
				}
				http.ServeContent(out, req, "", modified, bytes.NewReader(content))
			}))
			defer s.Close()
			client, err := registry.NewClient(impatient(nil))
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequest(http.MethodGet, s.URL+"/charts/app.tgz", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(t.Context(), req, registry.AuthHint{})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if tc.whole {
				if err != nil || !bytes.Equal(got, content) || requests.Load() != 3 || sent.Load() != int64(len(content)) {
					t.Errorf("%d bytes, %v, in %d requests that sent %d", len(got), err, requests.Load(), sent.Load())
				}
				return
			}
			if err == nil || !bytes.Equal(got, content[:len(got)]) || len(got) > 300<<10 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if tc.change && !errors.Is(err, registry.ErrUnavailable) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// cutWriter ends the connection after some bytes.
type cutWriter struct {
	http.ResponseWriter
	left int64
	sent *atomic.Int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	p = p[:min(int64(len(p)), w.left)]
	w.sent.Add(int64(len(p))) // before the client can have it
	n, err := w.ResponseWriter.Write(p)
	w.left -= int64(n)
	if w.left == 0 {
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}
