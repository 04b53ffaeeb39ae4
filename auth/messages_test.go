package auth

import (
	"cmp"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A refusal after an anonymous token says that there is no credential: the
// scopes alone would not tell that nobody is logged in.
func TestRefusedForNobody(t *testing.T) {
	w := newWorld(t)
	serve := w.registry.Config.Handler
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer none") // no token is good enough
		serve.ServeHTTP(rw, r)
	})
	_, err := newSigner(t, nil).Do(w.request(t, "GET", "team/app/manifests/1", ""), w.hint("team/app", "pull"), send)
	if err == nil || !strings.Contains(err.Error(), "and there is no credential for it") || !strings.Contains(err.Error(), "log in to ") {
		t.Errorf("got %v", err)
	}
}

// A finding names its source once, and what is wrong with a variable is not
// mended by a login.
func TestReasonsOfFindings(t *testing.T) {
	home := filesHome(t)
	file := filepath.Join(home, ".docker", "config.json")
	r := Resource{Host: "r.io"}
	for _, tc := range []struct {
		name, content, user, host string
		want                      string
	}{
		{name: "an entry", content: `{"auths":{"r.io":{"auth":"%%%"}}}`, want: "the entry cannot be used; log in again, or remove the entry: auth is not base64"},
		{name: "cut off", content: `{"auths":`, want: "it cannot be read: its JSON ends too early"},
		{name: "cut off later", content: `{"auths":{"r.io":`, want: "it cannot be read: its JSON ends too early"},
		{name: "a helper", content: `{"credsStore":"nowhere-at-all"}`, want: "it is not installed; install it"},
		{name: "no host", user: "ann", want: "it is not set; it binds"},
		{name: "no secret", user: "ann", host: "r.io", want: "the variables beside it are no credential: a user name alone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			filesMake(t, file, cmp.Or(tc.content, "{}"))
			t.Setenv("PORTOLAN_USERNAME", tc.user)
			t.Setenv("PORTOLAN_REGISTRY", tc.host)
			findings, err := Explain(context.Background(), filesDefault(t, nil), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if f.Outcome != OutcomeFailed {
					continue
				}
				if !strings.HasPrefix(f.Reason, tc.want) || strings.Contains(f.Reason, f.Origin.String()) {
					t.Errorf("%s: %q, want %q", f.Origin, f.Reason, tc.want)
				}
				return
			}
			t.Errorf("nothing has failed: %+v", findings)
		})
	}
}
