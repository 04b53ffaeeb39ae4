package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func TestPutOpen(t *testing.T) {
	s, _ := newStore(t, "")
	for name, data := range map[string][]byte{"empty": {}, "small": []byte("x"), "large": noise(3<<20, 1)} {
		desc := describe("", data)
		if ok, err := s.Exists(t.Context(), desc); ok || err != nil {
			t.Errorf("%s: Exists before Put = %t, %v", name, ok, err)
		}
		if _, err := s.Open(t.Context(), desc); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: Open before Put: %v", name, err)
		}
		put(t, s, desc, data)
		put(t, s, desc, data) // there already
		if ok, err := s.Exists(t.Context(), desc); !ok || err != nil {
			t.Errorf("%s: Exists after Put = %t, %v", name, ok, err)
		}
		c, err := s.Open(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) || c.Size() != desc.Size || c.Origin() != cache.FromCache || c.Descriptor().Digest != desc.Digest {
			t.Errorf("%s: %d bytes, %v, size %d, origin %s", name, len(got), err, c.Size(), c.Origin())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		body, err := s.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: Fetch: %d bytes, %v", name, len(got), err)
		}
		body.Close()
	}
	if body, err := s.Fetch(t.Context(), describe("", []byte("absent"))); body != nil || !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Fetch of what is not here: %v, %v", body, err)
	}
	wantClean(t, s.Dir())
}

func TestPutRefuses(t *testing.T) {
	data := []byte("content")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	tests := []struct {
		name    string
		ctx     context.Context
		desc    ocispec.Descriptor
		content io.Reader
		want    error
	}{
		{"other bytes", t.Context(), describe("", data), strings.NewReader("consent"), registry.ErrDigestMismatch},
		{"too short", t.Context(), describe("", data), strings.NewReader("cont"), registry.ErrDigestMismatch},
		{"too long", t.Context(), describe("", data), strings.NewReader("contents"), registry.ErrDigestMismatch},
		{"reader fails", t.Context(), describe("", data), io.MultiReader(strings.NewReader("con"), failing{broken}), broken},
		{"cancelled", cancelled, describe("", data), bytes.NewReader(data), context.Canceled},
		{"malformed digest", t.Context(), ocispec.Descriptor{Digest: "sha256:../x"}, bytes.NewReader(data), registry.ErrInvalidReference},
		{"negative size", t.Context(), ocispec.Descriptor{Digest: describe("", data).Digest, Size: -1}, bytes.NewReader(data), registry.ErrInvalidReference},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newStore(t, "")
			if err := s.Put(tt.ctx, tt.desc, tt.content); !errors.Is(err, tt.want) {
				t.Errorf("Put: %v, want %v", err, tt.want)
			}
			if _, err := os.Stat(filepath.Join(s.Dir(), "blobs")); err == nil {
				t.Error("something was kept")
			}
			wantClean(t, s.Dir())
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Files that are not what their name says are never served: a miss for the
// store, fetched again through it, and told to the log.
func TestBadFilesHeal(t *testing.T) {
	data := noise(100_000, 2)
	desc := describe("", data)
	damage := map[string]func(path string) error{
		"flipped byte": func(path string) error { flip(t, path); return nil },
		"truncated":    func(path string) error { return os.Truncate(path, 10) },
		"emptied":      func(path string) error { return os.Truncate(path, 0) },
		"longer":       func(path string) error { return os.Truncate(path, desc.Size+1) },
		"a directory": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o777))
		},
	}
	for name, spoil := range damage {
		for how, get := range map[string]func(*cache.Source) ([]byte, error){
			"Fetch": func(src *cache.Source) ([]byte, error) { return fetch(t.Context(), src, desc) },
			"Open": func(src *cache.Source) ([]byte, error) {
				c, err := src.Open(t.Context(), desc)
				if err != nil {
					return nil, err
				}
				defer c.Close()
				return io.ReadAll(c)
			},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s, log := newStore(t, "")
				f := newFake()
				f.content[desc.Digest] = data
				put(t, s, desc, data)
				if err := spoil(blobPath(s, desc)); err != nil {
					t.Fatal(err)
				}
				got, err := get(s.Through(f, team, cache.Policy{}))
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if !strings.Contains(log.String(), desc.Digest.String()) {
					t.Errorf("the log does not tell: %q", log)
				}
				f.spent()
				if got, err := get(s.Through(f, team, cache.Policy{})); err != nil || !bytes.Equal(got, data) || f.spent() != "" {
					t.Errorf("not healed: %d bytes, %v", len(got), err)
				}
				spoil(blobPath(s, desc))
				if _, err := s.Open(t.Context(), desc); !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("Store.Open of a bad file: %v", err)
				}
				if _, err := os.Stat(blobPath(s, desc)); err == nil {
					t.Error("the bad file is still there")
				}
				wantClean(t, s.Dir())
			})
		}
	}
}

// A descriptor that lies about the size must not cost the good file.
func TestWrongSizeKeepsFile(t *testing.T) {
	s, _ := newStore(t, "")
	data := []byte("content")
	desc := describe("", data)
	put(t, s, desc, data)
	lie := desc
	lie.Size++
	if _, err := s.Open(t.Context(), lie); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("Open with a wrong size: %v", err)
	}
	if _, err := s.Open(t.Context(), desc); err != nil {
		t.Error(err)
	}
}

// Content stays what it is when its file is removed, replaced or cut.
func TestContentOutlivesFile(t *testing.T) {
	s, _ := newStore(t, "")
	data := noise(1<<20, 3)
	desc := describe("", data)
	put(t, s, desc, data)
	c, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if runtime.GOOS != "windows" { // where it is refused while open
		if err := os.Remove(blobPath(s, desc)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Seek(-10, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data[len(data)-10:]) {
		t.Errorf("tail: %x, %v", got, err)
	}
	part := make([]byte, 100)
	if _, err := c.ReadAt(part, 1000); err != nil || !bytes.Equal(part, data[1000:1100]) {
		t.Errorf("ReadAt: %v", err)
	}

	put(t, s, desc, data)
	cut, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	os.Truncate(blobPath(s, desc), 10)
	if _, err := io.ReadAll(cut); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file cut while it was open: %v", err)
	}
}

func TestOpenObeysContext(t *testing.T) {
	s, _ := newStore(t, "")
	data := noise(1<<20, 4)
	desc := describe("", data)
	put(t, s, desc, data)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, desc); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if ok, _ := s.Exists(t.Context(), desc); !ok {
		t.Error("a cancelled read took the file for bad")
	}
}
