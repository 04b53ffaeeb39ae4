package registry_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// uploadsServer is the part of a registry that takes uploads, with a hook
// before each request and nothing that a test does not ask for.
type uploadsServer struct {
	*httptest.Server
	host string

	// before answers in the registry's place if it returns true. It is called
	// with the lock held.
	before func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool
	// locate is where uploads go on; nil: at a relative path.
	locate func(id string) string

	mu       sync.Mutex
	log      []string // method, and of PATCH the range
	sessions map[string]*bytes.Buffer
	blobs    map[string][]byte
	headers  []http.Header
	next     int
}

func uploadsNew(t *testing.T, before func(*uploadsServer, http.ResponseWriter, *http.Request) bool) *uploadsServer {
	t.Helper()
	s := &uploadsServer{before: before, sessions: map[string]*bytes.Buffer{}, blobs: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(s.URL, "http://")
	return s
}

const uploadsPath = "/v2/team/app/blobs/uploads/"

func (s *uploadsServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer io.Copy(io.Discard, req.Body) // else the server lingers before it closes
	entry := req.Method
	if r := req.Header.Get("Content-Range"); r != "" {
		entry += " " + r
	}
	s.log = append(s.log, entry)
	s.headers = append(s.headers, req.Header.Clone())
	if s.before != nil && s.before(s, w, req) {
		return
	}
	id := strings.TrimPrefix(req.URL.Path, uploadsPath)
	buffer := s.sessions[id]
	switch {
	case req.Method == http.MethodHead:
		blob, ok := s.blobs[req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
	case req.Method == http.MethodPost:
		s.next++
		id = fmt.Sprint("session-", s.next)
		s.sessions[id] = new(bytes.Buffer)
		s.where(w, id, 0)
		w.WriteHeader(http.StatusAccepted)
	case buffer == nil:
		uploadsRefuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	case req.Method == http.MethodDelete:
		delete(s.sessions, id)
		w.WriteHeader(http.StatusNoContent)
	case req.Method == http.MethodGet:
		s.where(w, id, buffer.Len())
		w.WriteHeader(http.StatusNoContent)
	case req.Method == http.MethodPatch:
		var start, end int
		fmt.Sscanf(req.Header.Get("Content-Range"), "%d-%d", &start, &end)
		if start != buffer.Len() || int64(end-start+1) != req.ContentLength {
			s.where(w, id, buffer.Len())
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		if _, err := io.Copy(buffer, req.Body); err != nil {
			return
		}
		s.where(w, id, buffer.Len())
		w.WriteHeader(http.StatusAccepted)
	case req.Method == http.MethodPut:
		if _, err := io.Copy(buffer, req.Body); err != nil {
			return
		}
		want := req.URL.Query().Get("digest")
		if digest.FromBytes(buffer.Bytes()).String() != want {
			uploadsRefuse(w, http.StatusBadRequest, "DIGEST_INVALID")
			return
		}
		s.blobs[want] = buffer.Bytes()
		delete(s.sessions, id)
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *uploadsServer) where(w http.ResponseWriter, id string, n int) {
	at := uploadsPath + id + "?_state=" + id
	if s.locate != nil {
		at = s.locate(id)
	}
	w.Header().Set("Location", at)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(n-1, 0)))
}

func uploadsRefuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"as ordered"}]}`, code)
}

// uploadsCut breaks the connection off.
func uploadsCut(w http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
	return true
}

// methods lists what was asked.
func (s *uploadsServer) methods() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, " ")
}

// asked is times for a test: a request that was given up may still be served.
func (s *uploadsServer) asked(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times(method)
}

// has tells how many blobs and sessions there are.
func (s *uploadsServer) has() (blobs, sessions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blobs), len(s.sessions)
}

// forget begins the list of what was asked anew.
func (s *uploadsServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// times counts what was asked by a method. It is for hooks, which have the lock.
func (s *uploadsServer) times(method string) int {
	return len(slices.DeleteFunc(slices.Clone(s.log), func(e string) bool { m, _, _ := strings.Cut(e, " "); return m != method }))
}

func (s *uploadsServer) repository(t *testing.T, options *registry.Options) *registry.Repository {
	t.Helper()
	if options == nil {
		options = &registry.Options{}
	}
	options.Retry = registry.Retry{Attempts: 4, Wait: 1}
	client, err := registry.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: s.host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// uploadsBlob is content in which each part differs.
func uploadsBlob(size int) ([]byte, ocispec.Descriptor) {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7 >> (i % 5))
	}
	return b, ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(b), Size: int64(size)}
}

func (s *uploadsServer) holds(t *testing.T, desc ocispec.Descriptor, content []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(s.blobs[desc.Digest.String()], content) {
		t.Errorf("the registry does not have the %d bytes", len(content))
	}
}

// uploadsOnce hides what else a reader can do.
type uploadsOnce struct{ io.Reader }
