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

// TestLoginWithoutARegistry: a host that cannot be reached, or that answers as
// no registry does, is unavailable, in whatever way.
func TestLoginWithoutARegistry(t *testing.T) {
	unknown := loginServer(t, 0, 0, http.StatusOK)
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			rw.WriteHeader(http.StatusTeapot)
			return
		}
		rw.Header().Set("Content-Type", "text/html")
	}))
	t.Cleanup(page.Close)
	nothing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nothing.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	plainHost := plain.Listener.Addr().String()
	client := loginClient(t, registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
		if host == unknown.Listener.Addr().String() || host == plainHost {
			return registry.HostConfig{TLS: &registry.TLS{}}, nil
		}
		return registry.HostConfig{}, nil
	}})
	me := auth.Credential{Username: "me", Password: auth.NewSecret("canary")}
	for name, tc := range map[string]struct{ host, want string }{
		"an unknown authority": {unknown.Listener.Addr().String(), "give the CA file of " + unknown.Listener.Addr().String()},
		"plain HTTP":           {plainHost, "plain HTTP"},
		"404":                  {nothing.Listener.Addr().String(), "404 not found"},
		"a page":               {page.Listener.Addr().String(), "HTML page"},
	} {
		store := auth.NewMemoryStore()
		_, err := client.Login(t.Context(), store, tc.host, me)
		if !errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Login(t.Context(), auth.NewMemoryStore(), nothing.Listener.Addr().String(), auth.Credential{Username: "a:b", Password: auth.NewSecret("canary")}); err == nil || errors.Is(err, registry.ErrUnavailable) || strings.Count(err.Error(), "log in") != 1 {
		t.Errorf("a user name that is none: %v", err)
	}
}

// TestHintNamesTheTokenServer: the authority that is unknown may be another
// host's than the one that was asked.
func TestHintNamesTheTokenServer(t *testing.T) {
	tokens := loginServer(t, 0, 0, http.StatusOK)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="`+tokens.URL+`/token",service="s"`)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	client := loginClient(t, registry.Options{})
	me := auth.Credential{Username: "me", Password: auth.NewSecret("canary")}
	_, err := client.Login(t.Context(), auth.NewMemoryStore(), s.Listener.Addr().String(), me)
	if host := tokens.Listener.Addr().String(); !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "give the CA file of "+host) {
		t.Errorf("login: %v", err)
	}
}
