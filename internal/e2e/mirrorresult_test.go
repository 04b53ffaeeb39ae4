package e2e_test

import (
	"encoding/json"
	"testing"
)

// TestResultsNameTheMirror: who reads the results sees which mirror sent the
// archive, and from the cache that nobody did.
func TestResultsNameTheMirror(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	newUser(t).json("push", c.path, ref)
	mirror := startMeter(t, reg, 0)
	u := newUser(t)
	pull := func(args ...string) (got struct{ Mirror, TagMirror, Origin string }) {
		t.Helper()
		out := u.portolan(append([]string{"pull", ref, "-d", u.dir("out"), "-o", "json"}, args...)...).ok(t)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := pull("--mirror", mirror.host); got.Mirror != mirror.host || got.TagMirror != "" || got.Origin != "network" {
		t.Errorf("first: %+v, want content of %s", got, mirror.host)
	}
	if got := pull("--mirror", mirror.host); got.Mirror != "" || got.Origin != "cache" {
		t.Errorf("again: %+v", got)
	}
	if got := pull("--cache", u.dir("other")); got.Mirror != "" || got.Origin != "network" {
		t.Errorf("without a mirror: %+v", got)
	}
}
