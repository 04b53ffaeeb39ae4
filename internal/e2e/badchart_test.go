package e2e_test

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const chartYAML = "apiVersion: v2\nname: harbour\nversion: 1.0.0\n"

// TestBadDirectory packs and pushes directories that are no chart.
func TestBadDirectory(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, dir string)
		words []string
	}{
		"no Chart.yaml": {func(t *testing.T, dir string) { remove(t, dir, "Chart.yaml") }, []string{"Chart.yaml"}},
		"bad version": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: harbour\nversion: one\n"))
		}, []string{"version", "one"}},
		"no name": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nversion: 1.0.0\n"))
		}, []string{"name"}},
		"broken YAML": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "Chart.yaml"), []byte("a: b: c\n\t- d"))
		}, []string{"Chart.yaml"}},
		"link to outside": {func(t *testing.T, dir string) { link(t, dir, "secret.txt", "../../outside") }, []string{"secret.txt"}},
		"absolute link":   {func(t *testing.T, dir string) { link(t, dir, "secret.txt", "/etc/hostname") }, []string{"secret.txt"}},
		"linked folder":   {func(t *testing.T, dir string) { link(t, dir, "templates/more", "../../..") }, []string{"templates/more"}},
		"missing dependency": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "Chart.yaml"), []byte(chartYAML+
				"dependencies:\n- name: breakwater\n  version: 1.x\n  repository: oci://registry.example/team\n"))
		}, []string{"breakwater"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			writeFile(t, u.path("outside"), []byte("not yours"))
			dir := chartDir(t, u.path("charts"), "harbour", "1.0.0")
			tc.spoil(t, dir)
			u.portolan("package", dir).fails(t, exitOther, tc.words...)
			u.portolan("package", dir, reg.ref("bad/harbour:1.0.0")).fails(t, exitOther, tc.words...)
			u.portolan("push", dir, reg.ref("bad/harbour:1.0.0")).fails(t, exitOther, tc.words...)
			u.leavesNothing()
		})
	}
	u := newUser(t)
	u.portolan("package", u.path("nowhere")).fails(t, exitNotFound, "nowhere")
	u.portolan("push", "./nowhere", reg.ref("bad/harbour:1.0.0")).fails(t, exitNotFound, "nowhere")
	u.portolan("pull", reg.ref("bad/harbour")).fails(t, exitNotFound) // nothing of all that has arrived
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, dir, name, target string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// hostile are archives that no packager writes. Each name is also that of the
// repository that holds it.
func hostile() map[string][]tarEntry {
	good := file("harbour/Chart.yaml", chartYAML)
	return map[string][]tarEntry{
		"parent":       {good, file("harbour/../../escaped", "x")},
		"parent-first": {good, file("../escaped", "x")},
		"absolute":     {good, file("/tmp/escaped", "x")},
		"symlink":      {good, {Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "harbour/values.yaml", Linkname: "/etc/hostname"}}},
		"hard-link":    {good, {Header: tar.Header{Typeflag: tar.TypeLink, Name: "harbour/values.yaml", Linkname: "harbour/Chart.yaml"}}},
		"device":       {good, {Header: tar.Header{Typeflag: tar.TypeChar, Name: "harbour/null", Devmajor: 1, Devminor: 3}}},
		"second-chart": {good, file("harbour/Chart.yaml", strings.Replace(chartYAML, "1.0.0", "2.0.0", 1))},
		"case-clash":   {good, file("harbour/values.yaml", "a: 1\n"), file("harbour/VALUES.yaml", "a: 2\n")},
		"bomb":         {good, file("harbour/zeros", strings.Repeat("\x00", 101<<20))},
		"no-chart":     {file("harbour/values.yaml", "a: 1\n")},
		"empty":        {},
	}
}

func file(name, body string) tarEntry { return tarEntry{Header: tar.Header{Name: name}, body: body} }

// TestHostileArchive pushes archives that would do harm, and reads those that
// somebody else has got into a registry.
func TestHostileArchive(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for name, entries := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			archive := u.path("archives", "harbour-1.0.0.tgz")
			writeArchive(t, archive, entries...)
			var words []string
			if len(entries) > 1 {
				words = []string{entries[len(entries)-1].Name} // the entry that is wrong
			}
			testHostile(t, u, reg, name, archive, words...)
		})
	}
	for name, data := range map[string]string{"not-gzip": "chart", "truncated": "\x1f\x8b\x08\x00", "no-bytes": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			archive := u.path("archives", "harbour-1.0.0.tgz")
			writeFile(t, archive, []byte(data))
			testHostile(t, u, reg, name, archive)
		})
	}
}

// testHostile expects each refusal to say these words.
func testHostile(t *testing.T, u *user, reg *registryServer, name, archive string, words ...string) {
	t.Helper()
	u.portolan("push", archive, reg.ref("pushed/%s:1.0.0", name)).fails(t, exitOther, words...)
	u.portolan("pull", reg.ref("pushed/%s", name)).fails(t, exitNotFound)

	repository := "planted/" + name
	reg.putManifest(t, repository, "1.0.0", imageManifest{
		SchemaVersion: 2,
		Config:        reg.putBlob(t, repository, "application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"harbour","version":"1.0.0","apiVersion":"v2"}`)),
		Layers:        []descriptor{reg.putBlob(t, repository, chartType, readFile(t, archive))},
	})
	u.portolan("show", "chart", reg.ref("%s:1.0.0", repository)).fails(t, exitOther, words...)
	u.portolan("show", "crds", reg.ref("%s:1.0.0", repository)).fails(t, exitOther, words...)
	u.portolan("pull", reg.ref("%s:1.0.0", repository)).fails(t, exitOther, words...)
	u.portolan("pull", reg.ref("%s:1.0.0", repository), "--untar", "-d", u.path("work", "new")).fails(t, exitOther, words...)
	if _, err := os.Lstat(u.path("work", "new")); err == nil {
		t.Error("a directory was made for a chart that was refused")
	}
	u.leavesNothing()
}

const chartType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// TestNotAChart pulls what is there and is no chart, and pushes over it.
func TestNotAChart(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	config := func(repository string) descriptor {
		return reg.putBlob(t, repository, "application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"harbour","version":"1.0.0","apiVersion":"v2"}`))
	}
	layer := func(repository string, data []byte) descriptor { return reg.putBlob(t, repository, chartType, data) }

	reg.putManifest(t, "team/image", "1.0.0", imageManifest{
		SchemaVersion: 2,
		Config:        reg.putBlob(t, "team/image", "application/vnd.oci.image.config.v1+json", []byte(`{"architecture":"amd64","os":"linux"}`)),
		Layers:        []descriptor{reg.putBlob(t, "team/image", "application/vnd.oci.image.layer.v1.tar+gzip", c.data)},
	})
	reg.putManifest(t, "team/two", "1.0.0", imageManifest{
		SchemaVersion: 2, Config: config("team/two"),
		Layers: []descriptor{layer("team/two", c.data), layer("team/two", []byte("another"))},
	})
	reg.putManifest(t, "team/none", "1.0.0", imageManifest{SchemaVersion: 2, Config: config("team/none"), Layers: []descriptor{}})

	for name, words := range map[string][]string{"image": {"image"}, "two": {"layers"}, "none": {"layer"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.portolan("pull", reg.ref("team/%s:1.0.0", name)).fails(t, exitOther, words...)
			u.leavesNothing()
		})
	}
	t.Run("push over an image", func(t *testing.T) {
		t.Parallel()
		before := reg.manifest(t, "team/image", "1.0.0")
		newUser(t).portolan("push", c.path, reg.ref("team/image:1.0.0")).fails(t, exitConflict, "image")
		if string(reg.manifest(t, "team/image", "1.0.0")) != string(before) {
			t.Error("a refused push has replaced the image")
		}
	})
}
