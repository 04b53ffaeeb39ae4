package e2e_test

import (
	"strings"
	"testing"
)

// TestShowUnverified shows what an archive begins with, and says that this is
// all it did; whatever decides reads to the end.
func TestShowUnverified(t *testing.T) {
	u := newUser(t)
	path := u.path("work", "voyage-1.0.0.tgz")
	first := "apiVersion: v2\nname: voyage\nversion: 1.0.0\n"
	other := "apiVersion: v2\nname: impostor\nversion: 6.6.6\n"
	writeArchive(t, path, file("voyage/Chart.yaml", first), file("voyage/values.yaml", ""), file("voyage/Chart.yaml", other))

	shown := u.portolan("show", "chart", "--unverified", path)
	if got := shown.ok(t); !strings.Contains(got, "name: voyage") || strings.Contains(got, "impostor") {
		t.Errorf("shown: %s", got)
	}
	if !strings.Contains(shown.stderr, "unverified") {
		t.Errorf("does not say that it is unverified: %q", shown.stderr)
	}
	for _, line := range [][]string{
		{"show", "chart", path}, {"show", "values", path},
		{"push", path, "localhost:1/team/voyage"}, {"copy", path, u.path("work", "elsewhere")},
	} {
		u.portolan(line...).fails(t, exitOther, "Chart.yaml", "twice")
	}
	u.portolan("show", "values", "--unverified", path).fails(t, exitUsage, "--unverified")
}
