package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPackage packs every chart from two copies that differ in all that is not
// content, pushes both, and gives the package to both Helms.
func TestPackage(t *testing.T) {
	t.Parallel()
	first, second := startRegistry(t, registryOptions{}), startRegistry(t, registryOptions{})
	for _, c := range charts(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			here := unpack(t, c, u.path("here"))
			there := unpack(t, c, u.path("some", "where", "else"))
			disturb(t, there)

			one := packCopy(t, u, here, "022", "UTC")
			two := packCopy(t, u, there, "077", "Pacific/Chatham")
			if !bytes.Equal(one.data, two.data) {
				t.Error("two copies of one chart make different packages")
			}
			testAcceptance(t, u, one, c)

			a := u.json("push", here, first.ref("charts/%s:%s", c.name, c.tag()))
			b := u.json("push", two.path, second.ref("charts/%s:%s", c.name, c.tag()))
			if a.Digest != b.Digest || a.Digest == "" {
				t.Errorf("manifest digests %s of the directory and %s of the package differ", a.Digest, b.Digest)
			}
		})
	}
}

// disturb gives every file another time and mode than its twin has.
func disturb(t *testing.T, dir string) {
	t.Helper()
	when := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		if err := os.Chmod(name, mode); err != nil {
			return err
		}
		return os.Chtimes(name, when, when)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packCopy runs portolan package under a umask and a time zone of its own.
func packCopy(t *testing.T, u *user, dir, umask, zone string) chartFile {
	t.Helper()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	packer := *u
	packer.env = []string{"TZ=" + zone}
	dest := u.dir("packed-" + umask)
	script := fmt.Sprintf(`umask %s && exec "$0" package "$1" -d "$2"`, umask)
	packer.start("", "/bin/sh", "-c", script, bin, dir, dest).ok(t)
	files := listFiles(t, dest)
	if len(files) != 1 {
		t.Fatalf("portolan package has written %q", files)
	}
	return openChart(t, filepath.Join(dest, files[0]))
}

// testAcceptance asks both Helms to lint and render the package. Real charts
// may fail either, for lack of values say: then the original has to as well.
func testAcceptance(t *testing.T, u *user, packed, original chartFile) {
	t.Helper()
	for name, helm := range helms {
		bin := helm.binary(t)
		for _, args := range [][]string{{"lint"}, {"template", "release"}} {
			got := u.start("", bin, append(args, packed.path)...)
			if got.code == 0 {
				continue
			}
			want := u.start("", bin, append(args, original.path)...)
			if want.code == 0 {
				t.Errorf("%s accepts the original and not our package: %s\n%s%s", name, got.line, got.stdout, got.stderr)
			}
		}
	}
}

// TestDockerWay is the session of somebody who knows docker: package under a
// full reference, push that reference, pull it elsewhere.
func TestDockerWay(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	ref := reg.ref("team/chart:1.0.0")
	u := newUser(t)
	chartDir(t, u.path("work"), "chart", "1.0.0")
	u.portolan("package", "./chart", ref).ok(t)
	if packed := listFiles(t, u.path("work", "chart")); len(packed) != 6 {
		t.Errorf("package under a reference has written beside the chart: %q", packed)
	}
	u.portolan("push", ref).ok(t)

	for name, helm := range helms {
		if got := helmPull(t, helm, reg.ref("team/chart"), "1.0.0"); len(got) == 0 {
			t.Errorf("%s pulls nothing", name)
		}
	}
	other := newUser(t)
	other.portolan("pull", ref).ok(t)
	files := listFiles(t, other.path("work"))
	if len(files) != 1 || files[0] != "chart-1.0.0.tgz" {
		t.Fatalf("pull has written %q", files)
	}
	if got := helmPull(t, helm4, reg.ref("team/chart"), "1.0.0"); !bytes.Equal(got, readFile(t, other.path("work", files[0]))) {
		t.Error("portolan and helm pull different bytes")
	}
	u.portolan("push", reg.ref("team/other:1.0.0")).fails(t, exitNotFound, "team/other:1.0.0")
}

// TestPullAgain counts what a pull costs: two requests when nothing is here,
// one without a body when nothing has changed, none where none is needed.
func TestPullAgain(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	ref := reg.ref("team/harbour:1.0.0")
	pushed := newUser(t).json("push", c.path, ref)
	for _, tc := range []struct {
		name   string
		args   []string
		origin string
		gets   int
		heads  int
	}{
		{"first", []string{ref}, "network", 2, 0},
		{"again", []string{ref}, "cache", 0, 1},
		{"by digest", []string{ref + "@" + pushed.Digest}, "cache", 0, 0},
		{"young enough", []string{ref, "--max-age", "1h"}, "cache", 0, 0},
		{"offline", []string{ref, "--offline"}, "cache", 0, 0},
	} {
		args := append([]string{"pull", "-d", u.dir(tc.name), "-o", "json", "--debug"}, tc.args...)
		r := u.portolan(args...)
		var out outcome
		if err := json.Unmarshal([]byte(r.ok(t)), &out); err != nil {
			t.Fatal(err)
		}
		if out.Origin != tc.origin || !bytes.Equal(readFile(t, out.Path), c.data) {
			t.Errorf("%s: origin %q, want %q", tc.name, out.Origin, tc.origin)
		}
		gets, heads := strings.Count(r.stderr, "method=GET"), strings.Count(r.stderr, "method=HEAD")
		if gets != tc.gets || heads != tc.heads {
			t.Errorf("%s: %d GET and %d HEAD, want %d and %d\n%s", tc.name, gets, heads, tc.gets, tc.heads, r.stderr)
		}
	}
	newUser(t).portolan("pull", ref, "--offline").fails(t, exitNotFound)
}
