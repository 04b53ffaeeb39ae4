package registry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// The rule on a token server's address holds where a client dials, for an
// internal registry too; so does the strict choice.
func Test51RealmOfAClient(t *testing.T) {
	for name, tc := range map[string]struct {
		realm   string
		options registry.Options
	}{
		"metadata service":  {"http://169.254.169.254/latest", registry.Options{}},
		"unspecified":       {"http://0.0.0.0:1/token", registry.Options{}},
		"elsewhere, strict": {"http://localhost:1/token", registry.Options{SameOriginRealms: true}},
		"another scheme":    {"ftp://127.0.0.1/token", registry.Options{}},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+tc.realm+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		host := strings.TrimPrefix(s.URL, "http://")
		tc.options.Retry = registry.Retry{Attempts: 1}
		tc.options.Credentials = auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
		tc.options.Hosts = func(string) (registry.HostConfig, error) { return registry.HostConfig{PlaintextCredentials: true}, nil }
		client, err := registry.NewClient(&tc.options)
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: host, Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, auth.ErrRealmRefused) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}
