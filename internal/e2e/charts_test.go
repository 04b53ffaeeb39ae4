package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// chartFile is a packaged chart.
type chartFile struct {
	name, version string
	path          string
	data          []byte
}

// tag is the chart's version as a tag spells it.
func (c chartFile) tag() string { return strings.ReplaceAll(c.version, "+", "_") }

var archiveName = regexp.MustCompile(`^(.+?)-(v?\d+\.\d+.*)\.tgz$`)

// openChart reads a chart that is named as charts are.
func openChart(t testing.TB, path string) chartFile {
	t.Helper()
	m := archiveName.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		t.Fatalf("%s is not named as a chart is", path)
	}
	return chartFile{name: m[1], version: m[2], path: path, data: readFile(t, path)}
}

// charts are the corpus of real charts, where it is, and one of our own.
func charts(t testing.TB) []chartFile {
	t.Helper()
	list := []chartFile{smallChart(t, "harbour", "1.2.3+build.5")}
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	corpus := filepath.Join(filepath.Dir(root), "shared", "corpus")
	found, err := filepath.Glob(filepath.Join(corpus, "*.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Logf("NO CORPUS of real charts in %s: only our own chart is tried", corpus)
	}
	for _, path := range found {
		list = append(list, openChart(t, path))
	}
	return list
}

// oddCharts are the chart directories that the chart package keeps because
// something in them is unusual.
func oddCharts(t testing.TB) []string {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, "chart", "testdata", "odd", "*", "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Error("there are no odd charts in chart/testdata/odd")
	}
	for i, file := range found {
		found[i] = filepath.Dir(file)
	}
	return found
}

// chartDir writes a chart that Helm renders and returns its directory.
func chartDir(t testing.TB, parent, name, version string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	for file, content := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: " + name + "\nversion: " + version + "\nappVersion: \"2.0\"\n" +
			"description: Ropes & anchors <for> tests\ntype: application\nhome: https://example.com\n",
		"values.yaml":           "replicas: 1\n",
		"README.md":             "# " + name + "\n",
		".helmignore":           "*.bak\n",
		"old.bak":               "not packaged\n",
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  replicas: {{ .Values.replicas | quote }}\n",
	} {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(file)), []byte(content))
	}
	return dir
}

// packed packs a directory with portolan.
func packed(t testing.TB, u *user, dir string) chartFile {
	t.Helper()
	out := u.json("package", dir, "-d", u.dir("packed"))
	return chartFile{name: out.Name, version: out.Version, path: out.Path, data: readFile(t, out.Path)}
}

// smallChart packs a chartDir.
func smallChart(t testing.TB, name, version string) chartFile {
	t.Helper()
	return packed(t, newUser(t), chartDir(t, t.TempDir(), name, version))
}

// bigChart packs a chart with some megabytes that do not compress, so that
// its transfer takes a while.
func bigChart(t testing.TB, name string, size int) chartFile {
	t.Helper()
	dir := chartDir(t, t.TempDir(), name, "1.0.0")
	noise := make([]byte, size)
	state := uint64(len(name)) + 88172645463325252
	for i := range noise { // xorshift
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		noise[i] = byte(state)
	}
	writeFile(t, filepath.Join(dir, "noise.bin"), noise)
	return packed(t, newUser(t), dir)
}

// unpack writes an archive's files beneath parent and returns the chart's
// directory.
func unpack(t testing.TB, c chartFile, parent string) string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(c.data))
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for entries := tar.NewReader(zipped); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(parent, top)
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			t.Fatalf("%s holds %s", c.path, h.Name)
		}
		top, _, _ = strings.Cut(h.Name, "/")
		data, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(parent, filepath.FromSlash(h.Name)), data)
	}
}

// tarEntry is one entry of an archive that a test makes by hand.
type tarEntry struct {
	tar.Header
	body string
}

// writeArchive makes a .tgz of entries that no packager would write.
func writeArchive(t testing.TB, path string, entries ...tarEntry) {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		e.Mode = 0o644
		if e.Typeflag == 0 {
			e.Typeflag = tar.TypeReg
		}
		e.Size = int64(len(e.body))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, buf.Bytes())
}

// listFiles names the files beneath dir, which need not exist.
func listFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}
