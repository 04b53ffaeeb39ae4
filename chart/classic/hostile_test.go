package classic_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
