package e2e_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

var regctl = &tool{name: "regctl", pkg: "github.com/regclient/regclient/cmd/regctl", version: "v0.11.7"}

// matrixTool is a program with a login of its own.
type matrixTool struct {
	login, logout func(u *user, host string) result
	reads, writes func(u *user, host, repository string) result
	ownFile       bool // its login goes to Helm's file, which only Helm and portolan read
	reader        bool // its login is nobody else's business: regctl writes a file of its own
}

// matrixTools are the programs that share logins, by name.
func matrixTools(t *testing.T, chart string) map[string]matrixTool {
	helm := func(p *tool) matrixTool {
		return matrixTool{
			login: func(u *user, host string) result {
				return u.start(password, p.binary(t), "registry", "login", host, "-u", userName, "--password-stdin", "--plain-http")
			},
			logout: func(u *user, host string) result { return u.start("", p.binary(t), "registry", "logout", host) },
			reads: func(u *user, host, repository string) result {
				return u.start("", p.binary(t), "pull", "oci://"+host+"/"+repository, "--version", "1.0.0", "--plain-http", "-d", u.path("tmp"))
			},
			writes: func(u *user, host, repository string) result {
				return u.start("", p.binary(t), "push", chart, "oci://"+host+"/"+repository, "--plain-http")
			},
			ownFile: true,
		}
	}
	return map[string]matrixTool{
		"helm3": helm(helm3),
		"helm4": helm(helm4),
		"crane": {
			login: func(u *user, host string) result {
				return u.start(password, crane.binary(t), "auth", "login", host, "-u", userName, "--password-stdin")
			},
			logout: func(u *user, host string) result { return u.start("", crane.binary(t), "auth", "logout", host) },
			reads: func(u *user, host, repository string) result {
				return u.start("", crane.binary(t), "manifest", host+"/"+repository+":1.0.0")
			},
			writes: func(u *user, host, repository string) result {
				return u.start("", crane.binary(t), "copy", host+"/alice/harbour:1.0.0", host+"/"+repository+":1.0.0")
			},
		},
		"oras": {
			login: func(u *user, host string) result {
				return u.start(password, oras.binary(t), "login", host, "-u", userName, "--password-stdin", "--plain-http")
			},
			logout: func(u *user, host string) result { return u.start("", oras.binary(t), "logout", host) },
			reads: func(u *user, host, repository string) result {
				return u.start("", oras.binary(t), "manifest", "fetch", "--plain-http", host+"/"+repository+":1.0.0")
			},
			writes: func(u *user, host, repository string) result {
				return u.start("", oras.binary(t), "copy", "--from-plain-http", "--to-plain-http", host+"/alice/harbour:1.0.0", host+"/"+repository+":1.0.0")
			},
		},
		"regctl": {
			reads: func(u *user, host, repository string) result {
				return u.start("", regctl.binary(t), "--host", "reg="+host+",tls=disabled", "manifest", "get", host+"/"+repository+":1.0.0")
			},
			writes: func(u *user, host, repository string) result {
				return u.start("", regctl.binary(t), "--host", "reg="+host+",tls=disabled", "image", "copy", host+"/alice/harbour:1.0.0", host+"/"+repository+":1.0.0")
			},
			reader: true,
		},
		"portolan": {
			login: func(u *user, host string) result {
				return u.portolanWith(password, "login", host, "-u", userName, "--password-stdin")
			},
			logout: func(u *user, host string) result { return u.portolan("logout", host) },
			reads: func(u *user, host, repository string) result {
				return u.portolan("pull", host+"/"+repository+":1.0.0", "-d", u.path("tmp"), "--cache", u.path("none"))
			},
			writes: func(u *user, host, repository string) result {
				return u.portolan("push", chart, host+"/"+repository)
			},
		},
	}
}

// matrixRegistry is a registry by the name localhost, as crane and Helm refuse
// a token server at another loopback address than the registry's own.
func matrixRegistry(t *testing.T, bearer bool) (reg *registryServer, host string) {
	t.Helper()
	opts := registryOptions{htpasswd: true}
	if bearer {
		s := startAuthService(t, authServiceOptions{name: "localhost"})
		s.admit(userName, userName+":"+password)
		opts = registryOptions{tokens: s.tokenServer}
	}
	reg = startRegistry(t, opts)
	_, port, _ := net.SplitHostPort(reg.host)
	return reg, "localhost:" + port
}

// TestLoginMatrix logs in with one program and then uses all of them, reading
// and writing, without another login; a logout with any of them ends it for all.
//
// Where Helm is told to use docker's file there is one login for everybody.
// Where it keeps its own, as it does if nobody says otherwise, portolan and
// both Helms find what is in it and in docker's; crane and oras read docker's alone.
func TestLoginMatrix(t *testing.T) {
	t.Parallel()
	for scheme, bearer := range map[string]bool{"basic": false, "bearer": true} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			_, host := matrixRegistry(t, bearer)
			c := smallChart(t, "harbour", "1.0.0")
			publisher := newUser(t)
			publisher.login(host)
			publisher.json("push", c.path, host+"/alice/harbour")
			tools := matrixTools(t, c.path)
			for name, first := range tools {
				if first.reader {
					continue
				}
				t.Run(name+" in one file", func(t *testing.T) {
					t.Parallel()
					u := newUser(t)
					u.env = append(u.env, "HELM_REGISTRY_CONFIG="+u.dockerFile())
					matrixNobody(t, u, tools, host)
					first.login(u, host).ok(t)
					for by, other := range tools {
						other.reads(u, host, "alice/harbour").ok(t)
						matrixWrites(t, u, other, by, host, name)
					}
					for by, other := range tools {
						if other.reader {
							continue
						}
						other.logout(u, host).ok(t)
						if by == name { // the others' are tried below, by one reader
							matrixNobody(t, u, tools, host)
						}
						if r := u.portolan("resolve", host+"/alice/harbour:1.0.0"); r.code != exitDenied {
							t.Errorf("portolan reads after the logout with %s: %d %s", by, r.code, r.stderr)
						}
						first.login(u, host).ok(t)
					}
				})
				t.Run(name+" in two files", func(t *testing.T) {
					t.Parallel()
					u := newUser(t)
					first.login(u, host).ok(t)
					for by, other := range tools {
						r := other.reads(u, host, "alice/harbour")
						finds := !first.ownFile || other.ownFile || by == "portolan"
						if finds != (r.code == 0) {
							t.Errorf("%s: exit status %d: %s%s", by, r.code, r.stdout, r.stderr)
						}
					}
					if first.ownFile {
						r := u.portolan("logout", host)
						r.ok(t)
						if !strings.Contains(r.stderr, u.path("helm", "registry.json")) {
							t.Errorf("logout does not say that Helm's file still has a login: %s%s", r.stdout, r.stderr)
						}
					}
					first.logout(u, host).ok(t)
					matrixNobody(t, u, tools, host)
				})
			}
		})
	}
}

// matrixWrites pushes into a repository of its own, and sees that it is there.
func matrixWrites(t *testing.T, u *user, p matrixTool, by, host, first string) {
	t.Helper()
	repository := fmt.Sprintf("alice/%s-for-%s/harbour", by, first)
	if p.ownFile {
		p.writes(u, host, strings.TrimSuffix(repository, "/harbour")).ok(t)
	} else {
		p.writes(u, host, repository).ok(t)
	}
	u.portolan("resolve", host+"/"+repository+":1.0.0").ok(t)
}

// matrixNobody sees that no program reads.
func matrixNobody(t *testing.T, u *user, tools map[string]matrixTool, host string) {
	t.Helper()
	var readers []string
	for name, p := range tools {
		if p.reads(u, host, "alice/harbour").code == 0 {
			readers = append(readers, name)
		}
	}
	if slices.Sort(readers); len(readers) > 0 {
		t.Errorf("without a login these read: %q", readers)
	}
}

// TestLoginIdentityToken keeps an identity token in the form that all of them
// read: each exchanges it for tokens by OAuth 2, where a password would be
// sent by GET.
func TestLoginIdentityToken(t *testing.T) {
	t.Parallel()
	s := startAuthService(t, authServiceOptions{name: "localhost"})
	const token = "identity-canary-91f3"
	s.admit(userName, token)
	reg := startRegistry(t, registryOptions{tokens: s.tokenServer})
	_, port, _ := net.SplitHostPort(reg.host)
	host := "localhost:" + port
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	u.portolanWith(token, "login", host, "--identity-token-stdin").ok(t)
	u.json("push", c.path, host+"/alice/harbour")
	for by, p := range matrixTools(t, c.path) {
		p.reads(u, host, "alice/harbour").ok(t)
		matrixWrites(t, u, p, by, host, "token")
	}
	s.revoke(token)
	r := u.portolan("pull", host+"/alice/harbour:1.0.0", "-d", u.path("tmp"))
	r.fails(t, exitDenied, host, "identity token")
	if strings.Contains(r.stderr, "canary") {
		t.Errorf("the token is in the error: %s", r.stderr)
	}
}
