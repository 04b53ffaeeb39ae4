package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// localFleet makes a chart whose dependencies lie beside it and in it, with
// charts/ full of what an update keeps or removes, and returns its directory.
func localFleet(t *testing.T, u *user, apiVersion string) string {
	t.Helper()
	base := t.TempDir()
	chartDir(t, base, "anchor", "3.1.4")
	chartDir(t, base, "chain", "0.2.0+links.9")
	dir := chartDir(t, base, "boat", "1.0.0")
	file, dependencies := filepath.Join(dir, "Chart.yaml"), `dependencies:
- name: anchor
  version: ">=3 <4"
  repository: file://../anchor
  tags: ["<a>", b]
- name: chain
  version: 0.x
  repository: file://`+filepath.Join(base, "chain")+`
- name: hull
  version: ~1
  repository: ""
`
	if apiVersion == "v1" {
		text := strings.Replace(string(readFile(t, file)), "apiVersion: v2", "apiVersion: v1", 1)
		writeFile(t, file, []byte(strings.Replace(text, "type: application\n", "", 1)))
		writeFile(t, filepath.Join(dir, "requirements.yaml"), []byte(dependencies))
	} else {
		writeFile(t, file, append(readFile(t, file), dependencies...))
	}
	charts := filepath.Join(dir, "charts")
	chartDir(t, charts, "hull", "1.1.0")
	chartDir(t, charts, "wreck", "1.0.0")
	for _, old := range [][2]string{{"anchor", "3.0.0"}, {"gull", "1.0.0"}, {"hull", "1.0.9"}} {
		u.portolan("package", chartDir(t, t.TempDir(), old[0], old[1]), "-d", charts).ok(t)
	}
	writeFile(t, filepath.Join(charts, "anchor-3.0.0.tgz.prov"), []byte("signed\n"))
	return dir
}

// TestDependencyUpdateLocal compares locks, and what is in charts/ by its names:
// packages of directories are reproducible here and not with Helm.
func TestDependencyUpdateLocal(t *testing.T) {
	t.Parallel()
	for apiVersion, lock := range map[string]string{"v1": "requirements.lock", "v2": "Chart.lock"} {
		for name, helm := range helms {
			t.Run(apiVersion+"/"+name, func(t *testing.T) {
				t.Parallel()
				u := newUser(t)
				dir := localFleet(t, u, apiVersion)
				charts := filepath.Join(dir, "charts")
				before := t.TempDir()
				if err := os.CopyFS(before, os.DirFS(charts)); err != nil {
					t.Fatal(err)
				}
				u.run(helm, "dependency", "update", dir)
				wantLock, wantFiles := readFile(t, filepath.Join(dir, lock)), listFiles(t, charts)

				if err := os.RemoveAll(charts); err != nil {
					t.Fatal(err)
				}
				if err := os.CopyFS(charts, os.DirFS(before)); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(filepath.Join(dir, lock)); err != nil {
					t.Fatal(err)
				}
				u.portolan("dependency", "update", dir).ok(t)
				gotLock, gotFiles := readFile(t, filepath.Join(dir, lock)), listFiles(t, charts)
				if got, want := generated.ReplaceAllString(string(gotLock), ""), generated.ReplaceAllString(string(wantLock), ""); got != want {
					t.Errorf("%s\n got %s\nwant %s", lock, got, want)
				}
				if got, want := strings.Join(gotFiles, "\n"), strings.Join(wantFiles, "\n"); got != want {
					t.Errorf("charts/\n got %s\nwant %s", got, want)
				}

				u.run(helm, "dependency", "build", dir)
				writeFile(t, filepath.Join(dir, lock), wantLock)
				u.portolan("dependency", "build", dir).ok(t)
				u.portolan("dependency", "update", dir).ok(t)
				if now := readFile(t, filepath.Join(dir, lock)); string(now) != string(wantLock) {
					t.Errorf("an update has rewritten Helm's lock, which was good:\n%s", now)
				}
				u.run(helm, "template", dir)
			})
		}
	}
}

// TestDependencyList says of each dependency what Helm says.
func TestDependencyList(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	dir := localFleet(t, u, "v2")
	file := filepath.Join(dir, "Chart.yaml")
	writeFile(t, file, append(readFile(t, file), `- {name: gull, version: ^2, repository: "https://charts.example"}
- {name: keel, version: "1", repository: "https://charts.example"}
- {name: many, version: "*", repository: "https://charts.example"}
- {name: wreck, version: not a range, repository: ""}
- {name: wrong, version: "*", repository: ""}
`...))
	charts := filepath.Join(dir, "charts")
	for _, c := range [][2]string{{"many", "1.0.0"}, {"many", "1.0.1"}, {"many-more", "1.0.0"}} {
		u.portolan("package", chartDir(t, t.TempDir(), c[0], c[1]), "-d", charts).ok(t)
	}
	if err := os.Rename(filepath.Join(charts, "many-more-1.0.0.tgz"), filepath.Join(charts, "wrong-1.0.0.tgz")); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^(\S+)\s.*?\s(ok|missing|unpacked|misnamed|(?:wrong|invalid) version|too many matches)\s*$`)
	statuses := func(text string) string {
		var all []string
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1]+": "+m[2])
		}
		return strings.Join(all, "\n")
	}
	got := statuses(u.portolan("dependency", "list", dir).ok(t))
	for name, helm := range helms {
		if want := statuses(u.run(helm, "dependency", "list", dir)); got != want || strings.Count(want, "\n") != 7 {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}
