package chart_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// countingReaderAt tells how much of an archive was read.
type countingReaderAt struct {
	r     io.ReaderAt
	total atomic.Int64
	at    func(total int64) // nil: nothing
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	if total := c.total.Add(int64(n)); c.at != nil {
		c.at(total)
	}
	return n, err
}

// largeish writes an archive of some 8 MB that does not compress.
func largeish(t testing.TB) string {
	t.Helper()
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML})
	noise := make([]byte, 4<<20)
	random := rand.NewChaCha8([32]byte{})
	for _, name := range []string{"a", "b"} {
		if _, err := random.Read(noise); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), noise, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path, _, err := chart.PackageFile(t.Context(), dir, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The beginning of an archive of 80 MB is enough to show what it says it is.
func TestUnverifiedMetadataReadsLittle(t *testing.T) {
	f, err := os.Open(largeArchive(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingReaderAt{r: f}
	a, err := chart.NewArchive(counted, info.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.UnverifiedMetadata()
	if err != nil || m.Name != "large" {
		t.Fatalf("UnverifiedMetadata = %v, %v", m, err)
	}
	if n := counted.total.Load(); n > 1<<20 {
		t.Errorf("%d of %d bytes were read", n, info.Size())
	}
	counted.total.Store(0)
	if _, err := a.Metadata(); err != nil || counted.total.Load() < info.Size() {
		t.Errorf("Metadata has read %d of %d bytes, %v", counted.total.Load(), info.Size(), err)
	}
}

// A second Chart.yaml at the end, which Helm reads over the first, is seen by
// all that acts on what an archive says.
func TestSecondChartYAMLFoolsNothing(t *testing.T) {
	data := tgz(t, file("pier/Chart.yaml", chartYAML), file("pier/values.yaml", strings.Repeat("a: b\n", 50_000)),
		file("pier/Chart.yaml", "apiVersion: v2\nname: other\nversion: 9.9.9\n"))
	path := filepath.Join(t.TempDir(), "pier-1.2.3.tgz")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML, "charts/pier-1.2.3.tgz": string(data)})
	if m, err := archive(t, data, nil).UnverifiedMetadata(); err != nil || m.Version != "1.2.3" {
		t.Errorf("UnverifiedMetadata = %v, %v; it is told apart by its name alone", m, err)
	}
	into := t.TempDir()
	for name, f := range map[string]func() error{
		"Metadata":    func() error { _, err := archive(t, data, nil).Metadata(); return err },
		"ReadFile":    func() error { _, err := archive(t, data, nil).ReadFile("Chart.yaml"); return err },
		"Unpack":      func() error { _, err := archive(t, data, nil).Unpack(t.Context(), into); return err },
		"Pack":        func() error { _, err := chart.Pack(t.Context(), path, nil); return err },
		"PackArchive": func() error { _, err := chart.PackArchive(t.Context(), archive(t, data, nil), nil); return err },
		"Package":     func() error { _, err := chart.Package(t.Context(), dir, io.Discard, nil); return err },
		"Pack of a directory": func() error {
			_, err := chart.Pack(t.Context(), dir, nil)
			return err
		},
		// No version in the tag: the file's name comes from the archive.
		"Save": func() error {
			p := &chart.Pulled{Archive: archive(t, data, nil)}
			p.Origin.Resolved.Repository = "team/pier"
			_, err := p.Save(t.Context(), into)
			return err
		},
	} {
		if err := f(); !errors.Is(err, chart.ErrUnsafeArchive) || !strings.Contains(err.Error(), "pier/Chart.yaml") {
			t.Errorf("%s: error = %v, want ErrUnsafeArchive with the entry", name, err)
		}
	}
	if left := snapshot(t, into); len(left) != 1 {
		t.Errorf("written: %v", left)
	}
	// The lenient reader takes it as Helm does, and everywhere as the same chart.
	lenient := &chart.ArchiveOptions{Lenient: true}
	p, err := chart.PackArchive(t.Context(), archive(t, data, lenient), nil)
	if err != nil || p.Metadata.Name != "other" || p.Metadata.Version != "9.9.9" {
		t.Errorf("lenient: %v, %v", p, err)
	}
	if _, err := archive(t, bytes.Clone(data), lenient).Unpack(t.Context(), into); !errors.Is(err, chart.ErrUnsafeArchive) {
		t.Errorf("lenient Unpack: %v, want ErrUnsafeArchive: a directory holds one of two", err)
	}
}
