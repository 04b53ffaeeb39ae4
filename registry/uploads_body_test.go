package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/heap"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

type uploadsTransport func(*http.Request) (*http.Response, error)

func (f uploadsTransport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// uploadsCounting counts reads since the last Seek.
type uploadsCounting struct {
	*bytes.Reader
	reads int
}

func (c *uploadsCounting) Read(p []byte) (int, error) {
	c.reads++
	return c.Reader.Read(p)
}

func (c *uploadsCounting) Seek(off int64, whence int) (int64, error) {
	c.reads = 0
	return c.Reader.Seek(off, whence)
}

// A source may need a place among the requests to the same host: it must have
// it before the upload waits for its own, the second time too.
func TestUploadsHaveTheirFirstBytesInHand(t *testing.T) {
	content, desc := uploadsBlob(300 << 10)
	for name, hook := range map[string]uploadsHook{
		"whole":     nil,
		"in chunks": uploadsNoWhole(405, "UNSUPPORTED"),
		"token expired": func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			refuse := req.Method == http.MethodPut && s.times("PUT") == 1
			if refuse {
				io.CopyN(io.Discard, req.Body, 100<<10)
				w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
			return refuse
		},
		"server failing": func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
			refuse := req.Method == http.MethodPut && s.times("PUT") == 1
			if refuse {
				w.WriteHeader(http.StatusBadGateway)
			}
			return refuse
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := uploadsNew(t, hook)
			reader := &uploadsCounting{Reader: bytes.NewReader(content)}
			sent := 0
			repo := s.repository(t, &registry.Options{
				Credentials: auth.Static(auth.Resource{Host: s.host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
				Transport: uploadsTransport(func(req *http.Request) (*http.Response, error) {
					if req.ContentLength > 0 {
						sent++
						if reader.reads == 0 {
							t.Errorf("%s without any byte in hand", req.Method)
						}
					} else if req.Method == http.MethodPost && reader.reads > 0 && sent == 0 {
						t.Error("the content was read before the registry had asked for it")
					}
					return http.DefaultTransport.RoundTrip(req)
				}),
			})
			if err := repo.Push(t.Context(), desc, reader); err != nil {
				t.Fatal(err)
			}
			s.holds(t, desc, content)
		})
	}
}

func TestUploadsOfWhatFails(t *testing.T) {
	content, desc := uploadsBlob(300 << 10)
	broken := errors.New("disk on fire")
	wrong := bytes.Clone(content)
	wrong[len(wrong)-1] ^= 1
	for _, tc := range []struct {
		name string
		r    func(t *testing.T) io.Reader
		want error
	}{
		{"late", func(*testing.T) io.Reader {
			return io.MultiReader(bytes.NewReader(content[:200<<10]), iotest.ErrReader(broken))
		}, broken},
		{"of its own network", func(*testing.T) io.Reader {
			return io.MultiReader(bytes.NewReader(content[:200<<10]), iotest.ErrReader(&registry.Error{Op: "fetch", Kind: registry.ErrNotFound}))
		}, registry.ErrNotFound},
		{"at its end", func(t *testing.T) io.Reader {
			v, err := verify.NewReader(bytes.NewReader(wrong), desc)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}, registry.ErrDigestMismatch},
		{"too much", func(*testing.T) io.Reader { return bytes.NewReader(append(bytes.Clone(content), 0)) }, registry.ErrDigestMismatch},
		{"too little", func(*testing.T) io.Reader { return bytes.NewReader(content[1:]) }, registry.ErrDigestMismatch},
		{"other content", func(*testing.T) io.Reader { return bytes.NewReader(wrong) }, registry.ErrDigestMismatch},
		{"nothing ever", func(*testing.T) io.Reader { return iotest.ErrReader(io.ErrNoProgress) }, io.ErrNoProgress},
	} {
		for mode, hook := range map[string]uploadsHook{"whole": nil, "in chunks": uploadsNoWhole(405, "UNSUPPORTED")} {
			t.Run(tc.name+" "+mode, func(t *testing.T) {
				s := uploadsNew(t, hook)
				repo := s.repository(t, nil)
				if hook != nil { // let it be known
					small, d := uploadsBlob(10)
					if err := repo.Push(t.Context(), d, bytes.NewReader(small)); err != nil {
						t.Fatal(err)
					}
				}
				before, _ := s.has()
				err := repo.Push(t.Context(), desc, tc.r(t))
				if !errors.Is(err, tc.want) || errors.Is(err, registry.ErrUnavailable) || strings.Contains(err.Error(), "Seeker") {
					t.Errorf("error = %v, want %v", err, tc.want)
				}
				if blobs, _ := s.has(); blobs != before || s.asked("POST") > 3 {
					t.Errorf("%d blobs, %d uploads begun", blobs-before, s.asked("POST"))
				}
			})
		}
	}
}

func TestUploadsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := uploadsNew(t, func(_ *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPut {
			return false
		}
		cancel()
		io.Copy(io.Discard, req.Body)
		select {
		case <-req.Context().Done():
		case <-time.After(10 * time.Second):
		}
		return true
	})
	content, desc := uploadsBlob(300 << 10)
	start := time.Now()
	err := s.repository(t, nil).Push(ctx, desc, bytes.NewReader(content))
	if !errors.Is(err, context.Canceled) || errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if got := s.methods(); got != "POST PUT" {
		t.Errorf("cost %s", got)
	}
}

// uploadsEndless is content of any size that takes no memory.
type uploadsEndless struct{ at, size int64 }

func (e *uploadsEndless) Read(p []byte) (int, error) {
	if e.at == e.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.size-e.at)
	clear(p[:n])
	e.at += n
	return int(n), nil
}

func (e *uploadsEndless) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		e.at = off
	case io.SeekCurrent:
		e.at += off
	}
	return e.at, nil
}

func TestUploadsInBoundedMemory(t *testing.T) {
	const size = 64 << 20
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("unknown"), Size: size}
	for name, whole := range map[string]bool{"whole": true, "in chunks": false} {
		t.Run(name, func(t *testing.T) {
			s := uploadsNew(t, func(s *uploadsServer, w http.ResponseWriter, req *http.Request) bool {
				n, _ := io.Copy(io.Discard, req.Body)
				switch {
				case req.Method == http.MethodPut && (whole || n == 0):
					w.WriteHeader(http.StatusCreated)
				case req.Method == http.MethodPut:
					uploadsRefuse(w, 405, "UNSUPPORTED")
				case req.Method == http.MethodPatch:
					w.WriteHeader(http.StatusAccepted)
				default:
					return false
				}
				return true
			})
			repo := s.repository(t, nil)
			var err error
			if grown := heap.Growth(func() { err = repo.Push(t.Context(), desc, &uploadsEndless{size: size}) }); grown > 16<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			if want := map[bool]int{true: 0, false: size >> 22}[whole]; err != nil || s.asked("PATCH") != want {
				t.Errorf("%d chunks, want %d; %v", s.asked("PATCH"), want, err)
			}
		})
	}
}
