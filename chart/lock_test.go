package chart_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// helmLock is what Helm 4.3 wrote for a chart that declares helmDeclared.
const helmLock = `dependencies:
- name: mast
  repository: file://../mast
  version: 1.4.2
- name: hull
  repository: ""
  version: '>=1'
digest: DIGEST
generated: "2026-02-03T04:05:06.123456789+01:00"
`

var helmDeclared = []*chart.Dependency{
	{Name: "mast", Version: "^1 <2", Repository: "file://../mast", Condition: "a.b", Tags: []string{"x", "<y>"}, Alias: "fore", ImportValues: []any{"data", map[string]any{"parent": "p", "child": "c"}}},
	{Name: "hull", Version: ">=1"},
}

// TestLockDigest holds the digest against the text whose SHA-256 it is (helm's
// internal/resolver): a change of the encoding would show here.
func TestLockDigest(t *testing.T) {
	lock, err := chart.ParseLock([]byte(helmLock))
	if err != nil {
		t.Fatal(err)
	}
	text := `[[{"name":"mast","version":"^1 \u003c2","repository":"file://../mast","condition":"a.b","tags":["x","\u003cy\u003e"],` +
		`"import-values":["data",{"child":"c","parent":"p"}],"alias":"fore"},{"name":"hull","version":"\u003e=1","repository":""}],` +
		`[{"name":"mast","version":"1.4.2","repository":"file://../mast"},{"name":"hull","version":"\u003e=1","repository":""}]]`
	if got, want := chart.LockDigest(helmDeclared, lock.Dependencies), "sha256:"+sha256Hex(text); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if chart.LockDigest(nil, nil) == chart.LockDigest(nil, []*chart.Dependency{}) {
		t.Error("null and an empty list have one digest")
	}
	data, err := lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(helmLock, string(data)); diff != "" {
		t.Errorf("written again (-helm +got):\n%s", diff)
	}
}

func TestParseLockRefuses(t *testing.T) {
	lock, err := chart.ParseLock([]byte(helmLock))
	if err != nil {
		t.Fatal(err)
	}
	bomb := "a: &a [\"" + strings.Repeat("x", 1000) + "\"]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	for name, tc := range map[string]struct {
		data string
		want error
	}{
		"no YAML":        {"\t{", chart.ErrInvalidMetadata},
		"a list":         {"- a", chart.ErrInvalidMetadata},
		"a null":         {"dependencies: [null]", chart.ErrInvalidMetadata},
		"a bad time":     {"generated: yesterday", chart.ErrInvalidMetadata},
		"a bomb":         {bomb, chart.ErrTooLarge},
		"names as lists": {"dependencies: [{name: [a]}]", chart.ErrInvalidMetadata},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := chart.ParseLock([]byte(tc.data)); !errors.Is(err, tc.want) || len(err.Error()) > 2000 {
				t.Errorf("lock: %v", err)
			}
			if _, err := chart.ParseDigests([]byte(tc.data), lock); err == nil || name == "a bomb" && !errors.Is(err, tc.want) {
				t.Errorf("digests: %v", err)
			}
		})
	}
	lock.Dependencies[0].Repository = "oci://h.example/r"
	one, two := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	pins := func(edit ...string) string {
		return strings.NewReplacer(edit...).Replace("apiVersion: v1\nlock: DIGEST\ndependencies:\n- {name: mast, version: 1.4.2, repository: 'oci://h.example/r', manifest: '" + one + "', layer: '" + two + "'}\n- {name: hull, version: '>=1'}\n")
	}
	if got, err := chart.ParseDigests([]byte(pins()), lock); err != nil || string(got[0].Layer) != two {
		t.Fatalf("%v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		data string
		want error
	}{
		"another format":     {pins("apiVersion: v1", "apiVersion: v2"), chart.ErrInvalidMetadata},
		"no format":          {pins("apiVersion: v1", "x: y"), chart.ErrInvalidMetadata},
		"another lock":       {pins("DIGEST", "OTHER"), chart.ErrLockOutdated},
		"another version":    {pins("1.4.2", "1.4.3"), chart.ErrLockOutdated},
		"another name":       {pins("name: hull", "name: keel"), chart.ErrLockOutdated},
		"another repository": {pins("h.example", "i.example"), chart.ErrLockOutdated},
		"one too few":        {strings.SplitAfter(pins(), "}\n")[0], chart.ErrLockOutdated},
		"no digest":          {pins(one, "sha256:abc"), chart.ErrInvalidMetadata},
		"a path":             {pins(one, "../../etc/passwd"), chart.ErrInvalidMetadata},
		"one digest":         {pins("manifest: '"+one+"', ", ""), chart.ErrInvalidMetadata},
		"none":               {pins(one, "", two, ""), chart.ErrInvalidMetadata},
		"one for a local":    {pins("'>=1'", "'>=1', manifest: '"+one+"', layer: '"+one+"'"), chart.ErrInvalidMetadata},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := chart.ParseDigests([]byte(tc.data), lock); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

// TestBuildRefusesForeignLocks: a lock whose digest is right and whose content
// is not what the chart declares, which Helm would build from.
func TestBuildRefusesForeignLocks(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:1.1.0", "sail:1.0.0")
	team := "oci://" + h.Host + "/team"
	declared := []*chart.Dependency{{Name: "mast", Version: "^1.0.0", Repository: team}}
	dir := ship(t, t.TempDir(), "boat", "1.0.0", h.needs("mast ^1.0.0 team"))
	for name, tc := range map[string]struct {
		locked []*chart.Dependency
		digest string
		want   error
	}{
		"good":                  {locked: []*chart.Dependency{{Name: "mast", Version: "1.0.0", Repository: team}}},
		"another digest":        {[]*chart.Dependency{{Name: "mast", Version: "1.0.0", Repository: team}}, "sha256:0", chart.ErrLockOutdated},
		"no digest":             {[]*chart.Dependency{{Name: "mast", Version: "1.0.0", Repository: team}}, "''", chart.ErrLockOutdated},
		"another chart":         {[]*chart.Dependency{{Name: "sail", Version: "1.0.0", Repository: team}}, "", chart.ErrLockOutdated},
		"another repository":    {[]*chart.Dependency{{Name: "mast", Version: "1.0.0", Repository: "oci://evil.example/team"}}, "", chart.ErrLockOutdated},
		"out of the range":      {[]*chart.Dependency{{Name: "mast", Version: "2.0.0", Repository: team}}, "", chart.ErrLockOutdated},
		"the range itself":      {[]*chart.Dependency{{Name: "mast", Version: "^1.0.0", Repository: team}}, "", chart.ErrLockOutdated},
		"a path":                {[]*chart.Dependency{{Name: "mast", Version: "1.0.0/../../x", Repository: team}}, "", chart.ErrLockOutdated},
		"nothing":               {nil, "", chart.ErrLockOutdated},
		"one more":              {[]*chart.Dependency{{Name: "mast", Version: "1.0.0", Repository: team}, {Name: "sail", Version: "1.0.0", Repository: team}}, "", chart.ErrLockOutdated},
		"a version that is not": {[]*chart.Dependency{{Name: "mast", Version: "1.0.5", Repository: team}}, "", chart.ErrNoMatch},
	} {
		t.Run(name, func(t *testing.T) {
			lock := &chart.Lock{Dependencies: tc.locked, Digest: chart.LockDigest(declared, tc.locked)}
			if tc.digest != "" {
				lock.Digest = strings.Trim(tc.digest, "'")
			}
			data, err := lock.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, map[string]string{"Chart.lock": string(data)})
			before := tree(t, dir)
			_, err = h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{})
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if diff := cmp.Diff(before, tree(t, dir)); tc.want != nil && diff != "" {
				t.Errorf("a failure changed (-before +after):\n%s", diff)
			}
			_ = os.RemoveAll(filepath.Join(dir, "charts"))
		})
	}
}

// TestBuildFromHelm2Lock takes the digest of the declarations alone (helm#7233),
// and looks at the entries all the same.
func TestBuildFromHelm2Lock(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.stock(t, "mast:1.0.0", "mast:2.0.0")
	team := "oci://" + h.Host + "/team"
	dir := write(t, t.TempDir(), map[string]string{
		"Chart.yaml": "apiVersion: v1\nname: boat\nversion: 1.0.0\n", "requirements.yaml": h.needs("mast ^1 team"),
	})
	digest := "sha256:" + sha256Hex(`{"dependencies":[{"name":"mast","version":"^1","repository":"`+team+`"}]}`)
	for version, want := range map[string]error{"1.0.0": nil, "2.0.0": chart.ErrLockOutdated} {
		write(t, dir, map[string]string{"requirements.lock": "dependencies:\n- {name: mast, version: " + version + ", repository: '" + team + "'}\ndigest: " + digest + "\n"})
		if _, err := h.client.BuildDependencies(t.Context(), dir, chart.DependencyOptions{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", version, err, want)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(helmLock), []byte("apiVersion: v1\nlock: DIGEST\ndependencies: [{name: mast, version: 1.4.2, repository: 'file://../mast'}, {name: hull, version: '>=1'}]\n"))
	f.Add([]byte("dependencies: []\ndigest: x\n"), []byte("apiVersion: v1\nlock: x\n"))
	f.Add([]byte("dependencies: [{name: a, version: 1.0.0, repository: 'oci://h.example/r'}]\ndigest: x\n"), []byte("apiVersion: v1\nlock: x\ndependencies: [{name: a, version: 1.0.0, repository: 'oci://h.example/r', layer: 'sha256:"+strings.Repeat("a", 64)+"', manifest: 'sha256:"+strings.Repeat("b", 64)+"'}]\n"))
	f.Add([]byte("dependencies: [null]"), []byte("- 1"))
	f.Add([]byte("generated: 1\ndependencies: &a [*a]\n"), []byte("{}"))
	f.Add([]byte(""), []byte(""))
	f.Fuzz(func(t *testing.T, data, digests []byte) {
		lock, err := chart.ParseLock(data)
		if err != nil {
			if _, ok := errors.AsType[*chart.LockError](err); !ok {
				t.Fatalf("error of another type: %v", err)
			}
			return
		}
		written, err := lock.Marshal()
		if err != nil {
			return // a year beyond 9999, by its time zone
		}
		again, err := chart.ParseLock(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, written)
		}
		if twice, err := again.Marshal(); err != nil || string(twice) != string(written) {
			t.Fatalf("written again: %v\n%s\n%s", err, written, twice)
		}
		pins, err := chart.ParseDigests(digests, lock)
		if err != nil {
			return
		}
		if len(pins) != len(lock.Dependencies) {
			t.Fatalf("%d pins of %d dependencies", len(pins), len(lock.Dependencies))
		}
		for _, p := range pins {
			if p.Manifest != "" && (p.Manifest.Validate() != nil || p.Layer.Validate() != nil) {
				t.Fatalf("pin %+v", p)
			}
		}
	})
}
