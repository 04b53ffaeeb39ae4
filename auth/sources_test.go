package auth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// filesHome is a home directory with nothing in it, and an environment that
// leads nowhere else.
func filesHome(t *testing.T) string {
	t.Helper()
	for _, name := range []string{
		"DOCKER_CONFIG", "HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG",
		"PORTOLAN_REGISTRY", "PORTOLAN_USERNAME", "PORTOLAN_PASSWORD", "PORTOLAN_IDENTITY_TOKEN", "PORTOLAN_REGISTRY_TOKEN",
	} {
		t.Setenv(name, "")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	return home
}

// filesMake writes a file and the directories above it.
func filesMake(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, content)
}

func filesDefault(t *testing.T, opts *DefaultOptions) Provider {
	t.Helper()
	p, err := NewDefault(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Test11DockerConfig: DOCKER_CONFIG takes the place of the home directory's,
// if its own is empty too, and a user without a home directory still has the
// rest.
func Test11DockerConfig(t *testing.T) {
	home := filesHome(t)
	check := func(find func() (string, error), want string) {
		t.Helper()
		if got, err := find(); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	check(DefaultDockerPath, filepath.Join(home, ".docker", "config.json"))
	t.Setenv("XDG_CONFIG_HOME", "/xdg")
	check(DefaultHelmPath, filepath.FromSlash("/xdg/helm/registry/config.json"))
	t.Setenv("HELM_CONFIG_HOME", "/helm")
	check(DefaultHelmPath, filepath.FromSlash("/helm/registry/config.json"))
	t.Setenv("HELM_REGISTRY_CONFIG", "/reg.json")
	check(DefaultHelmPath, "/reg.json")

	filesMake(t, filepath.Join(home, ".docker", "config.json"), auths("r.io", "u:home"))
	filesAsk{"r.io", "home"}.put(t, filesDefault(t, nil))
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	helm := writeFile(t, filepath.Join(t.TempDir(), "config.json"), auths("r.io", "u:helm", "s.io", "u:helm"))
	t.Setenv("HELM_REGISTRY_CONFIG", helm)
	p := filesDefault(t, nil)
	filesAsk{"r.io", "helm"}.put(t, p)
	store, err := NewDefaultStore(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), Resource{Host: "r.io"}, password("u", "fresh")); err != nil {
		t.Fatal(err)
	}
	filesAsk{"r.io", "fresh"}.put(t, p)

	t.Setenv("HOME", "")
	t.Setenv("DOCKER_CONFIG", "")
	filesAsk{"s.io", "helm"}.put(t, filesDefault(t, nil))
	t.Setenv("HOME", filepath.Join(helm, "not", "a", "directory"))
	filesAsk{"s.io", "helm"}.put(t, filesDefault(t, nil))
}

// Test12DockerAuthConfig: DOCKER_AUTH_CONFIG lies over the files key by key; a
// text that does not parse is reported without being shown, and stands in
// nobody's way.
func Test12DockerAuthConfig(t *testing.T) {
	home := filesHome(t)
	filesMake(t, filepath.Join(home, ".docker", "config.json"), auths("r.io", "u:file", "s.io", "u:file", "bad.io", "u:file"))
	p := filesDefault(t, nil)
	filesAsk{"r.io", "file"}.put(t, p)
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths":{"r.io":{"auth":"`+b64("u:env")+`"},"t.io/a":{"identitytoken":"id"},"bad.io":{"auth":"`+b64(canary)+`"}},"credsStore":"never-run","x":1}`)
	filesAsk{"r.io", "env"}.put(t, p)
	filesAsk{"s.io", "file"}.put(t, p)
	filesAsk{"bad.io", "file"}.put(t, p)
	if c, err := p.Credential(t.Context(), Resource{"t.io", "a/b"}); err != nil || c.IdentityToken.Reveal() != "id" || c.Origin.String() != "environment DOCKER_AUTH_CONFIG (t.io/a)" {
		t.Errorf("from %s, %v", c.Origin, err)
	}
	for _, broken := range []string{`{"auths":{"r.io":{"auth":"` + canary, canary, `["` + canary + `"]`, `{"auths":"` + canary + `"}`} {
		t.Setenv("DOCKER_AUTH_CONFIG", broken)
		filesAsk{"r.io", "file"}.put(t, p)
		_, err := p.Credential(t.Context(), Resource{Host: "t.io"})
		if !errors.Is(err, ErrNoCredential) || !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), "DOCKER_AUTH_CONFIG") {
			t.Errorf("got %v", err)
		}
		noCanary(t, "error", err.Error())
	}
}

// Test13ContainersPaths: REGISTRY_AUTH_FILE ends the search; without it the
// files of podman are read in its order, on macOS from another place, and with
// DOCKER_CONFIG not at all.
func Test13ContainersPaths(t *testing.T) {
	home := filesHome(t)
	only := &DefaultOptions{Sources: []Source{SourceContainers}}
	primary, secondary := filepath.Join(home, "run", "containers", "auth.json"), filepath.Join(home, ".config", "containers", "auth.json")
	filesMake(t, primary, auths("r.io", "u:primary"))
	filesMake(t, secondary, auths("r.io", "u:secondary", "s.io/team", "u:secondary"))
	filesMake(t, filepath.Join(home, ".dockercfg"), `{"https://s.io/v1/":{"auth":"`+b64("u:legacy")+`","email":"e@x"}}`)
	p := filesDefault(t, only)
	filesAsk{"r.io", "primary"}.put(t, p)
	filesAsk{"s.io/team/app", "secondary"}.put(t, p)
	filesAsk{"s.io", "legacy"}.put(t, p)
	if got, err := DefaultContainersPath(); err != nil || got != primary {
		t.Errorf("login writes to %s, %v", got, err)
	}
	for _, tc := range []struct {
		goos, runtime, config string
		want                  []string
	}{
		{"linux", "/r", "/c", []string{"/r/containers/auth.json", "/c/containers/auth.json"}},
		{"linux", "", "", []string{filepath.Join("/run/containers", strconv.Itoa(os.Geteuid()), "auth.json"), secondary}},
		{"darwin", "/r", "/c", []string{secondary}},
		{"windows", "/r", "/c", []string{secondary}},
	} {
		t.Setenv("XDG_RUNTIME_DIR", tc.runtime)
		t.Setenv("XDG_CONFIG_HOME", tc.config)
		if got, err := containersPaths(tc.goos); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v; want %q", tc.goos, got, err, tc.want)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	p = filesDefault(t, only)
	filesAsk{"r.io", ""}.put(t, p)
	filesAsk{"s.io", ""}.put(t, p)
	if found, _ := Explain(t.Context(), p, Resource{Host: "r.io"}); len(found) != 1 || found[0].Outcome != OutcomeNone || !strings.Contains(found[0].Reason, "DOCKER_CONFIG") {
		t.Errorf("explained as %+v", found)
	}
	if got, err := DefaultContainersPath(); err == nil {
		t.Errorf("login would write to %s, where podman does not look", got)
	}
	explicit := writeFile(t, filepath.Join(t.TempDir(), "auth.json"), auths("r.io", "u:explicit"))
	t.Setenv("REGISTRY_AUTH_FILE", explicit)
	p = filesDefault(t, only)
	filesAsk{"r.io", "explicit"}.put(t, p)
	filesAsk{"s.io", ""}.put(t, p)
	if got, err := DefaultContainersPath(); err != nil || got != explicit {
		t.Errorf("login writes to %s, %v", got, err)
	}
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(home, "absent"))
	filesAsk{"r.io", ""}.put(t, filesDefault(t, only))
	filesAsk{"r.io", "explicit"}.put(t, filesDefault(t, &DefaultOptions{Sources: only.Sources, ContainersPath: explicit}))
}

// TestNewDefaultOrder: sources are asked in the order in which they are named,
// each file under the path that the options give, and a broken one is a
// remembered cause.
func TestNewDefaultOrder(t *testing.T) {
	filesHome(t)
	dir := t.TempDir()
	path := func(name string) string {
		return writeFile(t, filepath.Join(dir, name), auths("r.io", "u:"+name))
	}
	opts := DefaultOptions{DockerPath: path("docker"), HelmPath: path("helm"), ContainersPath: path("containers"), EnvironmentPrefix: "FILES_TEST"}
	t.Setenv("FILES_TEST_REGISTRY", "r.io")
	t.Setenv("FILES_TEST_USERNAME", "u")
	t.Setenv("FILES_TEST_PASSWORD", "environment")
	t.Setenv("DOCKER_AUTH_CONFIG", auths("r.io", "u:docker-auth-config"))
	order := DefaultSources()
	for len(order) > 0 {
		opts.Sources = order
		p := filesDefault(t, &opts)
		filesAsk{"r.io", string(order[0])}.put(t, p)
		filesAsk{"s.io", ""}.put(t, p)
		found, err := Explain(t.Context(), p, Resource{Host: "r.io"})
		if err != nil || len(found) != len(order) {
			t.Fatalf("%q: explained as %+v, %v", order, found, err)
		}
		for i, f := range found {
			if want := (map[bool]Outcome{true: OutcomeAnswers, false: OutcomeShadowed})[i == 0]; f.Outcome != want || f.Username != "u" || f.Kind != "password" {
				t.Errorf("%q: finding %d is %+v", order, i, f)
			}
		}
		order = order[1:]
	}
	slices.Reverse(opts.Sources)
	writeFile(t, opts.ContainersPath, "{")
	opts.Sources = []Source{SourceContainers, SourceHelm}
	p := filesDefault(t, &opts)
	filesAsk{"r.io", "helm"}.put(t, p)
	if _, err := p.Credential(t.Context(), Resource{Host: "s.io"}); !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), opts.ContainersPath) {
		t.Errorf("the broken file is forgotten: %v", err)
	}
	for name, bad := range map[string]DefaultOptions{
		"unknown source": {Sources: []Source{"vault"}},
		"doubled source": {Sources: []Source{SourceHelm, SourceDocker, SourceHelm}},
		"invalid policy": {Files: FileOptions{Plaintext: 7}, Sources: []Source{SourceEnvironment}},
	} {
		if _, err := NewDefault(&bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestEnvironmentCredential: a credential of the environment is for the host
// that it names, and for none without one.
func TestEnvironmentCredential(t *testing.T) {
	p := FromEnvironment("FILES_TEST")
	set := func(registry, user, secret, identity, token string) {
		for name, value := range map[string]string{"REGISTRY": registry, "USERNAME": user, "PASSWORD": secret, "IDENTITY_TOKEN": identity, "REGISTRY_TOKEN": token} {
			t.Setenv("FILES_TEST_"+name, value)
		}
	}
	for _, tc := range []struct {
		name                                    string
		registry, user, secret, identity, token string
		asked, kind                             string // "": none
		invalid                                 bool
	}{
		{"nothing", "", "", "", "", "", "r.io", "", false},
		{"password", "r.io", "u", "1", "", "", "r.io/a", "password", false},
		{"another host", "r.io", "u", "1", "", "", "s.io", "", false},
		{"path", "oci://r.io/team", "u", "1", "", "", "r.io/team/app", "password", false},
		{"outside of the path", "r.io/team", "u", "1", "", "", "r.io/teams", "", false},
		{"docker hub", "https://index.docker.io/v1/", "u", "1", "", "", "docker.io/library/a", "password", false},
		{"identity token", "r.io", "", "", "id", "", "r.io", "identity token", false},
		{"registry token", "r.io", "", "", "", "reg", "r.io", "registry token", false},
		{"host alone", "r.io", "", "", "", "", "r.io", "", false},
		{"no host", "", "u", canary, "", "", "r.io", "", true},
		{"token without a host", "", "", "", canary, "", "r.io", "", true},
		{"no user", "r.io", "", canary, "", "", "r.io", "", true},
		{"no user, another host", "r.io", "", canary, "", "", "s.io", "", false},
		{"no address", "u:" + canary + "@r.io", "u", canary, "", "", "r.io", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set(tc.registry, tc.user, tc.secret, tc.identity, tc.token)
			r := mustParse(t, tc.asked)
			c, err := p.Credential(t.Context(), r)
			if (err == nil) == (tc.kind == "") || err == nil && c.kind() != tc.kind || errors.Is(err, ErrConfigInvalid) != tc.invalid || err != nil && !tc.invalid && err != ErrNoCredential {
				t.Errorf("%q, %v", c.kind(), err)
			}
			found, eerr := Explain(context.Background(), p, r)
			if eerr != nil || len(found) != 1 || (found[0].Outcome == OutcomeAnswers) != (err == nil) || (found[0].Reason == "") != (err == nil) || found[0].Origin.Kind != "environment" {
				t.Errorf("explained as %+v, %v", found, eerr)
			}
			if err != nil {
				noCanary(t, "error", err.Error())
				noCanary(t, "reason", found[0].Reason)
			}
		})
	}
}
