package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGnuPG works with keys and signatures of gpg itself: exported keyrings,
// its keybox, a signature that gpg has made and one that it checks.
func TestGnuPG(t *testing.T) {
	t.Parallel()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal("gpg is not installed (Debian: gnupg)")
	}
	u := newUser(t)
	// Its agent's socket has a path of at most 107 bytes.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "GNUPGHOME="+home)
	t.Cleanup(func() {
		kill := exec.Command(filepath.Join(filepath.Dir(gpg), "gpgconf"), "--kill", "all") // after the test's context
		kill.Env = u.environment()
		if err := errors.Join(kill.Run(), os.RemoveAll(home)); err != nil {
			t.Error(err)
		}
	})
	run := func(args ...string) string {
		t.Helper()
		return u.start("", gpg, append([]string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", password}, args...)...).ok(t)
	}
	run("--quick-gen-key", "Gina <gina@example.com>", "rsa2048", "sign", "never")
	secring, pubring, armored := u.path("secring.gpg"), u.path("pubring.gpg"), u.path("keys.asc")
	run("--output", secring, "--export-secret-keys")
	run("--output", pubring, "--export")
	run("--output", armored, "--armor", "--export")
	passphrase := u.path("passphrase")
	writeFile(t, passphrase, []byte(password+"\n"))

	dir := chartDir(t, u.path("src"), "harbour", "1.0.0")
	archive := u.json("package", dir, "-d", u.dir("dist"), "--sign", "--key", "gina", "--keyring", secring, "--passphrase-file", passphrase).Path
	run("--verify", archive+".prov")
	reg := startRegistry(t, registryOptions{})
	ref := reg.ref("team/harbour:1.0.0")
	u.json("push", archive, ref)
	for name, keyring := range map[string]string{"binary": pubring, "armored": armored, "keybox": filepath.Join(home, "pubring.kbx"), "default": ""} {
		if out := u.portolan("pull", ref, "-d", u.dir(name), "--verify", "--keyring", keyring, "-o", "json").ok(t); !strings.Contains(out, "Gina <gina@example.com>") {
			t.Errorf("%s: %s", name, out)
		}
	}

	// The same text, signed by gpg.
	plain := u.path("plain")
	text, _, _ := strings.Cut(string(readFile(t, archive+".prov")), "\n-----BEGIN PGP SIGNATURE-----")
	_, text, _ = strings.Cut(text, "\n\n")
	writeFile(t, plain, []byte(strings.ReplaceAll(text, "\n- -", "\n-")))
	if err := os.Remove(archive + ".prov"); err != nil {
		t.Fatal(err)
	}
	run("--output", archive+".prov", "--clear-sign", plain)
	u.json("push", archive, ref, "--force")
	u.portolan("pull", ref, "-d", u.dir("by-gpg"), "--verify").ok(t)
	for _, helm := range helms {
		u.run(helm, "verify", archive, "--keyring", pubring)
	}
}
