package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cacheFault is a line of cache verify.
type cacheFault struct{ Kind, State, Problem, Reference, Digest, Path string }

// faultsOf runs cache verify, and gives its lines.
func faultsOf(t *testing.T, u *user, code int, args ...string) (all []cacheFault) {
	t.Helper()
	r := u.portolan(append([]string{"cache", "verify", "-o", "json"}, args...)...)
	if r.code != code {
		t.Errorf("%s: exit status %d, want %d: %s", r.line, r.code, code, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	return all
}

// TestCacheVerify spoils every file of a cache, is told so, and pulls right: it
// is all there again then, but what was only packed.
func TestCacheVerify(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	newUser(t).json("push", c.path, ref)
	u := newUser(t)
	u.json("pull", ref, "-d", u.dir("first"))
	if got := faultsOf(t, u, 0); len(got) != 0 {
		t.Errorf("of a sound cache: %+v", got)
	}
	if out := u.portolan("cache", "verify").ok(t); out != "" {
		t.Errorf("of a sound cache: %s", out)
	}
	packed := reg.ref("team/pier:1.0.0")
	u.json("package", chartDir(t, u.home, "pier", "1.0.0"), packed)

	spoilt := 0
	err := filepath.WalkDir(u.cache(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 {
			return err
		}
		data[len(data)/2] ^= 4
		spoilt++
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(u.cache(), "READ ME"), []byte("mine"))

	states := func(all []cacheFault) map[string]int {
		n := map[string]int{}
		for _, f := range all {
			n[f.State]++
			if f.Problem == "" || !filepath.IsAbs(f.Path) {
				t.Errorf("%+v", f)
			}
		}
		return n
	}
	kept := states(faultsOf(t, u, exitVerify, "--keep-bad"))
	if kept["foreign"] != 1 || kept["removed"] > 0 || kept["bad"]+kept["lost"] != spoilt {
		t.Errorf("of %d spoilt files: %v", spoilt, kept)
	}
	if r := u.portolan("cache", "verify"); r.code != exitVerify || !strings.Contains(r.stderr, "packed here and not pushed") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("%s: %d %s", r.line, r.code, r.stderr)
	}
	if left := states(faultsOf(t, u, 0)); left["foreign"] != 1 || len(left) != 1 {
		t.Errorf("the second time: %v", left)
	}
	u.portolan("push", packed).fails(t, exitNotFound, "packed")
	u.json("pull", ref, "-d", u.dir("second"))
	if got := readFile(t, u.path("second", filepath.Base(c.path))); !bytes.Equal(got, c.data) {
		t.Error("other bytes")
	}
	u.json("pull", ref, "-d", u.dir("third"), "--offline")
	if r := u.portolan("cache", "verify"); r.ok(t) == "" || !strings.Contains(r.stdout, "READ ME") {
		t.Errorf("a file of somebody's: %s", r.stdout)
	}
}
