package e2e_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// TestSourcesOfOthers uses what others have left for a registry with a token
// service, each in the place and in the shape that it documents, and no login:
// podman's auth.json, what CI systems set, and credentials of the environment.
func TestSourcesOfOthers(t *testing.T) {
	t.Parallel()
	service := startAuthService(t, authServiceOptions{})
	service.admit("alice", "alice:"+password)
	service.admit("bob", "bob:"+password)
	reg := startRegistry(t, registryOptions{tokens: service.tokenServer})
	c := smallChart(t, "harbour", "1.0.0")
	alice, bob := sourcesAuth("alice"), sourcesAuth("bob")
	whole := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.host, alice)

	for name, tc := range map[string]struct {
		files map[string]string
		env   func(u *user) []string
	}{
		"podman: REGISTRY_AUTH_FILE": {
			map[string]string{"any/name.json": whole},
			func(u *user) []string { return []string{"REGISTRY_AUTH_FILE=" + u.path("any", "name.json")} },
		},
		"podman: XDG_RUNTIME_DIR": {
			map[string]string{"run/containers/auth.json": whole},
			func(u *user) []string { return []string{"DOCKER_CONFIG=", "XDG_RUNTIME_DIR=" + u.path("run")} },
		},
		"podman: XDG_CONFIG_HOME": {
			map[string]string{"xdg/containers/auth.json": whole},
			func(u *user) []string {
				return []string{"DOCKER_CONFIG=", "XDG_RUNTIME_DIR=" + u.path("run"), "XDG_CONFIG_HOME=" + u.path("xdg")}
			},
		},
		"podman: a namespace": {
			map[string]string{"any/name.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`, reg.host+"/alice", alice, reg.host, bob)},
			func(u *user) []string { return []string{"REGISTRY_AUTH_FILE=" + u.path("any", "name.json")} },
		},
		"docker: an older file of Helm's beside it": {
			map[string]string{"docker/config.json": whole, "helm/registry.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.host, bob)},
			func(*user) []string { return nil },
		},
		"docker: DOCKER_AUTH_CONFIG before the file": {
			map[string]string{"docker/config.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.host, bob)},
			func(*user) []string { return []string{"DOCKER_AUTH_CONFIG=" + whole} },
		},
		"environment": {
			nil,
			func(*user) []string {
				return []string{"PORTOLAN_REGISTRY=" + reg.host, "PORTOLAN_USERNAME=alice", "PORTOLAN_PASSWORD=" + password}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			for file, content := range tc.files {
				writeFile(t, u.path(file), []byte(content))
			}
			u.env = append(u.env, tc.env(u)...)
			ref := reg.ref("alice/%s", strings.ToLower(strings.Map(func(c rune) rune {
				if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
					return c
				}
				return -1
			}, name)))
			u.json("push", c.path, ref)
			u.pulls(ref+":1.0.0", c)
		})
	}
}

func sourcesAuth(user string) string {
	return outliveSecret{user: user, password: password}.entry()["auth"]
}

// TestSourcesForNamespaces has two credentials for one host, as podman's file
// and Helm's can: each repository gets its own, and a copy from the one to the
// other needs both.
func TestSourcesForNamespaces(t *testing.T) {
	t.Parallel()
	service := startAuthService(t, authServiceOptions{})
	service.admit("alice", "alice:"+password)
	service.admit("bob", "bob:"+password)
	reg := startRegistry(t, registryOptions{tokens: service.tokenServer})
	c := smallChart(t, "harbour", "1.0.0")
	auths := fmt.Sprintf(`{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`,
		reg.host+"/alice", sourcesAuth("alice"), reg.host+"/bob", sourcesAuth("bob"))
	for name, file := range map[string]string{"podman": "podman.json", "helm": "helm/registry.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			writeFile(t, u.path(file), []byte(auths))
			if name == "podman" {
				u.env = append(u.env, "REGISTRY_AUTH_FILE="+u.path(file))
			}
			from, to := reg.ref("alice/%s/harbour", name), reg.ref("bob/%s/harbour", name)
			u.json("push", c.path, from)
			u.copy(from+":1.0.0", to)
			u.pulls(to+":1.0.0", c)
			// Nobody is there for the rest of the host, as "alicia" is not alice.
			for _, other := range []string{"carol/harbour", "alicia/harbour"} {
				u.portolan("push", c.path, reg.ref("%s", other)).fails(t, exitDenied, "log in to "+reg.host)
			}
		})
	}
}

// TestSourcesAreSeen has a login that another source hides, and a logout that
// leaves one: both say so.
func TestSourcesAreSeen(t *testing.T) {
	t.Parallel()
	_, host := matrixRegistry(t, false)
	u := newUser(t)
	_, port, _ := net.SplitHostPort(host)
	u.env = append(u.env, "DOCKER_AUTH_CONFIG="+fmt.Sprintf(`{"auths":{"localhost:%s":{"auth":%q}}}`, port, sourcesAuth(userName)))
	u.login(host)
	r := u.portolan("logout", host)
	if r.ok(t); !slices.ContainsFunc(strings.Split(r.stderr, "\n"), func(line string) bool {
		return strings.Contains(line, "DOCKER_AUTH_CONFIG") && strings.Contains(line, host)
	}) {
		t.Errorf("logout does not say who would still answer: %s", r.stderr)
	}
	u.portolan("versions", host+"/alice/harbour").fails(t, exitNotFound, "harbour")
}
