package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bomb is a small archive of a chart with a file of size zeros.
func bomb(t testing.TB, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	err := errors.Join(
		tw.WriteHeader(&tar.Header{Name: "pier/Chart.yaml", Mode: 0o644, Size: int64(len(chartYAML))}),
		func() error { _, err := io.WriteString(tw, chartYAML); return err }(),
		tw.WriteHeader(&tar.Header{Name: "pier/bomb", Mode: 0o644, Size: size}),
		func() error { _, err := io.CopyN(tw, zeros{}, size); return err }(),
		tw.Close(), zw.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func paxHeaders(t testing.TB, n int) []byte {
	t.Helper()
	one := tarred(t, entry{tar.Header{Typeflag: tar.TypeReg, Name: "pier/a", PAXRecords: map[string]string{"X.y": strings.Repeat("z", 60_000)}}, ""})
	header := one[:len(one)-1024-512] // without the file's own header and the end
	return gzipped(t, bytes.Repeat(header, n))
}

func TestArchiveRefuses(t *testing.T) {
	good := file("pier/Chart.yaml", chartYAML)
	whole := tgz(t, good, file("pier/values.yaml", strings.Repeat("a: b\n", 100)))
	many := make([]entry, 101)
	for i := range many {
		many[i] = file("pier/"+strings.Repeat("x", i+1), "")
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-8] ^= 1 // the checksum
	limits := chart.Limits{Total: 1 << 20, File: 1 << 19, Entries: 100, Depth: 8}
	for _, tc := range []struct {
		name    string
		data    []byte
		want    error
		says    string
		lenient bool // the lenient reader takes it
	}{
		{"parent path", tgz(t, good, file("pier/../../evil", "x")), chart.ErrUnsafeArchive, `"pier/../../evil": leads out`, false},
		{"parent path within", tgz(t, good, file("pier/a/../b", "x")), chart.ErrUnsafeArchive, "leads out", true},
		{"parent first", tgz(t, good, file("../pier/x", "x")), chart.ErrUnsafeArchive, "leads out", true},
		{"absolute", tgz(t, good, file("/etc/passwd", "x")), chart.ErrUnsafeArchive, "absolute", true},
		{"absolute below", tgz(t, good, file("pier//etc/passwd", "x")), chart.ErrUnsafeArchive, "absolute", false},
		{"backslash parent", tgz(t, good, file(`pier\..\..\evil`, "x")), chart.ErrUnsafeArchive, "leads out", false},
		{"mixed slashes", tgz(t, good, file(`pier/a\b`, "x")), chart.ErrUnsafeArchive, `both / and \`, true},
		{"drive letter", tgz(t, good, file("pier/c:/evil", "x")), chart.ErrUnsafeArchive, "drive letter", false},
		{"two dots", tgz(t, good, file("pier/..data", "x")), chart.ErrUnsafeArchive, "two dots", false},
		{"control character", tgz(t, good, file("pier/a\x1b[2J", "x")), chart.ErrUnsafeArchive, "cannot be printed", false},
		{"symbolic link", tgz(t, good, special(tar.TypeSymlink, "pier/x", "/etc/passwd")), chart.ErrUnsafeArchive, `symbolic link to "/etc/passwd"`, true},
		{"hard link", tgz(t, good, special(tar.TypeLink, "pier/x", "pier/Chart.yaml")), chart.ErrUnsafeArchive, "hard link", true},
		{"device", tgz(t, good, special(tar.TypeChar, "pier/x", "")), chart.ErrUnsafeArchive, "device", true},
		{"named pipe", tgz(t, good, special(tar.TypeFifo, "pier/x", "")), chart.ErrUnsafeArchive, "named pipe", true},
		{"second Chart.yaml", tgz(t, good, file("pier/Chart.yaml", chartYAML)), chart.ErrUnsafeArchive, `"pier/Chart.yaml": is there twice`, true},
		{"second Chart.yaml by another spelling", tgz(t, good, file("pier/./Chart.yaml", chartYAML)), chart.ErrUnsafeArchive, "twice", true},
		{"duplicate", tgz(t, good, file("pier/a", "1"), file("pier/a", "2")), chart.ErrUnsafeArchive, "twice", true},
		{"case clash", tgz(t, good, file("pier/README", "1"), file("pier/readme", "2")), chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash of directories", tgz(t, good, file("pier/A/x", "1"), file("pier/a/y", "2")), chart.ErrUnsafeArchive, "upper and lower", true},
		{"file and directory", tgz(t, good, file("pier/a", "1"), file("pier/a/b", "2")), chart.ErrUnsafeArchive, "both a file and a directory", true},
		{"file that calls itself a directory", tgz(t, good, entry{tar.Header{Typeflag: tar.TypeReg, Name: "pier/a", Mode: 0o40755, Size: 1}, "x"}), chart.ErrUnsafeArchive, "by its mode", true},
		{"second top directory", tgz(t, good, file("quay/x", "")), chart.ErrInvalidArchive, `directory "pier"`, true},
		{"beside the directory", tgz(t, good, file("x", "")), chart.ErrInvalidArchive, "not inside", false},
		{"Chart.yaml without a directory", tgz(t, file("Chart.yaml", chartYAML)), chart.ErrInvalidArchive, "not inside", false},
		{"dot directory", tgz(t, file("./pier/Chart.yaml", chartYAML)), chart.ErrInvalidArchive, "", false},
		{"no Chart.yaml", tgz(t, file("pier/values.yaml", "")), chart.ErrNotChart, "no Chart.yaml", false},
		{"no entries", tgz(t), chart.ErrInvalidArchive, "no files", false},
		{"bad metadata", tgz(t, file("pier/Chart.yaml", "name: pier\n")), chart.ErrInvalidMetadata, "version is missing", false},
		{"bomb", bomb(t, 1<<24), chart.ErrTooLarge, `"pier/bomb"`, false},
		{"bomb in total", tgz(t, good, file("pier/a", strings.Repeat("x", 500_000)), file("pier/b", strings.Repeat("x", 500_000)), file("pier/c", strings.Repeat("x", 500_000))), chart.ErrTooLarge, `"pier/c"`, false},
		{"bomb of headers", paxHeaders(t, 100), chart.ErrTooLarge, "limits", false},
		{"bomb after the end", gzipped(t, append(tarred(t, good), make([]byte, 8<<20)...)), chart.ErrTooLarge, "limits", true},
		{"too many entries", tgz(t, append([]entry{good}, many...)...), chart.ErrTooLarge, "100 entries", false},
		{"too deep", tgz(t, good, file("pier/"+strings.Repeat("d/", 8)+"x", "")), chart.ErrTooLarge, "deeper", false},
		{"path too long", tgz(t, good, file("pier/"+strings.Repeat("x", 2000), "")), chart.ErrTooLarge, "1024", false},
		{"truncated", whole[:len(whole)-20], chart.ErrInvalidArchive, "cut off", false},
		{"truncated tar", gzipped(t, tarred(t, good)[:530]), chart.ErrInvalidArchive, "", false},
		{"wrong checksum", damaged, chart.ErrInvalidArchive, "damaged", true},
		{"not tar", gzipped(t, bytes.Repeat([]byte("no tar "), 200)), chart.ErrInvalidArchive, "damaged", false},
		{"garbage after gzip", append(bytes.Clone(whole), "more garbage"...), chart.ErrInvalidArchive, "followed by", true},
		{"a little garbage after gzip", append(bytes.Clone(whole), "x"...), chart.ErrInvalidArchive, "", true},
		{"garbage after tar", gzipped(t, append(tarred(t, good), "garbage"...)), chart.ErrInvalidArchive, "goes on", true},
		{"second tar", append(bytes.Clone(whole), whole...), chart.ErrInvalidArchive, "goes on", true},
		{"not gzip", []byte("hello"), chart.ErrInvalidArchive, "something else", false},
		{"empty", nil, chart.ErrInvalidArchive, "empty", false},
		{"HTML", []byte("\n<!DOCTYPE html>"), chart.ErrInvalidArchive, "HTML", false},
		{"plain tar", tarred(t, good), chart.ErrInvalidArchive, "without compression", false},
		{"zip", []byte("PK\x03\x04..."), chart.ErrInvalidArchive, "zip", false},
		{"gzip header only", whole[:5], chart.ErrInvalidArchive, "cut off", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, lenient := range []bool{false, true} {
				a, err := chart.NewArchive(bytes.NewReader(tc.data), int64(len(tc.data)), &chart.ArchiveOptions{Limits: limits, Lenient: lenient})
				if err == nil {
					_, err = a.Metadata()
				}
				if lenient && tc.lenient {
					if err != nil {
						t.Errorf("lenient: %v", err)
					}
					continue
				}
				if !errors.Is(err, tc.want) || !lenient && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("lenient %v: error = %v, want %v with %q", lenient, err, tc.want, tc.says)
				}
			}
		})
	}
}

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
