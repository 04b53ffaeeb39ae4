package cache_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

func TestTake(t *testing.T) {
	const text = "a chart"
	right := digest.FromString(text)
	for _, tc := range []struct {
		name string
		want digest.Digest
		as   digest.Digest // under which it is kept
		err  error
	}{
		{"known digest", right, right, nil},
		{"unknown digest", "", right, nil},
		{"another algorithm", digest.SHA512.FromString(text), digest.SHA512.FromString(text), nil},
		{"other content", digest.FromString("another chart"), "", registry.ErrDigestMismatch},
		{"no digest", "sha256:x", "", registry.ErrInvalidReference},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, s := range []*cache.Store{newStoreIn(t, t.TempDir()), cache.None()} {
				c, err := s.Take(t.Context(), tc.want, strings.NewReader(text))
				if !errors.Is(err, tc.err) {
					t.Fatalf("error %v, want %v", err, tc.err)
				}
				if err != nil {
					continue
				}
				got, err := io.ReadAll(c)
				if err != nil || string(got) != text || c.Size() != int64(len(text)) || c.Descriptor().Digest != tc.as || c.Origin() != cache.FromNetwork {
					t.Errorf("%q, %v, %+v from %s", got, err, c.Descriptor(), c.Origin())
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				again, err := s.OpenDigest(t.Context(), tc.as)
				if s.Dir() == "" {
					if !errors.Is(err, registry.ErrNotFound) {
						t.Errorf("no cache, and %v", err)
					}
					continue
				}
				if err != nil || again.Size() != int64(len(text)) || again.Origin() != cache.FromCache {
					t.Fatalf("opened again: %v", err)
				}
				again.Close()
			}
		})
	}
}

func TestTakeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := newStoreIn(t, dir)
	fault := errors.New("the line broke")
	_, err := s.Take(t.Context(), "", io.MultiReader(strings.NewReader("half"), errorReader{fault}))
	if !errors.Is(err, fault) {
		t.Errorf("error = %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "ingest"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestOpenDigestRemovesWhatIsBad(t *testing.T) {
	dir := t.TempDir()
	s := newStoreIn(t, dir)
	d := digest.FromString("good")
	path := filepath.Join(dir, "blobs", "sha256", d.Encoded())
	if err := s.Put(t.Context(), ocispec.Descriptor{Digest: d, Size: 4}, strings.NewReader("good")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("evil"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenDigest(t.Context(), d); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error = %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the bad file is still there: %v", err)
	}
	if _, err := s.OpenDigest(t.Context(), "../../etc/passwd"); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("error = %v", err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func newStoreIn(t *testing.T, dir string) *cache.Store {
	t.Helper()
	s, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
