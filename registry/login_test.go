package registry_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// loginServer speaks TLS, asks for certificates as it is told, and answers all
// requests by one status.
func loginServer(t *testing.T, asks tls.ClientAuthType, max uint16, status int) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if status == http.StatusUnauthorized {
			rw.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		}
		rw.WriteHeader(status)
	}))
	s.TLS = &tls.Config{ClientAuth: asks, MaxVersion: max}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func loginClient(t *testing.T, opts registry.Options) *registry.Client {
	t.Helper()
	client, err := registry.NewClient(impatient(&opts))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestLoginByCertificate: who knows its users by certificates says so in the
// handshake, and that is told from what it lets everybody do.
func TestLoginByCertificate(t *testing.T) {
	for _, tc := range []struct {
		name     string
		asks     tls.ClientAuthType
		max      uint16
		status   int
		with     bool // the client has a certificate
		verified bool
		kind     error
		hint     string
	}{
		{name: "taken", asks: tls.RequireAnyClientCert, status: 200, with: true, verified: true},
		{name: "not asked for", asks: tls.NoClientCert, status: 200, with: true},
		{name: "missing, TLS 1.3", asks: tls.RequireAnyClientCert, status: 200, kind: registry.ErrUnauthorized, hint: "configure a client certificate"},
		{name: "missing, TLS 1.2", asks: tls.RequireAnyClientCert, max: tls.VersionTLS12, status: 200, kind: registry.ErrUnauthorized, hint: "configure a client certificate"},
		{name: "unknown", asks: tls.RequireAndVerifyClientCert, status: 200, with: true, kind: registry.ErrUnauthorized, hint: "accepts only clients whose certificate it knows"},
		{name: "missing, 401", asks: tls.RequestClientCert, status: 401, kind: registry.ErrUnauthorized, hint: "show it a client certificate, which it asks for"},
		{name: "not enough, 401", asks: tls.RequestClientCert, status: 401, with: true, kind: registry.ErrUnauthorized, hint: "show it another one"},
		{name: "no matter, 401", asks: tls.NoClientCert, status: 401, kind: registry.ErrUnauthorized, hint: "log in to"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := loginServer(t, tc.asks, tc.max, tc.status)
			config := registry.HostConfig{TLS: &registry.TLS{InsecureSkipVerify: true}}
			if tc.with {
				config.TLS.Certificates = s.TLS.Certificates
			}
			client := loginClient(t, registry.Options{Hosts: func(string) (registry.HostConfig, error) { return config, nil }})
			host, store := s.Listener.Addr().String(), auth.NewMemoryStore()
			if tc.kind == nil {
				done, err := client.Login(t.Context(), store, host, auth.Credential{})
				if err != nil || done.Verified != tc.verified || done.Kind != "client certificate" || (len(done.Warnings) == 0) != tc.verified {
					t.Errorf("login: %+v, %v", done, err)
				}
				if list, _ := store.List(t.Context()); len(list) > 0 {
					t.Errorf("stored: %+v", list)
				}
				return
			}
			_, err := client.Login(t.Context(), store, host, auth.Credential{})
			if tc.with != errors.Is(err, tc.kind) { // without one there is nothing to log in with
				t.Errorf("login: %v", err)
			}
			repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.hint) {
				t.Errorf("resolve: %v, want %q", err, tc.hint)
			}
			req, err := http.NewRequest(http.MethodGet, "https://"+host+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Do(t.Context(), req, registry.AuthHint{}); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.hint) {
				t.Errorf("do: %v, want %q", err, tc.hint)
			}
		})
	}
}

// TestLoginWhereAHostIs: credentials are for the place where requests go.
func TestLoginWhereAHostIs(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Basic, Users: map[string]string{"me": "canary"}})
	hosts := func(host string) (registry.HostConfig, error) {
		if host != "moved.example.com" {
			return registry.HostConfig{}, nil
		}
		return registry.HostConfig{Rewrites: []registry.Rewrite{
			{Location: s.Host + "/hub"}, {Prefix: "closed", Blocked: "somebody"}, {Prefix: "here", Location: "moved.example.com/here"},
		}}, nil
	}
	store := auth.NewMemoryStore()
	client := loginClient(t, registry.Options{Hosts: hosts, Credentials: store})
	me := auth.Credential{Username: "me", Password: auth.NewSecret("canary")}
	for asked, want := range map[string]string{"moved.example.com": s.Host, "https://moved.example.com/": s.Host, "oci://moved.example.com/team": s.Host + "/hub/team"} {
		done, err := client.Login(t.Context(), store, asked, me)
		if err != nil || !done.Verified || done.Resource.String() != want || !strings.Contains(strings.Join(done.Warnings, " "), "is served at "+want) {
			t.Errorf("%s: %+v, %v", asked, done, err)
		}
	}
	if _, err := client.Login(t.Context(), store, "moved.example.com/closed/app", me); !errors.Is(err, registry.ErrBlocked) {
		t.Errorf("blocked: %v", err)
	}
	repo, err := client.Repository(registry.Reference{Host: "moved.example.com", Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after the login: %v", err)
	}
}

func TestLoginLooksAtItsSources(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Basic, Users: map[string]string{"me": "canary"}})
	other := auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "eve", Password: auth.NewSecret("1")})
	me, store := auth.Credential{Username: "me", Password: auth.NewSecret("canary")}, auth.NewMemoryStore()
	client := loginClient(t, registry.Options{Credentials: other})
	done, err := client.Login(t.Context(), store, s.Host, me)
	if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "static") {
		t.Errorf("login: %+v, %v", done, err)
	}
	done, err = client.With(auth.Chain(store, other)).LoginWith(t.Context(), store, s.Host, me, registry.LoginOptions{PreferIdentityToken: true})
	if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "identity token") {
		t.Errorf("another identity: %+v, %v", done, err)
	}
	done, err = client.With(store).LoginWith(t.Context(), store, s.Host, auth.Credential{Password: auth.NewSecret("canary")}, registry.LoginOptions{TokenUser: "me"})
	if err != nil || done.Kind != "password" {
		t.Errorf("token user: %+v, %v", done, err)
	}
}
