package e2e_test

import "testing"

// TestPushOfPulled pushes by its reference what was pulled: it is there, and
// what the pull left out is no obstacle.
func TestPushOfPulled(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	ref := reg.ref("team/harbour:1.0.0")
	newUser(t).json("push", smallChart(t, "harbour", "1.0.0").path, ref)
	u := newUser(t)
	u.portolan("push", ref).fails(t, exitNotFound, "packed")
	u.portolan("versions", reg.ref("team/harbour"), "--metadata").ok(t)
	u.portolan("push", ref).fails(t, exitNotFound, "packed")
	u.json("pull", ref)
	if out := u.json("push", ref, "--tag", "latest"); !out.Exists || out.Name != "harbour" {
		t.Errorf("pushed %+v", out)
	}
	if a, b := reg.manifest(t, "team/harbour", "latest"), reg.manifest(t, "team/harbour", "1.0.0"); string(a) != string(b) {
		t.Error("latest is something else")
	}
}
