package chart_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// snapshot lists all that is below dir: the type, mode and content of each.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content := ""
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		case d.Type().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			content = string(data)
		}
		got[filepath.ToSlash(name)] = info.Mode().String() + " " + content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestUnpack(t *testing.T) {
	run := file("other/files/run.sh", "#!/bin/sh\n")
	run.Mode = 0o4777
	sub := string(tgz(t, file("buoy/Chart.yaml", chartYAML)))
	data := tgz(t, special(tar.TypeDir, "other/", ""), special(tar.TypeDir, "other/empty/", ""),
		file("other/values.yaml", "\xef\xbb\xbfa: 1\n"), run, file("other/charts/buoy-1.2.3.tgz", sub),
		file("other/Chart.yaml", chartYAML), file("other/a/b/c", ""))
	dir := t.TempDir()
	path, err := archive(t, data, nil).Unpack(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "pier"); path != want {
		t.Errorf("path = %s, want %s: the chart's name, not the directory's in the archive", path, want)
	}
	if runtime.GOOS == "windows" {
		t.Skip("modes are those of Unix")
	}
	// What a plain write makes here shows the umask.
	plain := write(t, t.TempDir(), map[string]string{"d/f": ""})
	fileMode, dirMode := mode(t, plain+"/d/f")+" ", mode(t, plain+"/d")+" "
	want := map[string]string{
		".": mode(t, dir) + " ", "pier": dirMode, "pier/Chart.yaml": fileMode + chartYAML, "pier/values.yaml": fileMode + "\xef\xbb\xbfa: 1\n",
		"pier/files": dirMode, "pier/files/run.sh": fileMode + "#!/bin/sh\n", "pier/charts": dirMode, "pier/charts/buoy-1.2.3.tgz": fileMode + sub,
		"pier/a": dirMode, "pier/a/b": dirMode, "pier/a/b/c": fileMode,
	}
	if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
		t.Errorf("unpacked (-want +got):\n%s", diff)
	}
}

func mode(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String()
}

func TestUnpackNeverReplaces(t *testing.T) {
	data := tgz(t, file("pier/Chart.yaml", chartYAML), file("pier/x", "theirs"))
	for name, files := range map[string]map[string]string{
		"a directory":           {"pier/mine": "kept"},
		"an empty directory":    {"pier/sub/.keep": ""},
		"a file":                {"pier": "kept"},
		"a link to a directory": {"pier->": "elsewhere", "elsewhere/x": "mine"},
		"a link to nowhere":     {"pier->": "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, t.TempDir(), files)
			if name == "an empty directory" {
				if err := os.RemoveAll(filepath.Join(dir, "pier", "sub")); err != nil {
					t.Fatal(err)
				}
			}
			before := snapshot(t, dir)
			_, err := archive(t, data, nil).Unpack(t.Context(), dir)
			if !errors.Is(err, registry.ErrExists) || !strings.Contains(err.Error(), filepath.Join(dir, "pier")) {
				t.Errorf("error = %v, want ErrExists with the path", err)
			}
			if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
				t.Errorf("the directory has changed:\n%s", diff)
			}
		})
	}
}

func TestUnpackErrors(t *testing.T) {
	dir := t.TempDir()
	good := archive(t, tgz(t, file("pier/Chart.yaml", chartYAML), file("pier/x", strings.Repeat("x", 1<<20))), nil)
	if _, err := good.Unpack(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
	if _, err := good.Unpack(t.Context(), write(t, t.TempDir(), map[string]string{"f": ""})+"/f"); err == nil {
		t.Error("unpacked into a file")
	}
	// The context ends while the archive is read.
	data, err := os.ReadFile(largeish(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	counted := &countingReaderAt{r: bytes.NewReader(data), at: func(total int64) {
		if total > 1<<20 {
			cancel()
		}
	}}
	a, err := chart.NewArchive(counted, int64(len(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Unpack(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if total := counted.total.Load(); total > 2<<20 {
		t.Errorf("%d bytes were read after the end of the context", total)
	}
	if left := snapshot(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnpackAtOnce(t *testing.T) {
	dir := t.TempDir()
	a := archive(t, packaged(t, "testdata/charts/mariner", nil), nil)
	var wg sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wg.Go(func() { _, results[i] = a.Unpack(t.Context(), dir) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, registry.ErrExists):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d have unpacked it", won, len(results))
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// The names that a chart's directory cannot have, although Helm takes them.
func TestUnpackNames(t *testing.T) {
	for _, name := range []string{".git", "..hidden", "c:", strings.Repeat("x", 1025)} {
		dir := t.TempDir()
		data := tgz(t, file("pier/Chart.yaml", "apiVersion: v2\nversion: 1.0.0\nname: \""+name+"\"\n"))
		_, err := archive(t, data, nil).Unpack(t.Context(), dir)
		var me *chart.MetadataError
		if !errors.As(err, &me) || me.Field != "name" {
			t.Errorf("%s: error = %v, want a MetadataError for the name", name, err)
		}
		if left := snapshot(t, dir); len(left) != 1 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}
