package classic_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// TestQueryStaysAtItsHost: the repository's query may be what lets one in, and
// a relative URL may name another host.
func TestQueryStaysAtItsHost(t *testing.T) {
	elsewhere, q := newQuay(t, false), newQuay(t, false)
	elsewhere.files["/x.tgz"] = archiveOf(t, "voyage", "1.0.0")
	q.files["/charts/index.yaml"] = indexOf(map[string][]string{
		"voyage": {entry("voyage", "1.0.0", "", "//"+elsewhere.host()+"/x.tgz")},
	})
	r := open(t, newClient(t, "", q, elsewhere), q.URL+"/charts?signature="+canary, nil)
	packed, err := r.Pull(t.Context(), "voyage", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	packed.Close()
	if diff := cmp.Diff([]string{"GET /x.tgz"}, elsewhere.asked()); diff != "" {
		t.Errorf("asked of the other host (-want +got):\n%s", diff)
	}
}

// TestEscapedVersions: an entry counts however its version is written, so that
// the first of two is the same one for every reader.
func TestEscapedVersions(t *testing.T) {
	sum := strings.TrimPrefix(string(digest.FromString("another archive")), "sha256:")
	for _, version := range []string{`"1.0\x2e0"`, `"1.0\u002e0"`, "\"1.0.\\\n      0\""} {
		q := newQuay(t, false)
		first := "  - apiVersion: v2\n    name: voyage\n    version: " + version + "\n    urls:\n    - first.tgz\n"
		q.files["/charts/index.yaml"] = indexOf(map[string][]string{"voyage": {first, entry("voyage", "1.0.0", sum, "second.tgz")}})
		r := open(t, newClient(t, "", q), q.URL+"/charts", nil)
		e, err := r.Entry(t.Context(), "voyage", "1.0.0")
		if err != nil || e.URLs[0] != "first.tgz" {
			t.Errorf("version %s: entry %+v, %v", version, e, err)
		}
	}
}
