package layout_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

// editable is a layout of either kind.
type editable interface {
	registry.Target
	Entries(ctx context.Context) ([]ocispec.Descriptor, error)
	Edit(ctx context.Context, change func([]ocispec.Descriptor) []ocispec.Descriptor) error
}

func eachEditable(t *testing.T, run func(t *testing.T, l editable)) {
	t.Run("directory", func(t *testing.T) {
		d, err := layout.Create(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		run(t, d)
	})
	t.Run("tar", func(t *testing.T) {
		w, err := layout.CreateTar(t.Context(), filepath.Join(t.TempDir(), "layout.tar"))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		run(t, w)
		if err := w.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestEdit: what is written is what was returned, and what cannot be read again
// is not written.
func TestEdit(t *testing.T) {
	const name = "io.containerd.image.name"
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Size: 2, Digest: digest.FromString("{}")}
	eachEditable(t, func(t *testing.T, l editable) {
		if err := l.Push(t.Context(), desc, strings.NewReader("{}")); err != nil {
			t.Fatal(err)
		}
		if err := l.Tag(t.Context(), desc, "1.0.0"); err != nil {
			t.Fatal(err)
		}
		err := l.Edit(t.Context(), func(entries []ocispec.Descriptor) []ocispec.Descriptor {
			entries[0].Annotations[name] = "registry.example.com/app:1.0.0"
			return entries
		})
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(map[string]string{name: "registry.example.com/app:1.0.0", ocispec.AnnotationRefName: "1.0.0"})
		check := func(when string) {
			t.Helper()
			entries, err := l.Entries(t.Context())
			if err != nil || len(entries) != 1 || fmt.Sprint(entries[0].Annotations) != want {
				t.Errorf("%s: %+v, %v, want %s", when, entries, err, want)
			}
		}
		check("edited")
		for what, bad := range map[string]ocispec.Descriptor{
			"no digest": {MediaType: desc.MediaType}, "a path": {Digest: "sha256:../../x"}, "a negative size": {Digest: desc.Digest, Size: -1},
		} {
			err := l.Edit(t.Context(), func(entries []ocispec.Descriptor) []ocispec.Descriptor {
				entries[0].Annotations[name] = "lost"
				return append(entries, bad)
			})
			if !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("%s: %v", what, err)
			}
			check(what)
		}
		err = l.Edit(t.Context(), func(entries []ocispec.Descriptor) []ocispec.Descriptor {
			for range 10_001 {
				entries = append(entries, desc)
			}
			return entries
		})
		if err == nil {
			t.Error("a list that nobody reads was written")
		}
		check("too many")
		// A tag that moves takes the whole reference away.
		other := ocispec.Descriptor{MediaType: desc.MediaType, Size: 3, Digest: digest.FromString("{ }")}
		if err := l.Push(t.Context(), other, strings.NewReader("{ }")); err != nil {
			t.Fatal(err)
		}
		if err := l.Tag(t.Context(), other, "1.0.0"); err != nil {
			t.Fatal(err)
		}
		entries, err := l.Entries(t.Context())
		for _, entry := range entries {
			if err != nil || entry.Annotations[name] != "" {
				t.Errorf("%+v, %v", entry, err)
			}
		}
		if err := l.Edit(t.Context(), func([]ocispec.Descriptor) []ocispec.Descriptor { return nil }); err != nil {
			t.Error(err)
		}
		if entries, err := l.Entries(t.Context()); err != nil || len(entries) != 0 {
			t.Errorf("emptied: %+v, %v", entries, err)
		}
	})
}
