//go:build unix

package cache_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// Content that others may write to in place is handed out as it was verified.
func TestUnshared(t *testing.T) {
	s, _ := newStore(t, "")
	data := noise(300_000, 5)
	desc := describe("", data)
	put(t, s, desc, data)
	path := blobPath(s, desc)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o022 != 0 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*cache.Content, error){
		"open":   func() (*cache.Content, error) { return s.Open(t.Context(), desc) },
		"digest": func() (*cache.Content, error) { return s.OpenDigest(t.Context(), desc.Digest) },
	} {
		c, err := open()
		if err != nil {
			t.Fatal(name, err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte("EVIL"), len(data)/4), 0o666); err != nil { // in place
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v, and not what was verified", name, len(got), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
