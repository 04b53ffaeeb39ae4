package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// guarded is a registry that wants a login, with one chart in it.
func guarded(t *testing.T, opts registryOptions) (*registryServer, chartFile, string) {
	t.Helper()
	reg := startRegistry(t, opts)
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	u := newUser(t)
	u.writeDockerConfig(reg.host)
	u.json("push", c.path, ref)
	return reg, c, ref
}

// writeDockerConfig does what docker login does without a helper.
func (u *user) writeDockerConfig(host string) {
	u.t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(userName + ":" + password))
	writeFile(u.t, u.dockerFile(), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth))
}

// login logs the user in with portolan.
func (u *user) login(host string) {
	u.t.Helper()
	u.portolanWith(password+"\n", "login", host, "-u", userName, "--password-stdin").ok(u.t)
}

func (u *user) pulls(ref string, want chartFile) {
	u.t.Helper()
	out := u.json("pull", ref, "-d", u.dir("got"))
	if !bytes.Equal(readFile(u.t, out.Path), want.data) {
		u.t.Errorf("pull of %s: other bytes", ref)
	}
}

// TestLoginOfOthers shows that a login with another program is enough.
func TestLoginOfOthers(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]registryOptions{
		"basic": {htpasswd: true}, "bearer": {tokens: startTokenServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, c, ref := guarded(t, opts)
			newUser(t).portolan("pull", ref).fails(t, exitDenied, reg.host)
			for name, helm := range helms {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					u := newUser(t)
					u.start(password, helm.binary(t), "registry", "login", reg.host, "-u", userName, "--password-stdin", "--plain-http").ok(t)
					u.pulls(ref, c)
				})
			}
			t.Run("oras", func(t *testing.T) {
				t.Parallel()
				u := newUser(t)
				u.start(password, oras.binary(t), "login", reg.host, "-u", userName, "--password-stdin", "--plain-http").ok(t)
				u.pulls(ref, c)
			})
			t.Run("docker config", func(t *testing.T) {
				t.Parallel()
				u := newUser(t)
				u.writeDockerConfig(reg.host)
				u.pulls(ref, c)
			})
		})
	}
}

// TestLogin shows that a login with portolan is enough for everybody else,
// until the logout.
func TestLogin(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]registryOptions{
		"basic": {htpasswd: true}, "bearer": {tokens: startTokenServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, c, ref := guarded(t, opts)
			u := newUser(t)
			u.login(reg.host)
			u.pulls(ref, c)
			for _, helm := range helms {
				u.run(helm, "pull", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--plain-http", "-d", u.dir("tmp"))
			}
			if opts.tokens == nil { // crane refuses token servers at a loopback literal
				u.run(crane, "manifest", ref)
			}
			u.run(oras, "manifest", "fetch", "--plain-http", ref)

			u.portolan("logout", reg.host).ok(t)
			u.portolan("pull", ref, "-d", u.dir("after")).fails(t, exitDenied, reg.host)
			if r := u.start("", oras.binary(t), "manifest", "fetch", "--plain-http", ref); r.code == 0 {
				t.Error("oras still reads after portolan logout")
			}
			if left := string(readFile(t, u.dockerFile())); strings.Contains(left, reg.host) {
				t.Errorf("logout has left in docker's config.json: %s", left)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]registryOptions{
		"basic": {htpasswd: true}, "bearer": {tokens: startTokenServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := startRegistry(t, opts)
			const wrong = "canary-7c1f"
			u := newUser(t)
			r := u.portolanWith(wrong, "login", reg.host, "-u", userName, "--password-stdin")
			r.fails(t, exitDenied, reg.host)
			if strings.Contains(r.stderr, wrong) {
				t.Errorf("the password is in the error: %s", r.stderr)
			}
			if files := listFiles(t, u.path("docker")); len(files) > 0 && strings.Contains(string(readFile(t, u.dockerFile())), reg.host) {
				t.Error("a wrong password was stored")
			}

			// A stored one that is wrong by now: the error names who and where.
			auth := base64.StdEncoding.EncodeToString([]byte(userName + ":" + wrong))
			writeFile(t, u.dockerFile(), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, reg.host, auth))
			r = u.portolan("pull", reg.ref("team/harbour:1.0.0"))
			r.fails(t, exitDenied, reg.host, userName)
			if strings.Contains(r.stderr, wrong) || strings.Contains(r.stderr, auth) {
				t.Errorf("the password is in the error: %s", r.stderr)
			}
		})
	}
}

// TestMissingHelper: a configured credential helper that is not installed does
// not stand in the way of what is public, and is named where a login is needed.
func TestMissingHelper(t *testing.T) {
	t.Parallel()
	open := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	newUser(t).json("push", c.path, open.ref("team/harbour:1.0.0"))
	u := newUser(t)
	writeFile(t, u.dockerFile(), []byte(`{"credsStore":"not-installed"}`))
	u.pulls(open.ref("team/harbour:1.0.0"), c)

	closed := startRegistry(t, registryOptions{htpasswd: true})
	u.portolan("pull", closed.ref("team/harbour:1.0.0")).fails(t, exitDenied, closed.host, "docker-credential-not-installed")
}

// TestBearerSession counts what a session of pushes and pulls asks of the
// token server: a token serves both the manifest and its blobs.
func TestBearerSession(t *testing.T) {
	t.Parallel()
	tokens := startTokenServer(t)
	reg, c, ref := guarded(t, registryOptions{tokens: tokens})
	u := newUser(t)
	u.writeDockerConfig(reg.host)
	before := tokens.issued.Load()
	u.pulls(ref, c)
	if n := tokens.issued.Load() - before; n != 1 {
		t.Errorf("a pull has asked for %d tokens, want 1", n)
	}
	before = tokens.issued.Load()
	other := smallChart(t, "breakwater", "2.0.0")
	u.json("push", other.path, reg.ref("team/breakwater:2.0.0"))
	if n := tokens.issued.Load() - before; n != 1 {
		t.Errorf("a push has asked for %d tokens, want 1", n)
	}
	// Others hold no key to this registry.
	if resp, err := http.Get("http://" + reg.host + "/v2/team/harbour/manifests/1.0.0"); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token the registry answers %s", resp.Status)
	}
}
