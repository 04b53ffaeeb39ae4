package cache

import (
	"bytes"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Where a file has to be closed before it gets its name, and gets none, what it
// holds is not lost: whoever has fetched it goes on without the cache.
func TestKeptAnew(t *testing.T) {
	data := []byte("content")
	desc := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
	for _, name := range []string{"", "blobs", "parts"} {
		s, err := Open(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if name != "" {
			if err := os.WriteFile(s.path(name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sp := s.newSpool(&turn{})
		if _, err := sp.Write(data); err != nil {
			t.Fatal(err)
		}
		c, err := sp.in.keptAnew(t.Context(), desc)
		if name == "" {
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			continue
		}
		if err == nil {
			t.Fatalf("kept where %s is a file", name)
		}
		if err := sp.divert(); err != nil {
			t.Fatalf("where %s is a file: %v", name, err)
		}
		got := make([]byte, len(data))
		if _, err := sp.tmp.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%q, %v", got, err)
		}
		if err := sp.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(s.path("ingest")); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}
