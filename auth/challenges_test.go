package auth_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/auth"
)

func TestChallenges(t *testing.T) {
	h := http.Header{"Www-Authenticate": {
		`Negotiate, Basic realm="files"`,
		`Bearer realm="https://tokens.example.com/token",service="registry.example.com",scope="repository:app:pull"`,
	}}
	want := []auth.Challenge{
		{Scheme: "negotiate"},
		{Scheme: "basic", Realm: "files"},
		{Scheme: "bearer", Realm: "https://tokens.example.com/token", Service: "registry.example.com", Scope: "repository:app:pull"},
	}
	if diff := cmp.Diff(want, auth.Challenges(h)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := auth.Challenges(nil); got != nil {
		t.Errorf("of no header: %v", got)
	}
}
