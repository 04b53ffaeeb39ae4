package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// A registry that takes a byte of each chunk must not be sent the whole for
// each byte.
func TestUploadsInCrumbs(t *testing.T) {
	var sent, arrived atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n, _ := io.Copy(io.Discard, req.Body)
		sent.Add(n)
		w.Header().Set("Location", "/v2/team/app/blobs/uploads/1")
		switch req.Method {
		case http.MethodPut:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case http.MethodPatch:
			w.Header().Set("Range", fmt.Sprintf("0-%d", arrived.Add(1)))
			fallthrough
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	defer s.Close()
	client, err := registry.NewClient(impatient(nil))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	content, desc := uploadsBlob(1 << 20)
	err = repo.Push(t.Context(), desc, bytes.NewReader(content))
	if !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	if n := sent.Load(); n > 20*desc.Size {
		t.Errorf("%d bytes were sent for %d", n, desc.Size)
	}
}
