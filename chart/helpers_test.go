package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// soon tries failed requests again as often as the default does, and sooner.
var soon = registry.Retry{Wait: time.Millisecond}

const chartYAML = "apiVersion: v2\nname: pier\nversion: 1.2.3\n"

// entry is one header of a hand-made archive with its content.
type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}, body}
}

func special(kind byte, name, target string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o644}, ""}
}

// tgz builds an archive of these entries; content may be shorter than its
// header says, for a truncated one.
func tgz(t testing.TB, entries ...entry) []byte {
	t.Helper()
	return gzipped(t, tarred(t, entries...))
}

func tarred(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func archive(t testing.TB, data []byte, opts *chart.ArchiveOptions) *chart.Archive {
	t.Helper()
	a, err := chart.NewArchive(bytes.NewReader(data), int64(len(data)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// contents reads all entries.
func contents(t testing.TB, a *chart.Archive) map[string]string {
	t.Helper()
	got := make(map[string]string)
	for e, err := range a.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(e)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name] = string(data)
	}
	return got
}

// write makes a chart directory; a name that ends in "->" is a symbolic link
// to its content.
func write(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, body := range files {
		link := strings.HasSuffix(name, "->")
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(name, "->")))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(body, path)
		} else {
			err = os.WriteFile(path, []byte(body), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t testing.TB, r io.Reader, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
