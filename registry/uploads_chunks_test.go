package registry_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

type uploadsHook = func(*uploadsServer, http.ResponseWriter, *http.Request) bool

// uploadsAll asks hooks in turn.
func uploadsAll(hooks ...uploadsHook) uploadsHook {
	return func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		for _, h := range hooks {
			if h(s, w, req) {
				return true
			}
		}
		return false
	}
}

// uploadsNoWhole refuses a PUT with content.
func uploadsNoWhole(status int, code string) uploadsHook {
	return func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		refuse := req.Method == http.MethodPut && req.ContentLength != 0
		if refuse {
			io.Copy(io.Discard, req.Body)
			uploadsRefuse(w, status, code)
		}
		return refuse
	}
}

// uploadsLimit refuses bodies of more than max bytes, as a proxy does.
func uploadsLimit(max int64, status int) uploadsHook {
	return func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.ContentLength <= max {
			return false
		}
		io.Copy(io.Discard, req.Body)
		w.WriteHeader(status)
		return true
	}
}

func TestUploadsInChunks(t *testing.T) {
	for name, hook := range map[string]uploadsHook{
		"405":             uploadsNoWhole(405, "UNSUPPORTED"),
		"411":             uploadsNoWhole(411, "UNKNOWN"),
		"501":             uploadsNoWhole(501, "UNKNOWN"),
		"400 UNSUPPORTED": uploadsNoWhole(400, "UNSUPPORTED"),
		"404 UNSUPPORTED": uploadsNoWhole(404, "UNSUPPORTED"),
	} {
		t.Run(name, func(t *testing.T) {
			s := uploadsNew(t, hook)
			repo := s.repository(t, nil)
			content, desc := uploadsBlob(5 << 20)
			if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
			if got := s.methods(); got != "POST PUT DELETE POST PATCH 0-4194303 PATCH 4194304-5242879 PUT" {
				t.Errorf("cost %s", got)
			}
			s.forget()
			content, desc = uploadsBlob(100 << 10)
			if err := repo.Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)}); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
			if got := s.methods(); got != "POST PATCH 0-102399 PUT" {
				t.Errorf("the next one cost %s", got)
			}
		})
	}
}

func TestUploadsUnderALimit(t *testing.T) {
	for _, status := range []int{413, 416} { // a proxy; ghcr.io
		s := uploadsNew(t, uploadsLimit(1<<20, status))
		repo := s.repository(t, nil)
		push := func(size int, want string) {
			t.Helper()
			s.forget()
			content, desc := uploadsBlob(size)
			if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
			if got := s.methods(); got != want {
				t.Errorf("%d: %d bytes cost %s, want %s", status, size, got, want)
			}
		}
		refused := "PATCH 0-1572863 "
		if status == 416 {
			refused += "GET "
		}
		push(3<<20, "POST PUT DELETE POST "+refused+"PATCH 0-786431 PATCH 786432-1572863 PATCH 1572864-2359295 PATCH 2359296-3145727 PUT")
		push(700<<10, "POST PUT")
		push(1<<20, "POST PATCH 0-786431 PATCH 786432-1048575 PUT")
	}
	s := uploadsNew(t, uploadsLimit(100<<10, 413))
	content, desc := uploadsBlob(1 << 20)
	err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content))
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.StatusCode != 413 {
		t.Errorf("with a limit that is too small: %v", err)
	}
}

func TestUploadsLeastChunk(t *testing.T) {
	s := uploadsNew(t, uploadsAll(uploadsNoWhole(405, "UNSUPPORTED"), func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		w.Header().Set("OCI-Chunk-Min-Length", "5242880")
		return false
	}))
	content, desc := uploadsBlob(6 << 20)
	if err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	s.holds(t, desc, content)
	if got := s.methods(); !strings.Contains(got, "PATCH 0-5242879 PATCH 5242880-6291455 PUT") {
		t.Errorf("cost %s", got)
	}
}

// uploadsRewinding knows the start alone, as a source that is opened anew.
type uploadsRewinding struct{ r *bytes.Reader }

func (r uploadsRewinding) Read(p []byte) (int, error) { return r.r.Read(p) }

func (r uploadsRewinding) Seek(off int64, whence int) (int64, error) {
	if off != 0 {
		return 0, errors.ErrUnsupported
	}
	return r.r.Seek(off, whence)
}

func TestUploadsGoOn(t *testing.T) {
	second := func(fail uploadsHook) func() uploadsHook {
		return func() uploadsHook {
			n := 0
			return func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodPatch {
					return false
				}
				n++
				return n == 2 && fail(s, w, req)
			}
		}
	}
	session := func(s *uploadsServer, req *http.Request) *bytes.Buffer {
		return s.sessions[strings.TrimPrefix(req.URL.Path, uploadsPath)]
	}
	const start = "POST PUT DELETE POST PATCH 0-4194303 PATCH 4194304-8388607 "
	for _, tc := range []struct {
		name string
		fail func() uploadsHook
		want string
	}{
		{"chunk that breaks off", second(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			io.CopyN(session(s, req), req.Body, 1<<20)
			return uploadsCut(w)
		}), start + "GET PATCH 5242880-7340031 PATCH 7340032-9437183 PUT"},
		{"answer that breaks off", second(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			io.Copy(session(s, req), req.Body)
			return uploadsCut(w)
		}), start + "GET PATCH 8388608-9437183 PUT"},
		{"server that fails", second(func(_ *uploadsServer, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(500)
			return true
		}), start + "GET PATCH 4194304-8388607 PATCH 8388608-9437183 PUT"},
		{"less than was sent", second(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			id := strings.TrimPrefix(req.URL.Path, uploadsPath)
			io.CopyN(s.sessions[id], req.Body, 1<<20)
			s.where(w, id, s.sessions[id].Len())
			w.WriteHeader(202)
			return true
		}), start + "PATCH 5242880-9437183 PUT"},
		{"less than was said", second(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			w.WriteHeader(202)
			return true
		}), start + "PATCH 8388608-9437183 GET PATCH 4194304-8388607 PATCH 8388608-9437183 PUT"},
		{"session forgotten", second(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			clear(s.sessions)
			return false
		}), start + "GET DELETE POST PATCH 0-4194303 PATCH 4194304-8388607 PATCH 8388608-9437183 PUT"},
	} {
		for name, reader := range map[string]func([]byte) io.Reader{
			"seekable":   func(b []byte) io.Reader { return bytes.NewReader(b) },
			"rewindable": func(b []byte) io.Reader { return uploadsRewinding{bytes.NewReader(b)} },
		} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				s := uploadsNew(t, uploadsAll(uploadsNoWhole(405, "UNSUPPORTED"), tc.fail()))
				content, desc := uploadsBlob(9 << 20)
				if err := s.repository(t, nil).Push(t.Context(), desc, reader(content)); err != nil {
					t.Fatal(err, s.methods())
				}
				s.holds(t, desc, content)
				if got := s.methods(); got != tc.want {
					t.Errorf("cost\n%s, want\n%s", got, tc.want)
				}
			})
		}
	}
}

func TestUploadsInChunksOfWhatIsReadOnce(t *testing.T) {
	var left atomic.Int64 // PATCH requests until one is cut; below zero: none
	s := uploadsNew(t, uploadsAll(uploadsNoWhole(405, "UNSUPPORTED"), func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPatch || left.Add(-1) != 0 {
			return false
		}
		io.CopyN(io.Discard, req.Body, 1<<20) // so that the client has read as much, and can go back no more
		return uploadsCut(w)
	}))
	repo := s.repository(t, nil)
	content, desc := uploadsBlob(9 << 20)
	err := repo.Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)})
	if !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("before it is known: %v", err)
	}
	if err := repo.Push(t.Context(), desc, bytes.NewReader(content[:])); err != nil {
		t.Fatal(err)
	}
	left.Store(2)
	if err := repo.Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)}); !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "io.Seeker") {
		t.Errorf("broken off: %v", err)
	}
	if err := repo.Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)}); err != nil {
		t.Errorf("once it is known: %v", err)
	}
	if _, sessions := s.has(); sessions > 0 {
		t.Errorf("%d sessions are left", sessions)
	}
}

func TestUploadsThatKeepBreakingOff(t *testing.T) {
	breaking := func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPut || req.ContentLength <= 4<<20 {
			return false
		}
		io.CopyN(s.sessions[strings.TrimPrefix(req.URL.Path, uploadsPath)], req.Body, 1<<20)
		return uploadsCut(w)
	}
	t.Run("goes on in chunks", func(t *testing.T) {
		s := uploadsNew(t, breaking)
		content, desc := uploadsBlob(5 << 20)
		if err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		s.holds(t, desc, content)
		if got, want := s.methods(), "POST PUT HEAD DELETE POST PUT HEAD GET PATCH 1048576-5242879 PUT"; got != want {
			t.Errorf("cost %s, want %s", got, want)
		}
	})
	t.Run("not where chunks are refused", func(t *testing.T) {
		s := uploadsNew(t, uploadsAll(func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			refuse := req.Method == http.MethodPatch
			if refuse {
				io.Copy(io.Discard, req.Body)
				uploadsRefuse(w, 405, "UNSUPPORTED")
			}
			return refuse || s.times("PUT") < 3 && breaking(s, w, req)
		}))
		content, desc := uploadsBlob(5 << 20)
		if err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		s.holds(t, desc, content)
		if n := s.asked("PATCH"); n != 1 {
			t.Errorf("cost %s", s.methods())
		}
	})
}

func TestUploadsNeitherWholeNorInChunks(t *testing.T) {
	s := uploadsNew(t, uploadsAll(uploadsNoWhole(405, "UNSUPPORTED"), func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPatch {
			uploadsRefuse(w, 400, "BLOB_UPLOAD_INVALID")
		}
		return req.Method == http.MethodPatch
	}))
	content, desc := uploadsBlob(5 << 10)
	err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content))
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.StatusCode != 405 || !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("error = %v", err)
	}
}

// The chunks of another server's upload: ociserver says how small they may be.
func TestUploadsInChunksToOCIServer(t *testing.T) {
	s := server(t, nil)
	patches := 0
	repo := repository(t, s, &registry.Options{Transport: uploadsTransport(func(req *http.Request) (*http.Response, error) {
		switch {
		case req.Method == http.MethodPatch:
			patches++
			if patches == 2 { // arrives, and the answer gets lost
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err == nil {
					resp.Body.Close()
				}
				return nil, io.ErrUnexpectedEOF
			}
		case req.Method == http.MethodPut && req.ContentLength > 0 && strings.Contains(req.URL.Path, "/uploads/"):
			io.Copy(io.Discard, req.Body)
			req.Body.Close()
			return &http.Response{StatusCode: 405, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})})
	content, desc := uploadsBlob(9 << 20)
	if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err, s.Cost())
	}
	rc, err := repo.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if patches != 3 {
		t.Errorf("%d chunks were sent, want 3", patches)
	}
}
