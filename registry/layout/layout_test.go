package layout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// store is what Dir and TarWriter are.
type store interface {
	registry.Target
	registry.ReferencePusher
	registry.TagLister
	registry.ReferrerLister
	Entries(context.Context) ([]ocispec.Descriptor, error)
}

// kinds makes a store of each kind; reopen closes it and opens it for reading.
var kinds = map[string]func(t *testing.T, path string) (s store, reopen func() registry.Source){
	"directory": func(t *testing.T, path string) (store, func() registry.Source) {
		d, err := layout.Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d, func() registry.Source {
			again, err := layout.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { again.Close() })
			return again
		}
	},
	"tar": func(t *testing.T, path string) (store, func() registry.Source) {
		w, err := layout.CreateTar(t.Context(), path+".tar")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		return w, func() registry.Source {
			if err := errors.Join(w.Commit(t.Context()), w.Close()); err != nil {
				t.Fatal(err)
			}
			again, err := layout.OpenTar(path + ".tar")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { again.Close() })
			return again
		}
	},
}

func describe(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// manifest makes one of a layer, and of a subject if there is one.
func manifest(t testing.TB, layer string, subject *ocispec.Descriptor) (desc ocispec.Descriptor, data []byte, blobs map[string]ocispec.Descriptor) {
	t.Helper()
	config, content := describe("application/vnd.example.config", []byte("{}")), describe("application/vnd.example.layer", []byte(layer))
	data, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: config, Layers: []ocispec.Descriptor{content}, Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	return describe(ocispec.MediaTypeImageManifest, data), data, map[string]ocispec.Descriptor{"{}": config, layer: content}
}

// put stores an artifact; without a tag it is pushed by its digest.
func put(t testing.TB, s store, tag, layer string, subject *ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	desc, data, blobs := manifest(t, layer, subject)
	for text, d := range blobs {
		if err := s.Push(t.Context(), d, bytes.NewReader([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if tag == "" {
		err = s.Push(t.Context(), desc, bytes.NewReader(data))
	} else {
		err = s.PushReference(t.Context(), desc, bytes.NewReader(data), tag)
	}
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func tagsOf(t testing.TB, s registry.TagLister) []string {
	t.Helper()
	var all []string
	for tag, err := range registry.Tags(t.Context(), s) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tag)
	}
	return all
}

func TestLayout(t *testing.T) {
	ctx := t.Context()
	for kind, create := range kinds {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "layout")
			w, reopen := create(t, path)
			one, two := put(t, w, "1.0.0+a", "one", nil), put(t, w, "", "two", nil)
			signature := put(t, w, "", "signature", &one)
			if err := w.Tag(ctx, two, "latest"); err != nil {
				t.Fatal(err)
			}
			if err := w.Tag(ctx, one, "stable"); err != nil {
				t.Fatal(err)
			}
			if err := w.Tag(ctx, two, "stable"); err != nil { // it moves
				t.Fatal(err)
			}
			check := func(s registry.Source) {
				t.Helper()
				for reference, want := range map[string]ocispec.Descriptor{
					"1.0.0+a": one, "1.0.0_a": one, "latest": two, "stable": two,
					one.Digest.String(): one, two.Digest.String(): two, signature.Digest.String(): signature,
				} {
					got, err := s.Resolve(ctx, reference)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", reference, diff)
					}
				}
				for _, absent := range []string{"2.0.0", "", digest.FromString("absent").String(), digest.FromString("one").String()} {
					if _, err := s.Resolve(ctx, absent); !errors.Is(err, registry.ErrNotFound) {
						t.Errorf("%s: %v", absent, err)
					}
				}
				if diff := cmp.Diff([]string{"1.0.0_a", "latest", "stable"}, tagsOf(t, s.(registry.TagLister))); diff != "" {
					t.Errorf("tags (-want +got):\n%s", diff)
				}
				var found []digest.Digest
				for d, err := range registry.Referrers(ctx, s.(registry.ReferrerLister), one, "application/vnd.example.config") {
					if err != nil {
						t.Fatal(err)
					}
					found = append(found, d.Digest)
				}
				if !slices.Equal(found, []digest.Digest{signature.Digest}) {
					t.Errorf("referrers %v", found)
				}
				if rc, err := s.Fetch(ctx, describe("", []byte("signature"))); err != nil {
					t.Error(err)
				} else if data, err := io.ReadAll(rc); err != nil || string(data) != "signature" || rc.Close() != nil {
					t.Errorf("%q, %v", data, err)
				}
			}
			check(w)
			r := reopen()
			check(r)
			for desc, want := range map[digest.Digest]bool{one.Digest: true, digest.FromString("absent"): false} {
				if ok, err := r.Exists(ctx, ocispec.Descriptor{Digest: desc, Size: one.Size}); err != nil || ok != want {
					t.Errorf("%s exists %v, %v", desc, ok, err)
				}
			}
		})
	}
}

// TestPushThatFails: what cannot be read to its end, or is something else,
// leaves nothing, and can be sent again.
func TestPushThatFails(t *testing.T) {
	ctx := t.Context()
	broken := errors.New("line cut")
	for kind, create := range kinds {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "layout")
			w, reopen := create(t, path)
			first := put(t, w, "1", "one", nil)
			content := bytes.Repeat([]byte("content "), 10_000)
			desc := describe("application/octet-stream", content)
			for name, tc := range map[string]struct {
				r    io.Reader
				want error
			}{
				"cut":     {io.MultiReader(bytes.NewReader(content[:50_000]), iotest.ErrReader(broken)), broken},
				"short":   {bytes.NewReader(content[:79_999]), registry.ErrDigestMismatch},
				"long":    {bytes.NewReader(append(slices.Clone(content), 'x')), registry.ErrDigestMismatch},
				"another": {bytes.NewReader(append(slices.Clone(content[1:]), 'x')), registry.ErrDigestMismatch},
			} {
				if err := w.Push(ctx, desc, tc.r); !errors.Is(err, tc.want) {
					t.Errorf("%s: %v, want %v", name, err, tc.want)
				}
				if ok, err := w.Exists(ctx, desc); ok || err != nil {
					t.Errorf("%s: exists %v, %v", name, ok, err)
				}
			}
			if err := w.Push(ctx, ocispec.Descriptor{Digest: "sha256:../../../x", Size: 1}, bytes.NewReader([]byte("x"))); err == nil {
				t.Error("a digest that is none was taken")
			}
			if err := w.Tag(ctx, desc, "2"); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("tag of what is not there: %v", err)
			}
			if err := w.PushReference(ctx, first, bytes.NewReader(nil), "no tag"); !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("tag that is none: %v", err)
			}
			if err := w.Push(ctx, desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			r := reopen()
			for _, d := range []ocispec.Descriptor{desc, first} {
				if ok, err := r.Exists(ctx, d); !ok || err != nil {
					t.Errorf("%s exists %v, %v", d.Digest, ok, err)
				}
			}
			leftovers(t, filepath.Dir(path))
		})
	}
}

// leftovers finds temporary files.
func leftovers(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name()[0] == '.' {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWritersLoseNothing: any number of them tag at once (oras#149).
func TestWritersLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layout")
	const writers, each = 8, 10
	var want []string
	var wg sync.WaitGroup
	for i := range writers {
		for j := range each {
			want = append(want, fmt.Sprintf("%d.%d.0", i, j))
		}
		wg.Go(func() {
			d, err := layout.Create(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			for j := range each {
				put(t, d, fmt.Sprintf("%d.%d.0", i, j), fmt.Sprint(i, j), nil)
			}
		})
	}
	wg.Wait()
	d, err := layout.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	slices.Sort(want)
	if diff := cmp.Diff(want, tagsOf(t, d)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	leftovers(t, path)
}

// TestImageIndexIsOneEntry: what an index names has no entry of its own, which
// crane would take for a second image.
func TestImageIndexIsOneEntry(t *testing.T) {
	for kind, create := range kinds {
		t.Run(kind, func(t *testing.T) {
			w, _ := create(t, filepath.Join(t.TempDir(), "layout"))
			a, b := put(t, w, "", "a", nil), put(t, w, "", "b", nil)
			data, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{a, b}})
			if err != nil {
				t.Fatal(err)
			}
			index := describe(ocispec.MediaTypeImageIndex, data)
			if err := w.PushReference(t.Context(), index, bytes.NewReader(data), "1"); err != nil {
				t.Fatal(err)
			}
			entries, err := w.Entries(t.Context())
			if err != nil || len(entries) != 1 || entries[0].Digest != index.Digest {
				t.Errorf("%v, %v", entries, err)
			}
			if got, err := w.Resolve(t.Context(), a.Digest.String()); err != nil || got.MediaType != a.MediaType {
				t.Errorf("child: %v, %v", got, err)
			}
		})
	}
}

func TestTarIsAddedTo(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "layout.tar")
	write := func(tag string) error {
		w, err := layout.CreateTar(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		put(t, w, tag, tag, nil)
		return w.Commit(ctx)
	}
	for _, tag := range []string{"1", "2", "3"} {
		if err := write(tag); err != nil {
			t.Fatal(err)
		}
	}
	r, err := layout.OpenTar(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := tagsOf(t, r); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("tags %v", got)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(w *layout.TarWriter) error{
		"nothing written": func(w *layout.TarWriter) error { return w.Commit(ctx) },
		"not committed":   func(w *layout.TarWriter) error { put(t, w, "4", "4", nil); return nil },
	} {
		w, err := layout.CreateTar(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(w), w.Close()); err != nil {
			t.Fatal(name, err)
		}
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: the file was replaced, %v", name, err)
		}
	}
	w, err := layout.CreateTar(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	put(t, w, "5", "5", nil)
	if err := write("6"); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(ctx); !errors.Is(err, registry.ErrExists) {
		t.Errorf("over what somebody else wrote: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	leftovers(t, filepath.Dir(path))
}
