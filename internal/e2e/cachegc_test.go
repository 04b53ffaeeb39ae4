package e2e_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type gcOutcome struct {
	DryRun, Due bool
	Removed     []struct{ Kind, Digest, Reference, Path, Reason string }
	Contents    int
	Kept        int
	References  int
	Rooted      int
	Excess      int64
}

func (u *user) gc(args ...string) (out gcOutcome) {
	u.t.Helper()
	stdout := u.portolan(append([]string{"cache", "gc", "-o", "json"}, args...)...).ok(u.t)
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		u.t.Fatalf("%v in\n%s", err, stdout)
	}
	return out
}

// gcAge makes the cache look unused for that long.
func (u *user) gcAge(age time.Duration) {
	u.t.Helper()
	then := time.Now().Add(-age)
	err := filepath.WalkDir(u.cache(), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		u.t.Fatal(err)
	}
}

// TestCacheGC removes what is unused, and neither what was packed nor what was
// used a moment ago; what is removed is fetched again.
func TestCacheGC(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	one, two, packed := reg.ref("team/one:1.0.0"), reg.ref("team/two:1.0.0"), reg.ref("team/packed:1.0.0")
	u := newUser(t)
	for name, ref := range map[string]string{"one": one, "two": two} {
		newUser(t).json("push", smallChart(t, name, "1.0.0").path, ref)
		u.json("pull", ref)
	}
	u.json("package", smallChart(t, "packed", "1.0.0").path, packed)
	if out := u.gc(); out.Contents != 0 || len(out.Removed) != 0 || out.Rooted != 3 || !out.Due {
		t.Errorf("what is new: %+v", out)
	}
	u.gcAge(40 * 24 * time.Hour)
	if out := u.json("pull", two); out.Origin != "cache" {
		t.Errorf("pulled from %s", out.Origin)
	}

	dry := u.gc("--dry-run")
	if !dry.DryRun || dry.Contents != 2 || dry.Rooted != 3 || dry.References != 1 || len(dry.Removed) != 3 {
		t.Errorf("dry run: %+v", dry)
	}
	table := u.portolan("cache", "gc", "--dry-run").ok(t)
	for _, want := range []string{one, "unused", "content gone", "would remove 2 contents"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if out := u.gc("--unused", "0"); out.Contents != 0 {
		t.Errorf("without a limit: %+v", out)
	}
	if out := u.gc("--every", "1h"); out.Due {
		t.Errorf("a moment after: %+v", out)
	}
	did := u.gc("--unused", "30d")
	if did.Contents != 2 || did.References != 1 || did.Kept != dry.Kept || did.DryRun {
		t.Errorf("%+v, and the dry run has told %+v", did, dry)
	}
	u.portolan("pull", one, "--offline").fails(t, exitNotFound)
	u.json("pull", two, "--offline")
	if out := u.json("pull", one); out.Origin != "network" {
		t.Errorf("pulled from %s", out.Origin)
	}

	u.gcAge(24 * time.Hour)
	r := u.portolan("cache", "gc", "--max-size", "1", "-o", "json")
	r.ok(t)
	if !strings.Contains(r.stderr, "beyond its limits") {
		t.Errorf("nothing is said of what is too much: %s", r.stderr)
	}
	u.json("push", packed)
	for _, args := range [][]string{{"--max-size", "many"}, {"--unused", "-1h"}, {"--min-free", "-1"}, {"--dry-run", "--every", "1h"}, {"extra"}} {
		u.portolan(append([]string{"cache", "gc"}, args...)...).fails(t, exitUsage)
	}
}
