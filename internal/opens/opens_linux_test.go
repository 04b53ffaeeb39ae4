package opens_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/portolan-oci/portolan/internal/opens"
)

func TestWatch(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(deep, "file")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := opens.Watch(root)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, tt := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"nothing", func() error { return nil }, nil},
		{"a look is no opening", func() error { _, err := os.Stat(path); return err }, nil},
		{"one file twice", func() error {
			_, err := os.ReadFile(path)
			if err == nil {
				_, err = os.ReadFile(path)
			}
			return err
		}, []string{"a/b/file", "a/b/file"}},
		{"a directory", func() error { _, err := os.ReadDir(deep); return err }, []string{"a/b/"}},
		{"a new file", func() error { return os.WriteFile(filepath.Join(root, "new"), nil, 0o644) }, []string{"new"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			got, err := w.Opened()
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("opened %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
