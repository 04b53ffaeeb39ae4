package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elsewhere is a registry that knows its users by client certificates and by
// the tokens of a service on another private host: 127.0.0.2 stands for that,
// with a port and an authority of its own. An address serves as well as a name
// to show what is shown here, since the rules are about origins and about the
// addresses that are dialled; no name but localhost leads to loopback
// everywhere.
type elsewhere struct {
	service      *authService
	reg          *registryServer
	ours, theirs *authority
	chart        chartFile
}

func startElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{ours: newAuthority(t), theirs: newAuthority(t)}
	e.service = startAuthService(t, authServiceOptions{address: "127.0.0.2", ca: e.theirs})
	e.service.admit(userName, userName+":"+password)
	e.reg = startRegistry(t, registryOptions{ca: e.ours, mutual: true, tokens: e.service.tokenServer})
	e.chart = smallChart(t, "harbour", "1.0.0")
	return e
}

// user has a certificate for the registry, and knows the authorities of both.
func (e *elsewhere) user(t *testing.T) *user {
	t.Helper()
	u := newUser(t)
	cert, key := e.ours.clientFiles(t)
	certs := u.path("docker", "certs.d")
	for from, to := range map[string]string{
		e.ours.file:   filepath.Join(e.reg.host, "ca.crt"),
		cert:          filepath.Join(e.reg.host, "client.cert"),
		key:           filepath.Join(e.reg.host, "client.key"),
		e.theirs.file: filepath.Join(e.service.host(), "ca.crt"),
	} {
		writeFile(t, filepath.Join(certs, to), readFile(t, from))
	}
	return u
}

// TestTokensElsewhere logs in, pushes and pulls where the token service is on
// another private host: each host has its own authority, and what is for the
// registry, certificate and header, does not come there.
//
// Helm 3.22 and 4.3, oras 1.3 and crane 0.22 do not get this far. They refuse a
// token service at any private address but the registry's own; here it may be
// private where the registry is (oras-go#1246, go-containerregistry#2258).
func TestTokensElsewhere(t *testing.T) {
	t.Parallel()
	e := startElsewhere(t)
	u := e.user(t)
	header := []string{"--header", e.reg.host + "=X-Tenant: canary"}
	u.start(password, mustPortolan(t), append([]string{"login", e.reg.host, "-u", userName, "--password-stdin"}, header...)...).ok(t)
	ref := e.reg.ref("alice/harbour")
	u.json(append([]string{"push", e.chart.path, ref}, header...)...)
	u.pulls(ref+":1.0.0", e.chart)
	u.portolan(append([]string{"versions", ref}, header...)...).ok(t)
	u.copy(ref+":1.0.0", e.reg.ref("alice/copied/"))

	notes := e.service.heard()
	if len(notes) == 0 {
		t.Error("nobody has asked for a token")
	}
	for _, n := range notes {
		if n.certificate || n.tenant != "" {
			t.Errorf("the token service was sent what is for the registry: %+v", n)
		}
	}

	// Another's repository: the service gives a token that is good for nothing.
	u.portolan("pull", e.reg.ref("bob/harbour:1.0.0")).fails(t, exitDenied, e.reg.host)
	u.portolan("push", e.chart.path, e.reg.ref("bob/harbour")).fails(t, exitDenied, e.reg.host)
}

// TestTokensElsewhereUnknown has the token service's authority, or the
// client's certificate, unknown: what is known of the registry does not help
// for the service, and is not used for it.
func TestTokensElsewhereUnknown(t *testing.T) {
	t.Parallel()
	e := startElsewhere(t)
	u := e.user(t)
	u.login(e.reg.host)
	ref := e.reg.ref("alice/harbour:1.0.0")
	u.json("push", e.chart.path, ref)

	remove(t, u.path("docker", "certs.d", e.service.host()), "ca.crt")
	u.portolan("pull", ref).fails(t, exitUnreachable, e.service.host(), "certificate")
	cert, key := e.ours.clientFiles(t)
	r := u.portolan("pull", ref, "--insecure-skip-tls-verify", "--cert-file", cert, "--key-file", key)
	if r.code != exitUnreachable || !strings.Contains(r.stderr, e.service.host()) || !strings.Contains(r.stderr, "unknown authority") {
		t.Errorf("%s: %d %s", r.line, r.code, r.stderr) // it warns before, so there is more than one line
	}
	u.portolan("pull", ref, "--ca-file", e.service.host()+"="+e.theirs.file, "-d", u.dir("tmp")).ok(t)
}

// TestTokensInPlainHTTP refuses to take tokens, and to send passwords, in plain
// HTTP for a registry that speaks TLS, where both are at loopback too.
func TestTokensInPlainHTTP(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, opts := range map[string]authServiceOptions{"same host": {}, "another host": {address: "127.0.0.2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startAuthService(t, opts)
			s.admit(userName, userName+":"+password)
			reg := startRegistry(t, registryOptions{ca: ca, tokens: s.tokenServer})
			u := newUser(t)
			writeFile(t, u.path("docker", "certs.d", reg.host, "ca.crt"), readFile(t, ca.file))
			r := u.portolanWith(password, "login", reg.host, "-u", userName, "--password-stdin")
			if r.code == 0 || !strings.Contains(r.stderr, "plain http") {
				t.Errorf("login: %d %s", r.code, r.stderr)
			}
			u.writeDockerConfig(reg.host)
			if r := u.portolan("pull", reg.ref("alice/harbour:1.0.0")); r.code == 0 || !strings.Contains(r.stderr, "plain http") {
				t.Errorf("pull: %d %s", r.code, r.stderr)
			}
			if notes := s.heard(); len(notes) > 0 {
				t.Errorf("the service was asked: %+v", notes)
			}
		})
	}
}

// TestCertificateAlone uses a registry that knows its users by certificates
// and asks for nothing else: no login is needed, one is a check, and nothing is
// kept of it.
func TestCertificateAlone(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{ca: ca, mutual: true})
	cert, key := ca.clientFiles(t)
	flags := []string{"--ca-file", ca.file, "--cert-file", cert, "--key-file", key}
	u := newUser(t)
	c := smallChart(t, "harbour", "1.0.0")
	u.json(append([]string{"push", c.path, reg.ref("team/harbour")}, flags...)...)
	got := u.json(append([]string{"pull", reg.ref("team/harbour:1.0.0"), "-d", u.dir("got")}, flags...)...)
	if sum(readFile(t, got.Path)) != sum(c.data) {
		t.Error("other bytes came")
	}
	u.json(append([]string{"copy", reg.ref("team/harbour:1.0.0"), reg.ref("copied/")}, flags...)...)

	var login struct {
		Verified bool
		Stored   string
	}
	out := u.portolan(append([]string{"login", reg.host, "-o", "json"}, flags...)...).ok(t)
	if err := json.Unmarshal([]byte(out), &login); err != nil || !login.Verified || login.Stored != "" {
		t.Errorf("%v: %s", err, out)
	}
	if files := listFiles(t, u.path("docker")); slices.Contains(files, "config.json") {
		t.Errorf("something was stored: %s", readFile(t, u.dockerFile()))
	}
	// A password that nobody asked for is not taken for good.
	r := u.start(password, mustPortolan(t), append([]string{"login", reg.host, "-u", userName, "--password-stdin"}, flags...)...)
	if r.ok(t); !strings.Contains(r.stderr, "did not ask") {
		t.Errorf("login does not say that nothing was checked: %s", r.stderr)
	}
}
