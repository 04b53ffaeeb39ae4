package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

func packaged(t testing.TB, dir string, opts *chart.PackageOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := chart.Package(t.Context(), dir, &b, opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPackageLayout(t *testing.T) {
	long := strings.Repeat("a-directory-with-a-long-name/", 6) + "file.txt"
	longest := "files/" + strings.Repeat("é", 120)
	dir := write(t, t.TempDir(), map[string]string{
		"Chart.yaml": chartYAML, "values.yaml": "a: 1\n", "Zebra": "z", "a": "a", long: "long", longest: "PAX",
		"templates/.hidden": "no", "charts/.gitkeep": "", "charts/_off/x": "", "charts/x.tgz.prov": "kept",
		"inside->": "a", "linked->": "templates-shared", "templates-shared/t.yaml": "# t\n", "link/back->": "../a",
	})
	when := time.Date(2024, 1, 2, 3, 4, 5, 6789, time.UTC)
	data := packaged(t, dir, &chart.PackageOptions{Time: when})
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if zr.OS != 255 || !zr.ModTime.IsZero() || zr.Name != "" || zr.Comment != "" || zr.Extra != nil {
		t.Errorf("gzip header = %+v", zr.Header)
	}
	var names []string
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(h.Name, "pier/"))
		if h.Mode != 0o644 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(when.Truncate(time.Second)) || h.Typeflag != tar.TypeReg {
			t.Errorf("header of %s: %+v", h.Name, h)
		}
		if pax := h.PAXRecords != nil; pax != strings.Contains(h.Name, "é") {
			t.Errorf("%s has PAX records: %v", h.Name, pax)
		}
	}
	want := []string{"Zebra", "a", long, "charts/x.tgz.prov", longest, "inside", "link/back", "linked/t.yaml", "templates-shared/t.yaml", "values.yaml"}
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{"Chart.yaml"}, want...), names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	got := contents(t, archive(t, data, nil))
	if got["Chart.yaml"] != chartYAML || got["inside"] != "a" || got["linked/t.yaml"] != "# t\n" {
		t.Errorf("contents = %q", got)
	}
}

func TestPackageRefuses(t *testing.T) {
	outside := write(t, t.TempDir(), map[string]string{"secret": "s", "dir/x": "x"})
	v1 := "apiVersion: v1\nname: pier\nversion: 1.2.3\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		opts  *chart.PackageOptions
		want  error
		says  string
	}{
		{"no Chart.yaml", map[string]string{"values.yaml": ""}, nil, chart.ErrNotChart, "no Chart.yaml"},
		{"Chart.yaml ignored", map[string]string{"Chart.yaml": chartYAML, ".helmignore": "*.yaml"}, nil, chart.ErrNotChart, ".helmignore"},
		{"no version", map[string]string{"Chart.yaml": "apiVersion: v2\nname: pier\n"}, nil, chart.ErrInvalidMetadata, "version is missing"},
		{"bad version", map[string]string{"Chart.yaml": "apiVersion: v2\nname: pier\nversion: newest\n"}, nil, chart.ErrInvalidMetadata, `version "newest"`},
		{"bad version option", map[string]string{"Chart.yaml": chartYAML}, &chart.PackageOptions{Version: "newest"}, chart.ErrInvalidMetadata, `version "newest"`},
		{"unknown apiVersion", map[string]string{"Chart.yaml": "apiVersion: v9\nname: pier\nversion: 1.0.0\n"}, nil, chart.ErrInvalidMetadata, `apiVersion "v9"`},
		{"not YAML", map[string]string{"Chart.yaml": "\tname: x"}, nil, chart.ErrInvalidMetadata, "Chart.yaml cannot be read"},
		{"a list for a text", map[string]string{"Chart.yaml": "name: [a]"}, nil, chart.ErrInvalidMetadata, "name in Chart.yaml is a list"},
		{"name with a drive letter", map[string]string{"Chart.yaml": "name: 'c:'\nversion: 1.0.0\n"}, nil, chart.ErrInvalidMetadata, `name "c:"`},
		{"name with a path", map[string]string{"Chart.yaml": "name: ../x\nversion: 1.0.0\n"}, nil, chart.ErrInvalidMetadata, `name "../x"`},
		{"file link outside", map[string]string{"Chart.yaml": chartYAML, "templates/x->": outside + "/secret"}, nil, chart.ErrUnsafeArchive, outside + "/secret"},
		{"relative link outside", map[string]string{"Chart.yaml": chartYAML, "x->": "../../../../../../../../../../etc/hosts"}, nil, chart.ErrUnsafeArchive, `entry "x"`},
		{"directory link outside", map[string]string{"Chart.yaml": chartYAML, "files->": outside + "/dir"}, nil, chart.ErrUnsafeArchive, "outside the chart"},
		{"Chart.yaml linked outside", map[string]string{"Chart.yaml->": outside + "/secret"}, nil, chart.ErrUnsafeArchive, "outside the chart"},
		{".helmignore linked outside", map[string]string{"Chart.yaml": chartYAML, ".helmignore->": outside + "/secret"}, nil, chart.ErrUnsafeArchive, "outside the chart"},
		{"dangling link", map[string]string{"Chart.yaml": chartYAML, "x->": "nowhere"}, nil, chart.ErrUnsafeArchive, "not there"},
		{"link to itself", map[string]string{"Chart.yaml": chartYAML, "x->": "x"}, nil, chart.ErrUnsafeArchive, "leads back"},
		{"link to its directory", map[string]string{"Chart.yaml": chartYAML, "a/b/up->": "../.."}, nil, chart.ErrUnsafeArchive, "a directory that it is in"},
		{"bad ignore rule", map[string]string{"Chart.yaml": chartYAML, ".helmignore": "ok\na/**/b\n"}, nil, chart.ErrInvalidArchive, "line 2"},
		{"case clash", map[string]string{"Chart.yaml": chartYAML, "README.md": "", "readme.md": ""}, nil, chart.ErrUnsafeArchive, "upper and lower case"},
		{"two dots", map[string]string{"Chart.yaml": chartYAML, "..data": ""}, nil, chart.ErrUnsafeArchive, "two dots"},
		{"control character", map[string]string{"Chart.yaml": chartYAML, "a\nb": ""}, nil, chart.ErrUnsafeArchive, "cannot be printed"},
		{"backslash", map[string]string{"Chart.yaml": chartYAML, `a\b`: ""}, nil, chart.ErrUnsafeArchive, `\`},
		{"schema is no JSON", map[string]string{"Chart.yaml": chartYAML, "values.schema.json": `{"a": 1,}`}, nil, chart.ErrInvalidArchive, "values.schema.json"},
		{"schema goes on", map[string]string{"Chart.yaml": chartYAML, "values.schema.json": `{} {}`}, nil, chart.ErrInvalidArchive, "goes on"},
		{"schema ends early", map[string]string{"Chart.yaml": chartYAML, "values.schema.json": `{"a": [`}, nil, chart.ErrInvalidArchive, "unexpected EOF"},
		{"values are a list", map[string]string{"Chart.yaml": chartYAML, "values.yaml": "- a\n"}, nil, chart.ErrInvalidArchive, "values.yaml"},
		{"second values document", map[string]string{"Chart.yaml": chartYAML, "values.yaml": "a: 1\n---\n{"}, nil, chart.ErrInvalidArchive, "values.yaml"},
		{"file in charts/", map[string]string{"Chart.yaml": chartYAML, "charts/README.md": ""}, nil, chart.ErrInvalidArchive, "charts/README.md"},
		{"subchart without Chart.yaml", map[string]string{"Chart.yaml": chartYAML, "charts/sub/values.yaml": ""}, nil, chart.ErrNotChart, "charts/sub"},
		{"bad nested subchart", map[string]string{"Chart.yaml": chartYAML, "charts/a/Chart.yaml": chartYAML, "charts/a/charts/b/Chart.yaml": "name: b"}, nil, chart.ErrInvalidMetadata, "charts/a/charts/b"},
		{"subchart archive is none", map[string]string{"Chart.yaml": chartYAML, "charts/a-1.tgz": "<html>"}, nil, chart.ErrInvalidArchive, "HTML"},
		{"missing dependency", map[string]string{"Chart.yaml": chartYAML + "dependencies: [{name: buoy}, {name: chain}]\n"}, nil, chart.ErrMissingDependency, "buoy, chain"},
		{"missing in requirements.yaml", map[string]string{"Chart.yaml": v1, "requirements.yaml": "dependencies: [{name: buoy}]\n"}, nil, chart.ErrMissingDependency, "buoy"},
		{"file too large", map[string]string{"Chart.yaml": chartYAML, "big": strings.Repeat("x", 101)}, &chart.PackageOptions{Limits: chart.Limits{File: 100}}, chart.ErrTooLarge, "big"},
		{"total too large", map[string]string{"Chart.yaml": chartYAML, "x": strings.Repeat("x", 80), "y": strings.Repeat("y", 80)}, &chart.PackageOptions{Limits: chart.Limits{Total: 180}}, chart.ErrTooLarge, `"y"`},
		{"too many files", map[string]string{"Chart.yaml": chartYAML, "x": "", "y": ""}, &chart.PackageOptions{Limits: chart.Limits{Entries: 2}}, chart.ErrTooLarge, "2 files"},
		{"too deep", map[string]string{"Chart.yaml": chartYAML, "a/b/c/d": ""}, &chart.PackageOptions{Limits: chart.Limits{Depth: 3}}, chart.ErrTooLarge, "deeper"},
		{"time before tar's", map[string]string{"Chart.yaml": chartYAML}, &chart.PackageOptions{Time: time.Unix(-1, 0)}, nil, "1970"},
		{"negative limit", map[string]string{"Chart.yaml": chartYAML}, &chart.PackageOptions{Limits: chart.Limits{File: -1}}, nil, "negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && (strings.Contains(tc.name, "case") || strings.Contains(tc.name, "character") || tc.name == "backslash") {
				t.Skip("Windows cannot hold such files; CI runs this on Linux")
			}
			dir := write(t, t.TempDir(), tc.files)
			var b bytes.Buffer
			_, err := chart.Package(t.Context(), dir, &b, tc.opts)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error = %v, want %v with %q", err, tc.want, tc.says)
			}
			if b.Len() != 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
			dest := filepath.Join(t.TempDir(), "dest")
			if _, _, err := chart.PackageFile(t.Context(), dir, dest, tc.opts); err == nil {
				t.Error("PackageFile took it")
			}
			if _, err := os.Stat(dest); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("PackageFile left %s: %v", dest, err)
			}
		})
	}
}

func TestPackageNotADirectory(t *testing.T) {
	if _, err := chart.Package(t.Context(), filepath.Join(t.TempDir(), "none"), io.Discard, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want fs.ErrNotExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chart.Package(ctx, "testdata/charts/mariner", io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestPackageIgnoredLinksMayLeadOutside(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML, ".helmignore": "node_modules/\n*.lnk\n", "node_modules->": "/", "x.lnk->": "/etc/hosts"})
	if got := contents(t, archive(t, packaged(t, dir, nil), nil)); len(got) != 2 {
		t.Errorf("packaged %v", got)
	}
}

func TestPackageVersions(t *testing.T) {
	for _, tc := range []struct {
		name, in, version, appVersion, want string
	}{
		{"comments stay", "# top\nname: a # n\nversion: 1.0.0   # v\nappVersion: \"1\" # a\nx-own: 1\n", "2.0.0+b.1", "3",
			"# top\nname: a # n\nversion: \"2.0.0+b.1\"   # v\nappVersion: \"3\" # a\nx-own: 1\n"},
		{"appVersion is added", "version: 1.0.0\nname: a\n", "", "1.10", "version: 1.0.0\nappVersion: \"1.10\"\nname: a\n"},
		{"carriage returns stay", "name: a\r\nversion: '1.0.0'\r\n", "1.1.0", "", "name: a\r\nversion: \"1.1.0\"\r\n"},
		{"not the one in a text", "name: a\ndescription: |\n  version: 1.0.0\nversion: 1.0.0\n", "1.1.0", "", "name: a\ndescription: |\n  version: 1.0.0\nversion: \"1.1.0\"\n"},
		{"nested keys stay", "dependencies:\n- name: x\n  version: 1.0.0\nname: a\nversion: 1.0.0\n", "1.1.0", "", "dependencies:\n- name: x\n  version: 1.0.0\nname: a\nversion: \"1.1.0\"\n"},
		{"one line of JSON is written anew", `{"name": "a", "version": "1.0.0"}`, "1.1.0", "2", "apiVersion: v1\nappVersion: \"2\"\nname: a\nversion: 1.1.0\n"},
		{"an anchor is written anew", "name: a\nversion: &v 1.0.0\nappVersion: *v\n", "1.1.0", "", "apiVersion: v1\nappVersion: 1.0.0\nname: a\nversion: 1.1.0\n"},
		{"equal keys are written anew", "name: a\nversion: 1.0.0\nversion: 1.0.1\n", "1.1.0", "", "apiVersion: v1\nname: a\nversion: 1.1.0\n"},
		{"quotes and colons", "name: a\nversion: 1.0.0\n", "", `a: "b" # c`, "name: a\nversion: 1.0.0\nappVersion: \"a: \\\"b\\\" # c\"\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{"Chart.yaml": tc.in, "charts/x/Chart.yaml": "name: x\nversion: 1.0.0\n"}
			opts := &chart.PackageOptions{Version: tc.version, AppVersion: tc.appVersion}
			a := archive(t, packaged(t, write(t, t.TempDir(), files), opts), nil)
			if diff := cmp.Diff(tc.want, contents(t, a)["Chart.yaml"]); diff != "" {
				t.Errorf("Chart.yaml (-want +got):\n%s", diff)
			}
			m, err := a.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			if tc.version != "" && m.Version != tc.version || tc.appVersion != "" && m.AppVersion != tc.appVersion {
				t.Errorf("versions = %q, %q", m.Version, m.AppVersion)
			}
		})
	}
}

func TestPackageFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/charts/mariner")); err != nil {
		t.Fatal(err)
	}
	// Into the chart's own directory, twice: the first result is not content of
	// the second.
	var got [2][]byte
	for i := range got {
		path, m, err := chart.PackageFile(t.Context(), dir, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, "mariner-0.3.1.tgz"); path != want || m.Version != "0.3.1" {
			t.Errorf("PackageFile = %s %s, want %s", path, m.Version, want)
		}
		if got[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got[0], got[1]) || !bytes.Equal(got[0], packaged(t, "testdata/charts/mariner", nil)) {
		t.Error("packages differ")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*tmp*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// Where it cannot be written, the old one stays.
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := chart.PackageFile(t.Context(), dir, blocked, nil); err == nil {
		t.Error("packaged into a file")
	}
}
