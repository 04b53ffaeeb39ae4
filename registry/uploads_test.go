package registry_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

func TestUploadsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 32 << 10, 32<<10 + 1, 3 << 20} {
		for name, wrap := range map[string]func([]byte) io.Reader{
			"seekable": func(b []byte) io.Reader { return bytes.NewReader(b) },
			"once":     func(b []byte) io.Reader { return uploadsOnce{bytes.NewReader(b)} },
		} {
			s := uploadsNew(t, nil)
			content, desc := uploadsBlob(size)
			if err := s.repository(t, nil).Push(t.Context(), desc, wrap(content)); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, name, err)
			}
			s.holds(t, desc, content)
			if got := s.methods(); got != "POST PUT" {
				t.Errorf("%d bytes, %s: cost %s", size, name, got)
			}
		}
	}
}

func TestUploadsThatAreThere(t *testing.T) {
	s := uploadsNew(t, func(_ *uploadsServer, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusCreated)
		return true
	})
	_, desc := uploadsBlob(10)
	if err := s.repository(t, nil).Push(t.Context(), desc, uploadsOnce{strings.NewReader("never read")}); err != nil || s.methods() != "POST" {
		t.Errorf("got %v at the cost of %s", err, s.methods())
	}
}

func TestUploadsTriedAgain(t *testing.T) {
	first := func(method string, fail func(*uploadsServer, http.ResponseWriter, *http.Request) bool) func(*uploadsServer, http.ResponseWriter, *http.Request) bool {
		done := false
		return func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			if done || req.Method != method {
				return false
			}
			done = true
			return fail(s, w, req)
		}
	}
	status := func(code int) func(*uploadsServer, http.ResponseWriter, *http.Request) bool {
		return func(_ *uploadsServer, w http.ResponseWriter, _ *http.Request) bool {
			uploadsRefuse(w, code, "UNKNOWN")
			return true
		}
	}
	cut := func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		io.CopyN(io.Discard, req.Body, 100<<10)
		return uploadsCut(w)
	}
	for _, tc := range []struct {
		name string
		fail func(*uploadsServer, http.ResponseWriter, *http.Request) bool
		want string
	}{
		{"no session at first", first("POST", status(503)), "POST POST PUT"},
		{"no connection at first", first("POST", cut), "POST POST PUT"},
		{"broken off", first("PUT", cut), "POST PUT HEAD DELETE POST PUT"},
		{"failing", first("PUT", status(502)), "POST PUT HEAD DELETE POST PUT"},
		{"busy", first("PUT", status(429)), "POST PUT HEAD DELETE POST PUT"},
		{"session forgotten", first("PUT", func(_ *uploadsServer, w http.ResponseWriter, _ *http.Request) bool {
			uploadsRefuse(w, 404, "BLOB_UPLOAD_UNKNOWN")
			return true
		}), "POST PUT HEAD DELETE POST PUT"},
		{"arrived, but nobody heard", first("PUT", func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			b, _ := io.ReadAll(req.Body)
			s.blobs[req.URL.Query().Get("digest")] = b
			return uploadsCut(w)
		}), "POST PUT HEAD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := uploadsNew(t, tc.fail)
			content, desc := uploadsBlob(300 << 10)
			if err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
			if got := s.methods(); got != tc.want {
				t.Errorf("cost %s, want %s", got, tc.want)
			}
		})
	}
}

func TestUploadsReadOnce(t *testing.T) {
	fail := func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPut || s.times("PUT") > 1 {
			return false
		}
		io.CopyN(io.Discard, req.Body, 100<<10)
		return uploadsCut(w)
	}
	t.Run("large", func(t *testing.T) {
		s := uploadsNew(t, fail)
		content, desc := uploadsBlob(300 << 10)
		err := s.repository(t, nil).Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)})
		if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "io.Seeker") {
			t.Errorf("error = %v", err)
		}
		if got := s.methods(); got != "POST PUT DELETE" {
			t.Errorf("cost %s", got)
		}
	})
	t.Run("what was in hand", func(t *testing.T) {
		s := uploadsNew(t, fail)
		content, desc := uploadsBlob(30 << 10)
		if err := s.repository(t, nil).Push(t.Context(), desc, uploadsOnce{bytes.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
		s.holds(t, desc, content)
	})
}

func TestUploadsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		method string
		status int
		want   error
	}{
		{"may not", "POST", 403, registry.ErrDenied},
		{"does not", "POST", 405, registry.ErrUnsupported},
		{"may not in the end", "PUT", 403, registry.ErrDenied},
		{"always failing", "PUT", 500, registry.ErrUnavailable},
		{"always busy", "POST", 429, registry.ErrRateLimited},
		{"for another reason", "PUT", 400, nil},
		{"as none does", "POST", 200, registry.ErrUnavailable},
		{"as none does in the end", "PUT", 202, registry.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := uploadsNew(t, func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
				if req.Method == tc.method {
					uploadsRefuse(w, tc.status, "UNKNOWN")
				}
				return req.Method == tc.method
			})
			content, desc := uploadsBlob(300 << 10)
			err := s.repository(t, nil).Push(t.Context(), desc, bytes.NewReader(content))
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || strings.Contains(err.Error(), "Seeker") {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if e, ok := errors.AsType[*registry.Error](err); !ok || tc.status >= 400 && e.StatusCode != tc.status || e.Reference.Digest != desc.Digest {
				t.Errorf("error = %#v", err)
			}
			if n := s.asked(tc.method); n > 4 {
				t.Errorf("tried %d times", n)
			}
			if _, sessions := s.has(); sessions > 0 {
				t.Errorf("%d sessions are left", sessions)
			}
		})
	}
}
