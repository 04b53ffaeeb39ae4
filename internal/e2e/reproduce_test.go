package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/portolan-oci/portolan/internal/variant"
)

// TestReproduce packages fifty copies of every chart of the corpus, and of one
// with ten others in charts/, as users at different machines would: the copies
// differ in all that is not content, also in how the charts in charts/ are
// given. Each chart has one digest.
func TestReproduce(t *testing.T) {
	t.Parallel()
	all := map[string]variant.Chart{"fleet": convoy(t)}
	for _, c := range charts(t) {
		all[c.name] = readVariant(t, unpack(t, c, t.TempDir()))
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			first := ""
			for run := range 50 {
				dir := u.path("work", fmt.Sprint("copy-", run))
				if err := c.Write(dir, uint64(run)); err != nil {
					t.Fatal(err)
				}
				digest := sum(packAs(t, u, run, dir))
				if first == "" {
					first = digest
				}
				if digest != first {
					t.Fatalf("run %d has the digest %s, and those before %s", run, digest, first)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// packAs packages under an environment of its own.
func packAs(t *testing.T, u *user, run int, dir string) []byte {
	t.Helper()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	places := []struct{ umask, zone, locale, procs string }{
		{"022", "UTC", "C", "1"},
		{"077", "Pacific/Chatham", "de_DE.UTF-8", "2"},
		{"000", "America/St_Johns", "tr_TR.UTF-8", "4"},
	}
	p := places[run%len(places)]
	packer := *u
	packer.env = []string{"TZ=" + p.zone, "LC_ALL=" + p.locale, "GOMAXPROCS=" + p.procs}
	dest := u.path("dest")
	script := `umask "$0" && exec "$1" package "$2" -d "$3"`
	packer.start("", "/bin/sh", "-c", script, p.umask, bin, dir, dest).ok(t)
	files := listFiles(t, dest)
	if len(files) != 1 {
		t.Fatalf("portolan package has written %q", files)
	}
	data := readFile(t, filepath.Join(dest, files[0]))
	if err := os.RemoveAll(dest); err != nil {
		t.Fatal(err)
	}
	return data
}

func readVariant(t testing.TB, dir string) variant.Chart {
	t.Helper()
	c, err := variant.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// convoy is a chart with ten others in charts/, one of which has one of its
// own, and one that is there in two versions, as aliases want it.
func convoy(t testing.TB) variant.Chart {
	t.Helper()
	parent := t.TempDir()
	c := readVariant(t, chartDir(t, parent, "fleet", "1.0.0"))
	dependencies := "dependencies:\n"
	add := func(below, name, version string) {
		for file, content := range readVariant(t, chartDir(t, filepath.Join(parent, version), name, version)) {
			c[below+"/"+file] = content
		}
	}
	for i := range 9 {
		name := fmt.Sprintf("ship-%d", i)
		add("charts/"+name, name, "0.1.0")
		dependencies += "- {name: " + name + ", version: 0.1.0, repository: \"\"}\n"
	}
	add("charts/ship-3/charts/boat", "boat", "0.2.0")
	add("charts/pilot-old", "pilot", "1.0.0")
	add("charts/pilot-new", "pilot", "2.0.0")
	dependencies += "- {name: pilot, version: 1.x.x, repository: \"\", alias: old}\n- {name: pilot, version: 2.x.x, repository: \"\", alias: new}\n"
	c = maps.Clone(c)
	c["Chart.yaml"] += dependencies
	for name := range c {
		if filepath.Base(name) == "config.yaml" {
			// Each object says which chart it is from.
			c[name] = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Chart.Name }}-{{ .Chart.Version | replace \"+\" \"-\" }}\ndata:\n  replicas: {{ .Values.replicas | quote }}\n"
		}
		if filepath.Base(name) == ".helmignore" {
			delete(c, name) // it would hold for directories alone
		}
	}
	return c
}
