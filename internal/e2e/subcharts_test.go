package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestSubcharts packages a chart whose charts/ holds directories, archives and
// archives within archives: both Helms lint the package, and render the same of
// it as of the directory.
func TestSubcharts(t *testing.T) {
	t.Parallel()
	c := convoy(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("form ", seed), func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			dir := u.path("work", "fleet")
			if err := c.Write(dir, seed); err != nil {
				t.Fatal(err)
			}
			ours := packed(t, u, dir)
			for name, helm := range helms {
				u.run(helm, "lint", ours.path)
				want := u.run(helm, "template", "release", dir)
				if got := u.run(helm, "template", "release", ours.path); got != want {
					t.Errorf("%s renders something else of the package than of the directory\n%s", name, got)
				}
			}
		})
	}
}

// TestSubchartsAsHelm wants the same of our package as of Helm's own. It leaves
// out one of the two versions of a chart, which Helm's package merges into one.
func TestSubchartsAsHelm(t *testing.T) {
	t.Parallel()
	c := convoy(t)
	for name := range c {
		if strings.HasPrefix(name, "charts/pilot-new/") {
			delete(c, name)
		}
	}
	c["Chart.yaml"] = strings.TrimSuffix(c["Chart.yaml"], "- {name: pilot, version: 2.x.x, repository: \"\", alias: new}\n")
	for seed := range uint64(3) {
		u := newUser(t)
		dir := u.path("work", "fleet")
		if err := c.Write(dir, seed); err != nil {
			t.Fatal(err)
		}
		ours := packed(t, u, dir)
		for name, helm := range helms {
			theirs := u.dir(name)
			u.run(helm, "package", dir, "-d", theirs)
			want := u.run(helm, "template", "release", filepath.Join(theirs, "fleet-1.0.0.tgz"))
			if got := u.run(helm, "template", "release", ours.path); got != want {
				t.Errorf("%s renders something else of our package than of its own\n%s", name, got)
			}
		}
	}
}
