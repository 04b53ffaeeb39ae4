package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// What a source does wrong ends the read and leaves nothing.
func TestBadSources(t *testing.T) {
	data := noise(200_000, 6)
	desc := describe("", data)
	broken := errors.New("connection reset")
	tests := []struct {
		name string
		body func([]byte) io.Reader
		want error
	}{
		{"other bytes", func(b []byte) io.Reader { return bytes.NewReader(noise(len(b), 7)) }, registry.ErrDigestMismatch},
		{"short", func(b []byte) io.Reader { return bytes.NewReader(b[:len(b)-1]) }, registry.ErrDigestMismatch},
		{"long", func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), bytes.NewReader(b)) }, registry.ErrDigestMismatch},
		{"breaks", func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b[:1000]), iotest.ErrReader(broken)) }, broken},
		{"breaks at its end", func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), iotest.ErrReader(broken)) }, broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			manifest, _ := f.add("1.0.0", data)
			f.body = tt.body
			s, _ := newStore(t, "")
			src := s.Through(fullSource{f}, v1, cache.Policy{})
			if _, err := fetch(t.Context(), src, desc); !errors.Is(err, tt.want) {
				t.Errorf("Fetch: %v, want %v", err, tt.want)
			}
			if _, err := src.Open(t.Context(), desc); !errors.Is(err, tt.want) {
				t.Errorf("Open: %v, want %v", err, tt.want)
			}
			if tt.want == registry.ErrDigestMismatch {
				for _, reference := range []string{"1.0.0", manifest.Digest.String()} {
					if _, _, err := src.FetchManifest(t.Context(), reference); !errors.Is(err, tt.want) {
						t.Errorf("FetchManifest(%s): %v, want %v", reference, err, tt.want)
					}
				}
			}
			if _, err := os.Stat(blobPath(s, desc)); err == nil {
				t.Error("the content was kept")
			}
			if _, err := s.Through(nil, v1, cache.Policy{}).Resolve(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("the reference was kept: %v", err)
			}
			wantClean(t, s.Dir())
		})
	}
}

func TestFetchStreams(t *testing.T) {
	data := noise(500_000, 8)
	desc := describe("", data)
	read := map[string]func(r io.Reader) ([]byte, error){
		"to the end": io.ReadAll,
		"exactly its size": func(r io.Reader) ([]byte, error) {
			got := make([]byte, len(data))
			_, err := io.ReadFull(r, got)
			return got, err
		},
		"byte by byte": func(r io.Reader) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(r)) },
	}
	for name, read := range read {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.content[desc.Digest] = data
			s, _ := newStore(t, "")
			src := s.Through(f, team, cache.Policy{})
			for range 2 {
				body, err := src.Fetch(t.Context(), desc)
				if err != nil {
					t.Fatal(err)
				}
				got, err := read(body)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if err := body.Close(); err != nil {
					t.Error(err)
				}
			}
			if got := f.spent(); got != "Fetch" {
				t.Errorf("asked the source for %q", got)
			}
			wantClean(t, s.Dir())
		})
	}
}

func TestFetchClosedEarly(t *testing.T) {
	data := noise(500_000, 9)
	desc := describe("", data)
	f := newFake()
	f.content[desc.Digest] = data
	s, _ := newStore(t, "")
	for _, n := range []int{0, 1, len(data) - 1} {
		body, err := s.Through(f, team, cache.Policy{}).Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		body.Close()
		if ok, _ := s.Exists(t.Context(), desc); ok {
			t.Fatalf("kept after %d bytes", n)
		}
		wantClean(t, s.Dir())
	}
}

func TestCancelledMidStream(t *testing.T) {
	data := noise(500_000, 10)
	desc := describe("", data)
	for _, how := range []string{"Fetch", "Open"} {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			f := newFake()
			f.content[desc.Digest] = data
			s, _ := newStore(t, "")
			f.body = func(data []byte) io.Reader { return onRead{bytes.NewReader(data), cancel} }
			src := s.Through(f, team, cache.Policy{})
			var err error
			if how == "Open" {
				_, err = src.Open(ctx, desc)
			} else {
				body, ferr := src.Fetch(ctx, desc)
				if ferr != nil {
					t.Fatal(ferr)
				}
				_, err = io.ReadAll(iotest.HalfReader(body))
				wantClean(t, s.Dir()) // before Close, which may be late
				body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
			if ok, _ := s.Exists(t.Context(), desc); ok {
				t.Error("the content was kept")
			}
			wantClean(t, s.Dir())
		})
	}
}

func TestSourceErrors(t *testing.T) {
	f := newFake()
	_, layer := f.add("1.0.0", []byte("layer"))
	f.fetchErr = registry.ErrDenied
	s, _ := newStore(t, "")
	src := s.Through(f, v1, cache.Policy{})
	for name, call := range map[string]func() error{
		"Fetch":         func() error { _, err := src.Fetch(t.Context(), layer); return err },
		"Open":          func() error { _, err := src.Open(t.Context(), layer); return err },
		"FetchManifest": func() error { _, _, err := src.FetchManifest(t.Context(), "1.0.0"); return err },
	} {
		err := call()
		if re, ok := errors.AsType[*registry.Error](err); !ok || !errors.Is(err, registry.ErrDenied) || re.Reference.Name() != team.Name() {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantClean(t, s.Dir())
}

// A repository that is resolved and then fetched, as copies of other libraries
// do, fills the cache as a pull does.
func TestResolveThenFetch(t *testing.T) {
	f := newFake()
	manifest, _ := f.add("1.0.0", []byte("layer"))
	f.tags["latest"] = manifest
	s, _ := newStore(t, "")
	src := s.Through(f, v1, cache.Policy{})
	for _, tag := range []string{"1.0.0", "latest", "1.0.0"} {
		if _, err := src.Resolve(t.Context(), tag); err != nil {
			t.Fatal(err)
		}
	}
	offline := s.Through(nil, v1, cache.Policy{})
	if _, err := offline.Resolve(t.Context(), "1.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a reference without its manifest: %v", err)
	}
	if _, err := fetch(t.Context(), src, manifest); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.0.0", "latest"} {
		if desc, err := offline.Resolve(t.Context(), tag); err != nil || desc.Digest != manifest.Digest {
			t.Errorf("%s: %v, %v", tag, desc.Digest, err)
		}
	}
}

func TestExists(t *testing.T) {
	f := newFake()
	_, layer := f.add("1.0.0", []byte("layer"))
	s, _ := newStore(t, "")
	src := s.Through(f, v1, cache.Policy{})
	check := func(desc ocispec.Descriptor, want bool, spent string) {
		t.Helper()
		if got, err := src.Exists(t.Context(), desc); got != want || err != nil {
			t.Errorf("Exists = %t, %v", got, err)
		}
		if got := f.spent(); got != spent {
			t.Errorf("asked the source for %q, want %q", got, spent)
		}
	}
	check(layer, true, "Exists")
	check(describe("", []byte("absent")), false, "Exists")
	put(t, s, layer, []byte("layer"))
	check(layer, true, "")
}
