package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestShow prints the parts of a chart, those of the charts in its charts/ too.
func TestShow(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	dir := chartDir(t, u.path("work"), "harbour", "1.0.0")
	crd := func(name string) []byte {
		return []byte("---\nkind: CustomResourceDefinition\nmetadata: {name: " + name + "}")
	}
	writeFile(t, filepath.Join(dir, "values.schema.json"), []byte("{\"type\": \"object\"}\n"))
	writeFile(t, filepath.Join(dir, "crds", "b.yaml"), crd("b"))
	writeFile(t, filepath.Join(dir, "crds", "a.yaml"), crd("a"))
	sub := chartDir(t, filepath.Join(dir, "charts"), "pier", "1.0.0")
	writeFile(t, filepath.Join(sub, "crds", "c.yaml"), crd("c"))
	ref := reg.ref("team/harbour:1.0.0")
	u.json("push", dir, ref)
	read := func(name string) string { return string(readFile(t, filepath.Join(dir, name))) }
	for part, want := range map[string]string{
		"chart": read("Chart.yaml"), "values": read("values.yaml"), "schema": read("values.schema.json"), "readme": read("README.md"),
		"crds": "kind: CustomResourceDefinition\nmetadata: {name: a}\n---\nkind: CustomResourceDefinition\nmetadata: {name: b}\n" +
			"---\nkind: CustomResourceDefinition\nmetadata: {name: c}",
	} {
		if got := u.portolan("show", part, ref).ok(t); got != want {
			t.Errorf("show %s:\n%s\nwant\n%s", part, got, want)
		}
		if all := u.portolan("show", "all", ref).ok(t); !strings.Contains(all, want) {
			t.Errorf("show all has no %s:\n%s", part, all)
		}
	}
	var found struct {
		CRDs []struct{ Name, Content string }
	}
	if err := json.Unmarshal([]byte(u.portolan("show", "crds", ref, "-o", "json").ok(t)), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.CRDs) != 3 || found.CRDs[2].Name != "charts/pier/crds/c.yaml" || found.CRDs[2].Content != string(crd("c")) {
		t.Errorf("show crds -o json: %+v", found)
	}
	for name, helm := range helms {
		out := u.run(helm, "show", "crds", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--plain-http")
		for _, crd := range []string{"a", "b", "c"} {
			if !strings.Contains(out, "{name: "+crd+"}") {
				t.Errorf("%s shows no %s of our package", name, crd)
			}
		}
	}
	bare := smallChart(t, "bare", "1.0.0")
	u.json("push", bare.path, reg.ref("team/bare:1.0.0"))
	if got := u.portolan("show", "crds", reg.ref("team/bare:1.0.0")).ok(t); got != "" {
		t.Errorf("show crds of a chart without any: %q", got)
	}
	u.portolan("show", "schema", reg.ref("team/bare:1.0.0")).fails(t, exitOther, "values.schema.json")
	u.portolan("show", "chart", "./absent.tgz").fails(t, exitNotFound, "absent.tgz")
}
