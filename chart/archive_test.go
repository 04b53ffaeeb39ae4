package chart_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

func TestArchiveAccepts(t *testing.T) {
	good := file("pier/Chart.yaml", chartYAML)
	for _, tc := range []struct {
		name string
		data []byte
	}{
		{"directories", tgz(t, special(tar.TypeDir, "pier/", ""), good, special(tar.TypeDir, "pier/templates/", ""), file("pier/templates/a", ""))},
		{"directory after its file", tgz(t, good, file("pier/templates/a", ""), special(tar.TypeDir, "pier/templates/", ""))},
		{"Windows", tgz(t, file(`pier\Chart.yaml`, chartYAML), file(`pier\templates\a`, ""))},
		{"padding", gzipped(t, append(tarred(t, good), make([]byte, 10240)...))},
		{"git archive", tgz(t, entry{tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "abc"}}, ""}, good)},
		{"two gzip members", func() []byte {
			b := tarred(t, good)
			return append(gzipped(t, b[:700]), gzipped(t, b[700:])...)
		}()},
		{"no end mark", gzipped(t, tarred(t, good)[:1024])},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := archive(t, tc.data, nil).Metadata()
			if err != nil || m.Name != "pier" {
				t.Errorf("Metadata = %v, %v", m, err)
			}
		})
	}
}

func TestArchiveReads(t *testing.T) {
	data := tgz(t, file("pier/values.yaml", "a: 1\n"), file("pier/Chart.yaml", "name: pier\nversion: 1.0.0\n"),
		file("pier/requirements.yaml", "dependencies: [{name: buoy}]\n"), file("pier/charts/buoy/Chart.yaml", "x"))
	dir := t.TempDir()
	path := filepath.Join(dir, "pier.tgz")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	opened, err := chart.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	spooled, err := chart.Read(iotest.OneByteReader(bytes.NewReader(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*chart.Archive{"opened": opened, "spooled": spooled, "from memory": archive(t, data, nil)} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					m, err := a.Metadata()
					if err != nil || len(m.Dependencies) != 1 || m.APIVersion != "v1" {
						t.Errorf("Metadata = %+v, %v", m, err)
						return
					}
					m.Dependencies[0].Name = "changed by the caller"
					if p, err := a.UnverifiedMetadata(); err != nil || p.Name != "pier" || len(p.Dependencies) != 0 {
						t.Errorf("UnverifiedMetadata = %+v, %v", p, err)
					}
					if b, err := a.ReadFile("values.yaml"); err != nil || string(b) != "a: 1\n" {
						t.Errorf("ReadFile = %q, %v", b, err)
					}
					if b, err := io.ReadAll(a.Reader()); err != nil || !bytes.Equal(b, data) || a.Size() != int64(len(data)) {
						t.Errorf("Reader gave %d bytes, %v; Size %d", len(b), err, a.Size())
					}
				})
			}
			wg.Wait()
			if _, err := a.ReadFile("README.md"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ReadFile = %v, want fs.ErrNotExist", err)
			}
			for range a.Entries() {
				break // leaving early is no error
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := opened.ReadFile("values.yaml"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := chart.Open(dir, nil); !errors.Is(err, chart.ErrInvalidArchive) {
		t.Errorf("Open(directory) = %v", err)
	}
	if _, err := chart.Open(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(none) = %v", err)
	}
}

func TestUnverifiedMetadataStopsAtChartYAML(t *testing.T) {
	a := archive(t, tgz(t, file("pier/Chart.yaml", chartYAML), special(tar.TypeSymlink, "pier/x", "/etc")), nil)
	if m, err := a.UnverifiedMetadata(); err != nil || m.Version != "1.2.3" {
		t.Errorf("UnverifiedMetadata = %v, %v", m, err)
	}
	if _, err := a.ReadFile("Chart.yaml"); !errors.Is(err, chart.ErrUnsafeArchive) {
		t.Errorf("ReadFile = %v, want ErrUnsafeArchive", err)
	}
	if _, err := archive(t, tgz(t, file("pier/x", "")), nil).UnverifiedMetadata(); !errors.Is(err, chart.ErrNotChart) {
		t.Errorf("UnverifiedMetadata without Chart.yaml = %v", err)
	}
}

// What Helm makes of two files of one name: the later Chart.yaml is read over
// the earlier.
func TestLenientMerges(t *testing.T) {
	data := tgz(t, file("a/Chart.yaml", chartYAML+"home: x\n"), file("b/Chart.yaml", "version: 2.0.0\n"), special(tar.TypeSymlink, "a/link", "/etc/passwd"))
	a := archive(t, data, &chart.ArchiveOptions{Lenient: true})
	m, err := a.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	want := &chart.Metadata{APIVersion: "v2", Name: "pier", Version: "2.0.0", Home: "x"}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	if got := contents(t, a)["link"]; got != "" {
		t.Errorf("link has content %q", got)
	}
}

func TestReadErrors(t *testing.T) {
	boom := errors.New("boom")
	if _, err := chart.Read(iotest.ErrReader(boom), nil); !errors.Is(err, boom) {
		t.Errorf("error = %v, want boom", err)
	}
	if _, err := chart.Read(zeros{}, &chart.ArchiveOptions{Limits: chart.Limits{Total: 1 << 10, Entries: 1}}); !errors.Is(err, chart.ErrTooLarge) {
		t.Errorf("error = %v, want ErrTooLarge", err)
	}
	// The file's own trouble is not the archive's.
	data := tgz(t, file("pier/Chart.yaml", chartYAML))
	a, err := chart.NewArchive(&failSecond{r: bytes.NewReader(data), err: boom}, int64(len(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Metadata(); !errors.Is(err, boom) || errors.Is(err, chart.ErrInvalidArchive) {
		t.Errorf("error = %v, want boom alone", err)
	}
}

// failSecond gives the beginning once, as a disk that then breaks.
type failSecond struct {
	r    io.ReaderAt
	read bool
	err  error
}

func (f *failSecond) ReadAt(p []byte, off int64) (int, error) {
	if f.read {
		return 0, f.err
	}
	f.read = true
	return f.r.ReadAt(p, off)
}
