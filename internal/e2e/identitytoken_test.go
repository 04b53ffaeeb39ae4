package e2e_test

import (
	"path/filepath"
	"testing"

	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	regconfig "github.com/regclient/regclient/config"

	"github.com/portolan-oci/portolan/auth"
)

// Test08IdentityTokenElsewhere: an identity token that is put into docker's
// file, with a user name or without one, is read by docker, go-containerregistry
// and regclient as what it is, and beside it a password stays one.
func Test08IdentityTokenElsewhere(t *testing.T) {
	const nobody = "00000000-0000-0000-0000-000000000000"
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	store, err := auth.NewDockerStore(path, &auth.FileOptions{Plaintext: auth.PlaintextStore})
	if err != nil {
		t.Fatal(err)
	}
	type account struct{ user, password, token string }
	want := map[string]account{
		"alone.example":     {nobody, "", "refresh-1"},
		"user.example":      {"bob", "", "refresh-2"},
		"password.example":  {"bob", "secret", ""},
		"port.example:5000": {nobody, "", "refresh-3"},
	}
	for host, a := range want {
		c := auth.Credential{Username: a.user, Password: auth.NewSecret(a.password), IdentityToken: auth.NewSecret(a.token)}
		if a.user == nobody {
			c.Username = ""
		}
		if _, err := store.Put(t.Context(), auth.Resource{Host: host}, c); err != nil {
			t.Fatal(err)
		}
	}
	check := func(program, host string, got account) {
		t.Helper()
		if got != want[host] {
			t.Errorf("%s reads %+v for %s, want %+v", program, got, host, want[host])
		}
	}

	file, err := dockerconfig.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	for host := range want {
		c, err := file.GetAuthConfig(host)
		if err != nil {
			t.Fatal(err)
		}
		check("docker", host, account{c.Username, c.Password, c.IdentityToken})

		registry, err := name.NewRegistry(host)
		if err != nil {
			t.Fatal(err)
		}
		authenticator, err := authn.DefaultKeychain.Resolve(registry)
		if err != nil {
			t.Fatal(err)
		}
		g, err := authenticator.Authorization()
		if err != nil {
			t.Fatal(err)
		}
		check("go-containerregistry", host, account{g.Username, g.Password, g.IdentityToken})
	}

	hosts, err := regconfig.DockerLoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(hosts) != len(want) {
		t.Errorf("regclient reads %d hosts, want %d", len(hosts), len(want))
	}
	for _, h := range hosts {
		if h.User == "" && h.Token != "" {
			h.User = nobody // it has no use for a user beside a token
		}
		check("regclient", h.Name, account{h.User, h.Pass, h.Token})
	}
}
