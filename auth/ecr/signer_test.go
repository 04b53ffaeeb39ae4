package ecr

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/portolan-oci/portolan/auth"
)

// A signer gets into a registry with a token, keeps it for other repositories,
// and gets another when the registry no longer takes it.
func TestSigner(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	w.issued = 10 // the role's keys are 11, so the first token is 12
	valid := w.password(12)
	registry := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "AWS" || password != valid {
			rw.Header().Set("WWW-Authenticate", `Basic realm="https://`+privateHost+`/",service="ecr.amazonaws.com"`)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer registry.Close()
	signer, err := auth.NewSigner(&auth.SignerOptions{Provider: w.open()})
	if err != nil {
		t.Fatal(err)
	}
	get := func(repository string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+privateHost+"/v2/"+repository+"/tags/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		hint := auth.Hint{Resource: auth.Resource{Host: privateHost, Path: repository}}
		resp, err := signer.Do(req, hint, anyName(registry).RoundTrip)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	get("team/app")
	get("team/other")
	w.wantCalls("POST "+regionalSTS+" AssumeRoleWithWebIdentity", getToken)
	valid = w.password(13)
	get("team/app")
	w.wantCalls(getToken)
}
