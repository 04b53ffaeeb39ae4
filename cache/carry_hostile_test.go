package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// carryLayout is a layout in memory that may list anything.
type carryLayout struct {
	*fakeSource
	entries []ocispec.Descriptor
}

func (l carryLayout) Entries(context.Context) ([]ocispec.Descriptor, error) { return l.entries, nil }

// list adds an entry with pairs of annotations.
func (l *carryLayout) list(desc ocispec.Descriptor, annotations ...string) {
	desc.Annotations = map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		desc.Annotations[annotations[i]] = annotations[i+1]
	}
	l.entries = append(l.entries, desc)
}

// put adds a document.
func (l *carryLayout) put(mediaType string, v any) ocispec.Descriptor {
	data, _ := json.Marshal(v) // plain values
	desc := describe(mediaType, data)
	l.content[desc.Digest] = data
	return desc
}

const (
	carryName = "io.containerd.image.name"
	carryTag  = ocispec.AnnotationRefName
)

// TestImportHostile: what is wrong with a layout is an error that says so, and
// names nothing.
func TestImportHostile(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(l *carryLayout, desc, layer ocispec.Descriptor)
		into registry.Reference
		want error
		text string
	}{
		{"a layer that is another", func(l *carryLayout, desc, layer ocispec.Descriptor) {
			l.content[layer.Digest] = bytes.ToUpper(l.content[layer.Digest])
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrDigestMismatch, ""},
		{"a manifest that is another", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			l.content[desc.Digest] = bytes.ToUpper(l.content[desc.Digest])
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrDigestMismatch, ""},
		{"a wrong size", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			desc.Size++
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrDigestMismatch, ""},
		{"no layer and no config", func(l *carryLayout, desc, layer ocispec.Descriptor) {
			l.list(desc, carryName, v1.String())
			data := l.content[desc.Digest]
			clear(l.content)
			l.content[desc.Digest] = data
		}, registry.Reference{}, registry.ErrNotFound, "2 are missing"},
		{"no manifest", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			delete(l.content, desc.Digest)
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrNotFound, v1.String()},
		{"a plain tag", func(l *carryLayout, desc, _ ocispec.Descriptor) { l.list(desc, carryTag, "1.0.0") },
			registry.Reference{}, registry.ErrInvalidReference, "1.0.0"},
		{"no name", func(l *carryLayout, desc, _ ocispec.Descriptor) { l.list(desc) },
			registry.Reference{}, registry.ErrInvalidReference, "name the repository"},
		{"a name with another digest", func(l *carryLayout, desc, layer ocispec.Descriptor) {
			l.list(desc, carryName, team.WithDigest(layer.Digest).String())
		}, registry.Reference{}, registry.ErrDigestMismatch, ""},
		{"one name twice", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			l.list(desc, carryName, v1.String())
			l.list(l.put(ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{desc}}), carryTag, v1.String())
		}, registry.Reference{}, registry.ErrInvalidReference, "two manifests"},
		{"a blob with a name", func(l *carryLayout, _, layer ocispec.Descriptor) { l.list(layer, carryName, v1.String()) },
			registry.Reference{}, registry.ErrUnsupported, "no manifest"},
		{"a blob without a type", func(l *carryLayout, _, layer ocispec.Descriptor) {
			layer.MediaType = ""
			l.list(layer, carryName, v1.String())
		}, registry.Reference{}, registry.ErrUnsupported, "no manifest"},
		{"a digest that is a path", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			desc.Digest = "sha256:../../../../etc/passwd"
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrInvalidReference, ""},
		{"a layer whose digest is a path", func(l *carryLayout, desc, layer ocispec.Descriptor) {
			layer.Digest = "sha256:../../x"
			m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Layers: []ocispec.Descriptor{layer}}
			l.list(l.put(ocispec.MediaTypeImageManifest, m), carryName, v1.String())
		}, registry.Reference{}, registry.ErrInvalidReference, ""},
		{"a negative size", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			desc.Size = -1
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, registry.ErrInvalidReference, ""},
		{"a manifest that claims gigabytes", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			desc.Size = 8 << 30
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, limit.ErrExceeded, ""},
		{"indexes within indexes", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			for range 8 {
				desc = l.put(ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{desc}})
			}
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, limit.ErrExceeded, "within each other"},
		{"more entries than an index may have", func(l *carryLayout, desc, _ ocispec.Descriptor) {
			for i := range 10_001 {
				l.list(desc, carryName, fmt.Sprintf("%s:1.0.%d", team.Name(), i))
			}
		}, registry.Reference{}, limit.ErrExceeded, ""},
		{"a manifest that two readers take for two", func(l *carryLayout, _, _ ocispec.Descriptor) {
			data := []byte(`{"schemaVersion":2,"layers":[],"LAYERS":[]}`)
			desc := describe(ocispec.MediaTypeImageManifest, data)
			l.content[desc.Digest] = data
			l.list(desc, carryName, v1.String())
		}, registry.Reference{}, nil, "LAYERS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := carryLayout{fakeSource: newFake()}
			desc, layer := l.add("1.0.0", []byte("layer"))
			tt.make(&l, desc, layer)
			s, _ := newStore(t, "")
			in, err := s.Import(t.Context(), l, cache.ImportOptions{Into: tt.into})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%+v, %v", in, err)
			}
			for e, err := range s.Entries(t.Context()) {
				t.Errorf("named all the same: %+v, %v", e, err)
			}
			wantClean(t, s.Dir())
		})
	}
}

// TestImportNames: how an entry is named, by whoever wrote it.
func TestImportNames(t *testing.T) {
	web := registry.Reference{Host: "registry.example.com", Repository: "team/web"}
	for _, tt := range []struct {
		name        string
		annotations []string
		into        registry.Reference
		want        string // with DIGEST for the manifest's
	}{
		{"containerd's name", []string{carryName, v1.String(), carryTag, "latest"}, web, v1.String()},
		{"a whole reference as the tag", []string{carryTag, "oci://" + v1.String()}, web, v1.String()},
		{"a plain tag", []string{carryTag, "1.0.0+b"}, web.WithTag("2"), web.WithTag("1.0.0_b").String()},
		{"no name", nil, web, web.Name() + "@DIGEST"},
		{"a name that is none", []string{carryName, "a\nb", carryTag, "../x"}, web, web.Name() + "@DIGEST"},
		{"a tag with a digest", []string{carryName, v1.String() + "@DIGEST"}, registry.Reference{}, v1.String()},
		{"a digest", []string{carryName, team.Name() + "@DIGEST"}, registry.Reference{}, team.Name() + "@DIGEST"},
		{"a name without a tag", []string{carryName, team.Name(), carryTag, "1.0.0"}, web, web.WithTag("1.0.0").String()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := carryLayout{fakeSource: newFake()}
			desc, _ := l.add("1.0.0", []byte("layer"))
			for i := range tt.annotations {
				tt.annotations[i] = strings.ReplaceAll(tt.annotations[i], "DIGEST", desc.Digest.String())
			}
			typed := desc
			desc.MediaType = "" // Helm's manifests say nothing, and some lists neither
			l.list(desc, tt.annotations...)
			s, _ := newStore(t, "")
			in, err := s.Import(t.Context(), l, cache.ImportOptions{Into: tt.into})
			if err != nil || len(in.Roots) != 1 {
				t.Fatalf("%+v, %v", in, err)
			}
			root := in.Roots[0]
			if want := strings.ReplaceAll(tt.want, "DIGEST", desc.Digest.String()); root.Reference.String() != want || root.Descriptor.MediaType != typed.MediaType {
				t.Errorf("%s %s, want %s", root.Reference, root.Descriptor.MediaType, want)
			}
			mustPull(t, s.Through(nil, root.Reference, cache.Policy{}), root.Reference.Object(), []byte("layer"))
		})
	}
}

// TestImportPartition: a layout that only lists a digest does not show it to a
// partition that does not know it.
func TestImportPartition(t *testing.T) {
	l := carryLayout{fakeSource: newFake()}
	desc, layer := l.add("1.0.0", []byte("secret"))
	dir := filepath.Join(t.TempDir(), "cache")
	owner, err := cache.Open(dir, &cache.Options{Partition: "owner"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := cache.Open(dir, &cache.Options{Partition: "other"})
	if err != nil {
		t.Fatal(err)
	}
	l.list(desc, carryName, v1.String())
	if _, err := owner.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	delete(l.content, layer.Digest)
	if in, err := other.Import(t.Context(), l, cache.ImportOptions{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%+v, %v", in, err)
	}
	if in, err := owner.Import(t.Context(), l, cache.ImportOptions{}); err != nil || in.Written != 0 {
		t.Errorf("who knows it: %+v, %v", in, err)
	}
}

// TestImportMends: content that is here and bad is taken from the layout.
func TestImportMends(t *testing.T) {
	l := carryLayout{fakeSource: newFake()}
	desc, layer := l.add("1.0.0", []byte("layer"))
	l.list(desc, carryName, v1.String())
	s, _ := newStore(t, "")
	if _, err := s.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []ocispec.Descriptor{desc, layer} {
		carrySpoil(t, blobPath(s, d))
		in, err := s.Import(t.Context(), l, cache.ImportOptions{})
		if err != nil || in.Written != d.Size {
			t.Errorf("%+v, %v", in, err)
		}
		mustPull(t, s.Through(nil, team, cache.Policy{}), "1.0.0", []byte("layer"))
	}
	if _, err := cache.None().Import(t.Context(), l, cache.ImportOptions{}); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("into no cache: %v", err)
	}
}

// carrySpoil changes a byte of a file in place.
func carrySpoil(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestImportInterrupted stops an import at each of its reads, and repeats it.
func TestImportInterrupted(t *testing.T) {
	l := carryLayout{fakeSource: newFake()}
	desc, _ := l.add("1.0.0", []byte("layer"))
	l.list(desc, carryName, v1.String())
	for after := 1; ; after++ {
		s, _ := newStore(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		left := after
		l.body = func(data []byte) io.Reader {
			return onRead{bytes.NewReader(data), func() {
				if left--; left == 0 {
					cancel()
				}
			}}
		}
		_, err := s.Import(ctx, l, cache.ImportOptions{})
		cancel()
		if err == nil && left > 0 {
			if after < 6 {
				t.Fatalf("only %d reads", after)
			}
			return
		}
		if err == nil {
			continue // it was read to the end
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d reads: %v", after, err)
		}
		for e := range s.Entries(t.Context()) {
			t.Errorf("after %d reads: named %+v", after, e)
		}
		wantClean(t, s.Dir())
		l.body = nil
		if _, err := s.Import(t.Context(), l, cache.ImportOptions{}); err != nil {
			t.Errorf("repeated after %d reads: %v", after, err)
		}
		mustPull(t, s.Through(nil, team, cache.Policy{}), "1.0.0", []byte("layer"))
	}
}

// FuzzImport: whatever a layout lists, what was imported is complete, right and
// held, and a failed import has named nothing.
func FuzzImport(f *testing.F) {
	l := carryLayout{fakeSource: newFake()}
	one, _ := l.add("1.0.0", []byte("layer"))
	signed := l.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Subject: &one})
	index := l.put(ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{one}})
	seed := func(entries ...ocispec.Descriptor) {
		data, _ := json.Marshal(entries)
		f.Add(data, "")
		f.Add(data, team.Name())
	}
	named := func(desc ocispec.Descriptor, key, name string) ocispec.Descriptor {
		desc.Annotations = map[string]string{key: name}
		return desc
	}
	seed(named(one, carryName, v1.String()), signed)
	seed(named(index, carryTag, v1.String()), one)
	seed(named(one, carryTag, "latest"), named(index, carryTag, registry.ReferrersTag(one.Digest)))
	seed(signed)
	seed(one)
	f.Fuzz(func(t *testing.T, list []byte, into string) {
		var entries []ocispec.Descriptor
		if json.Unmarshal(list, &entries) != nil {
			return
		}
		var options cache.ImportOptions
		options.Into, _ = registry.ParseReference(into) // the zero one else
		s, err := cache.Open(filepath.Join(t.TempDir(), "cache"), nil)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Import(t.Context(), carryLayout{l.fakeSource, entries}, options)
		held := map[string]digest.Digest{}
		for e, err := range s.Entries(t.Context()) {
			if err != nil || !e.Held || !e.Complete {
				t.Fatalf("%+v, %v", e, err)
			}
			held[e.Reference.String()] = e.Descriptor.Digest
		}
		if err != nil {
			if len(held) > 0 {
				t.Fatalf("%v, and named %v", err, held)
			}
			return
		}
		if len(in.Roots) != len(held) { // what refers to them has no entry
			t.Fatalf("imported %+v, and here is %v", in.Roots, held)
		}
		for _, root := range in.Roots {
			if held[root.Reference.String()] != root.Descriptor.Digest {
				t.Fatalf("%s is %s, and %s was imported", root.Reference, held[root.Reference.String()], root.Descriptor.Digest)
			}
			got, err := s.Through(nil, root.Reference, cache.Policy{}).Resolve(t.Context(), root.Reference.Object())
			if err != nil || got.Digest != root.Descriptor.Digest {
				t.Fatalf("%s: %v, %v", root.Reference, got, err)
			}
		}
	})
}
