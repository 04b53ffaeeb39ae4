package registry_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestTLS(t *testing.T) {
	s := server(t, &registrytest.Options{TLS: true})
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trusted, err := registry.LoadTLS(caFile, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		config registry.HostConfig
		want   error
		says   string
	}{
		{"its authority is trusted", registry.HostConfig{TLS: trusted}, registry.ErrNotFound, ""},
		{"unverified", registry.HostConfig{TLS: &registry.TLS{InsecureSkipVerify: true}}, registry.ErrNotFound, ""},
		{"its authority is unknown", registry.HostConfig{TLS: &registry.TLS{}}, registry.ErrUnavailable, "CA file"},
		{"plain HTTP to a TLS port", registry.HostConfig{PlainHTTP: true}, registry.ErrUnavailable, "speaks TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repo := repository(t, s, &registry.Options{Hosts: func(string) (registry.HostConfig, error) { return tc.config, nil }})
			_, err := repo.Resolve(t.Context(), "1")
			if err == nil || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v, want %v saying %q", err, tc.want, tc.says)
			}
		})
	}
}

func Test61NoFallingBackToPlainHTTP(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, &registry.Options{Hosts: func(string) (registry.HostConfig, error) {
		return registry.HostConfig{TLS: &registry.TLS{InsecureSkipVerify: true}}, nil
	}})
	_, err := repo.Resolve(t.Context(), "1")
	if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "plain HTTP") {
		t.Errorf("error = %v, want one that names plain HTTP", err)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests went out in the clear", n)
	}
}

func TestHostConfigErrors(t *testing.T) {
	broken := errors.New("broken file")
	for name, hosts := range map[string]func(string) (registry.HostConfig, error){
		"its own": func(string) (registry.HostConfig, error) { return registry.HostConfig{}, broken },
		"a contradiction": func(string) (registry.HostConfig, error) {
			return registry.HostConfig{PlainHTTP: true, TLS: &registry.TLS{}}, nil
		},
	} {
		client, err := registry.NewClient(impatient(&registry.Options{Hosts: hosts}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Repository(registry.Reference{Host: "r.example", Repository: "a"}); err == nil || !strings.Contains(err.Error(), "r.example") {
			t.Errorf("%s: error = %v, want one that names the host", name, err)
		}
	}
}

func TestLoadTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(dir, "absent.pem")
	for _, tc := range []struct{ name, ca, cert, key, says string }{
		{"CA file that is not there", absent, "", "", absent},
		{"CA file without a certificate", empty, "", "", empty},
		{"certificate without key", "", empty, "", "both"},
		{"key without certificate", "", "", empty, "both"},
		{"pair that is none", "", empty, empty, empty},
	} {
		if _, err := registry.LoadTLS(tc.ca, tc.cert, tc.key); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error that says %q", tc.name, err, tc.says)
		}
	}
}

func TestCustomTransportIsUsedForAll(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Bearer, AnonymousPull: true})
	seen := new(counter)
	repo := repository(t, s, &registry.Options{Transport: seen})
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	if got := len(s.Requests()); seen.n != got || got != 3 {
		t.Errorf("the transport saw %d requests of %d, want all 3: challenge, token, answer", seen.n, got)
	}
}

type counter struct{ n int }

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n++
	return http.DefaultTransport.RoundTrip(req)
}

func TestLogin(t *testing.T) {
	ctx := t.Context()
	for name, scheme := range map[string]registrytest.Auth{"basic": registrytest.Basic, "bearer": registrytest.Bearer} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Auth: scheme, Users: map[string]string{"me": "canary"}})
			store := auth.NewMemoryStore()
			client, err := registry.NewClient(impatient(&registry.Options{Credentials: store}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Login(ctx, store, s.Host, auth.Credential{Username: "me", Password: auth.NewSecret("wrong")})
			if !errors.Is(err, registry.ErrUnauthorized) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("wrong password: %v", err)
			}
			if _, err := store.Credential(ctx, auth.Resource{Host: s.Host}); !errors.Is(err, auth.ErrNoCredential) {
				t.Errorf("a wrong password was kept: %v", err)
			}
			done, err := client.Login(ctx, store, "oci://"+s.Host+"/", auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
			if err != nil || !done.Verified {
				t.Fatalf("login: %+v, %v", done, err)
			}
			s.Reset()
			_, err = client.Login(ctx, store, "https://"+s.Host, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
			if !errors.Is(err, registry.ErrInvalidReference) || len(s.Requests()) != 0 {
				t.Errorf("https:// typed for a host in plain HTTP: %v, %v", err, s.Requests())
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			artifact(t, repo, "1", "content")
			other := client.With(nil)
			anonymous, err := other.Repository(repo.Reference())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := anonymous.Resolve(ctx, "1"); !errors.Is(err, registry.ErrUnauthorized) {
				t.Errorf("another identity: %v", err)
			}
		})
	}
	client, err := registry.NewClient(impatient(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := server(t, nil)
	s.Close()
	if _, err := client.Login(ctx, auth.NewMemoryStore(), s.Host, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("registry that is down: %v", err)
	}
}

func TestLoginBehindAPortal(t *testing.T) {
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	}))
	defer portal.Close()
	client, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	credential := auth.Credential{Username: "bob", Password: auth.NewSecret("secret")}
	if _, err := client.Login(t.Context(), auth.NewMemoryStore(), portal.URL[len("http://"):], credential); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestTokensAreAskedForOnce(t *testing.T) {
	s := server(t, &registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}})
	credentials := auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
	repo := repository(t, s, &registry.Options{Credentials: credentials})
	artifact(t, repo.WithActions(registry.ActionPull, registry.ActionPush), "1", "content")
	if _, err := repo.Resolve(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if c := s.Cost(); c.Challenges != 1 || c.Tokens != 1 {
		t.Errorf("%s, want one challenge and one token", c)
	}
}

func Test60SystemRootsStay(t *testing.T) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	s := server(t, &registrytest.Options{TLS: true})
	config, err := registry.TLSConfig(registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{s.Certificate()}}})
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(s.Certificate())
	if !config.RootCAs.Equal(pool) {
		t.Error("the host's roots are not the system's and its own")
	}
	if config.ServerName != "" {
		t.Errorf("server name is pinned to %q", config.ServerName)
	}
}
