package e2e_test

import (
	"bytes"
	"strings"
	"testing"
)

// TestTLS reaches a registry whose authority nobody knows, in the two ways
// that users have, and fails without them.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{ca: ca})
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	newUser(t).json("push", c.path, ref, "--ca-file", ca.file)

	for name, args := range map[string][]string{
		"authority":          {"--ca-file", ca.file},
		"authority for host": {"--ca-file", reg.host + "=" + ca.file},
		"no verification":    {"--insecure-skip-tls-verify"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.portolan(append([]string{"pull", ref}, args...)...).ok(t)
			if files := listFiles(t, u.path("work")); len(files) != 1 {
				t.Errorf("pull has written %q", files)
			}
		})
	}
	t.Run("helm reads it", func(t *testing.T) {
		t.Parallel()
		newUser(t).run(helm4, "pull", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--ca-file", ca.file)
	})
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		// A host with TLS settings of any kind is spoken to over HTTPS alone.
		u.portolan("pull", ref, "--ca-file", newAuthority(t).file).fails(t, exitUnreachable, "certificate")
		u.leavesNothing()
	})
	t.Run("plain HTTP to a TLS port", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		u.portolan("pull", ref, "--plain-http").fails(t, exitUnreachable, reg.host, "speaks TLS")
		u.leavesNothing()
	})
}

// TestNoFallbackToHTTP asks for TLS where none is spoken: the chart that is
// there over HTTP must not come.
func TestNoFallbackToHTTP(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	newUser(t).json("push", c.path, ref)
	for _, flag := range [][]string{{"--ca-file", newAuthority(t).file}, {"--insecure-skip-tls-verify"}} {
		u := newUser(t)
		r := u.portolan(append([]string{"pull", ref}, flag...)...)
		if strings.HasPrefix(r.stderr, "level=WARN") { // who is not verified is warned of
			_, r.stderr, _ = strings.Cut(r.stderr, "\n")
		}
		r.fails(t, exitUnreachable, reg.host)
		u.leavesNothing()
	}
}

// TestClientCertificate reaches a registry that knows its users by their
// certificates alone.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{ca: ca, mutual: true})
	c := smallChart(t, "harbour", "1.0.0")
	ref := reg.ref("team/harbour:1.0.0")
	cert, key := ca.clientFiles(t)
	u := newUser(t)
	u.json("push", c.path, ref, "--ca-file", ca.file, "--cert-file", cert, "--key-file", key)
	for _, at := range []string{"", reg.host + "="} {
		got := newUser(t).json("pull", ref, "--ca-file", at+ca.file, "--cert-file", at+cert, "--key-file", at+key)
		if !bytes.Equal(readFile(t, got.Path), c.data) {
			t.Errorf("other bytes came with %q before the files", at)
		}
	}
	u.run(helm4, "pull", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--ca-file", ca.file, "--cert-file", cert, "--key-file", key)
	// TLS 1.3 refuses after the handshake: what the client sees of it varies.
	newUser(t).portolan("pull", ref, "--ca-file", ca.file).fails(t, exitDenied, reg.host, "client certificate")
}
