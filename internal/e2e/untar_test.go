package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUntar unpacks every chart as both Helms and tar do.
func TestUntar(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for _, c := range charts(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			ref := reg.ref("untar/%s:%s", c.name, c.tag())
			u.json("push", c.path, ref)
			out := u.json("pull", ref, "--untar", "-d", u.path("work", "made", "here"))
			if want := u.path("work", "made", "here", c.name); out.Path != want {
				t.Errorf("path %s, want %s", out.Path, want)
			}
			got := readVariant(t, out.Path)
			sameTree(t, "tar", readVariant(t, unpack(t, c, u.path("tar"))), got)
			for name, helm := range helms {
				into := u.dir("into-" + name)
				u.run(helm, "pull", "oci://"+reg.ref("untar/%s", c.name), "--version", c.version, "--plain-http", "--untar", "-d", into)
				sameTree(t, name, readVariant(t, filepath.Join(into, c.name)), got)
			}
			u.portolan("pull", ref, "--untar", "-d", u.path("work", "made", "here")).fails(t, exitConflict, out.Path, "already")
			sameTree(t, "what was there", got, readVariant(t, out.Path))
			if entries, err := os.ReadDir(u.path("work", "made", "here")); err != nil || len(entries) != 1 {
				t.Errorf("left beside: %v, %v", entries, err)
			}
		})
	}
}

func sameTree(t *testing.T, who string, want, got map[string]string) {
	t.Helper()
	for name, content := range want {
		if is, found := got[name]; !found || is != content {
			t.Errorf("%s: %s is there: %v, equal: %v", who, name, found, is == content)
		}
	}
	for name := range got {
		if _, found := want[name]; !found {
			t.Errorf("%s has no %s", who, name)
		}
	}
}
