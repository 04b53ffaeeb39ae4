package registry_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// A server may give less than the range that it was asked for (RFC 9110,
// section 15.3.7), as caches do that keep content in slices.
func TestDownloadTakesRangesInParts(t *testing.T) {
	content := filler(1 << 20)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var from int
		if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from); err != nil {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.Write(content[:300_000])
			panic(http.ErrAbortHandler)
		}
		end := min(from+200_000, len(content))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, end-1, len(content)))
		w.Header().Set("Content-Length", strconv.Itoa(end-from))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[from:end])
	}))
	defer s.Close()
	repo := gateRepository(t, gateClient(t, nil), strings.TrimPrefix(s.URL, "http://"), "a")
	got, err := fetchAll(t.Context(), repo, gateDescriptor(content))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
