package cache_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry/layout"
)

// durableLayoutEnv makes the child import that layout, or
// pack where it is "-".
const durableLayoutEnv = "PORTOLAN_CACHE_TEST_DURABLE"

func durableChild(t *testing.T, dir, from string) error {
	s, _ := newStore(t, dir)
	if from == "-" {
		return newFaultsSource(t).pack(t.Context(), s)
	}
	l, err := layout.OpenTar(from)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = s.Import(t.Context(), l, cache.ImportOptions{})
	return err
}

// What is promised to survive a power cut was forced to the disk before the
// promise was given: content, its names, what keeps it, and the name of that.
func TestDurable(t *testing.T) {
	f, s, _, _ := faultsCache(t)
	tar := filepath.Join(t.TempDir(), "layout.tar")
	to, err := layout.CreateTar(t.Context(), tar)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := s.Export(t.Context(), to, []cache.ExportRoot{{Reference: v1, From: f}}, cache.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := to.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ from, kind string }{
		"Pin":    {"-", "pins"},
		"Import": {tar, "held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(durableLayoutEnv, test.from)
			var calls []string
			said, ok := traced(t, filepath.Join(t.TempDir(), "cache"), func(_ int, call faultsCall) error {
				calls = append(calls, call.String())
				return nil
			})
			if !ok {
				t.Fatal(said)
			}
			durableWant(t, f, calls, test.kind)
		})
	}
}

// durableWant looks for the calls that make durable what is kept by records of
// that kind.
func durableWant(t *testing.T, f *faultsSource, calls []string, kind string) {
	t.Helper()
	written := slices.IndexFunc(calls, func(c string) bool { return strings.HasPrefix(c, "renameat parts:default:"+kind+":") })
	if written < 0 {
		t.Fatalf("no record is written in %q", calls)
	}
	temporary := strings.TrimPrefix(calls[written], "renameat ")
	if !slices.Contains(calls[:written], "fsync "+temporary) {
		t.Errorf("%s gets its name before it is on the disk", temporary)
	}
	content := 0
	for d := range f.content {
		at := slices.Index(calls, "fsync "+kindOf("", "blobs/sha256/"+d.Encoded()))
		if at < 0 || at > written {
			t.Errorf("%s is kept before it is on the disk", d)
		}
		content = max(content, at)
	}
	if at := slices.Index(calls, "fsync blobs:sha256"); kind == "held" && (at < content || at > written) {
		t.Error("something is held before the names of its content are on the disk")
	}
	// The names of content come before its bytes are forced out; that of the
	// record after.
	for dir, from := range map[string]int{
		"blobs:sha256": content, "parts:default:known:sha256": content, "blobs": content, "parts": content, ".": content,
		"parts:default": written, "parts:default:" + kind: written, filepath.Dir(strings.ReplaceAll(temporary, ":", "/")): written,
	} {
		if dir = strings.ReplaceAll(dir, "/", ":"); !slices.Contains(calls[from+1:], "fsync "+dir) {
			t.Errorf("the names in %s are not on the disk in the end", dir)
		}
	}
	if t.Failed() {
		for _, c := range calls {
			if strings.HasPrefix(c, "fsync") || strings.HasPrefix(c, "renameat") {
				t.Log(c)
			}
		}
	}
}

// That a partition knows content is noted before the content is there, and a
// collection forgets such a note when it finds it alone: it is made again.
func TestForgottenOnItsWay(t *testing.T) {
	t.Setenv(durableLayoutEnv, "-")
	dir, forgotten := filepath.Join(t.TempDir(), "cache"), 0
	said, ok := traced(t, dir, func(_ int, call faultsCall) error {
		if strings.HasPrefix(call.String(), "renameat ingest:") {
			notes, _ := filepath.Glob(filepath.Join(dir, "parts", "default", "known", "sha256", "*"))
			for _, note := range notes {
				if _, err := os.Stat(filepath.Join(dir, "blobs", "sha256", filepath.Base(note))); err != nil && os.Remove(note) == nil {
					forgotten++
				}
			}
		}
		return nil
	})
	if !ok || forgotten != 3 {
		t.Errorf("%d forgotten: %s", forgotten, said)
	}
}
