package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCapabilities shows what distribution can do, whole and in a repository.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	c := smallChart(t, "harbour", "1.0.0")
	u.json("push", c.path, reg.ref("team/harbour"), "--tag", "latest")

	facts := func(reference string) map[string]any {
		t.Helper()
		out := u.portolan("capabilities", reference, "-o", "json").ok(t)
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		values := map[string]any{}
		for name, raw := range all {
			var fact struct{ Value any }
			if json.Unmarshal(raw, &fact) == nil {
				values[name] = fact.Value
			}
		}
		return values
	}
	host := facts(reg.host)
	for name, want := range map[string]any{"apiVersion": "registry/2.0", "catalog": "listed", "referrers": "unknown", "mount": "unknown"} {
		if host[name] != want {
			t.Errorf("of the host, %s is %v, want %v", name, host[name], want)
		}
	}
	repository := facts(reg.ref("team/harbour"))
	for name, want := range map[string]any{"referrers": "no", "tagPaging": "yes", "manifestETag": "unknown"} {
		if repository[name] != want {
			t.Errorf("of a repository, %s is %v, want %v", name, repository[name], want)
		}
	}
	tag := facts(reg.ref("team/harbour:1.0.0"))
	for name, want := range map[string]any{"manifestETag": "yes", "notModified": "yes"} {
		if tag[name] != want {
			t.Errorf("of a tag, %s is %v, want %v", name, tag[name], want)
		}
	}
	table := u.portolan("capabilities", reg.host).ok(t)
	if !strings.HasPrefix(table, "FACT") || !strings.Contains(strings.Join(strings.Fields(table), " "), "catalog listed probe 1") {
		t.Errorf("table:\n%s", table)
	}
	u.portolan("capabilities", "ghcr").fails(t, exitUsage, "ghcr")
	u.portolan("capabilities", reg.host, "--offline").fails(t, exitUsage, "--offline")
	u.portolan("capabilities", "localhost:1").fails(t, exitUnreachable, "localhost:1")
}
