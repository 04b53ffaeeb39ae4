package e2e_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// passPath is PATH with the programs of pass before the others. They lie in a
// directory of their own, E2E_PASS: where helm finds them it uses them, which
// is not what the other tests are about.
func passPath(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("E2E_PASS")
	if dir == "" {
		const missing = "E2E_PASS does not name a directory with pass, docker-credential-pass and tree; Debian's packages pass, golang-docker-credential-helpers and tree have them"
		if os.Getenv("CI") != "" {
			t.Fatal(missing) // .ci/run unpacks them
		}
		t.Skip("NOT TRIED: " + missing)
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// newPassUser is a user who keeps passwords with pass, under a key of gpg's
// without a passphrase.
func newPassUser(t *testing.T) *user {
	t.Helper()
	path := passPath(t)
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
	u.env = append(u.env, "PATH="+path, "GNUPGHOME="+home, "PASSWORD_STORE_DIR="+u.path("store"))
	t.Cleanup(func() {
		kill := exec.Command(filepath.Join(filepath.Dir(gpg), "gpgconf"), "--kill", "all") // after the test's context
		kill.Env = u.environment()
		if err := errors.Join(kill.Run(), os.RemoveAll(home)); err != nil {
			t.Error(err)
		}
	})
	u.start("", gpg, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Paula <paula@example.com>", "future-default", "default", "never").ok(t)
	u.passRun("pass", "init", "paula@example.com")
	return u
}

// passRun runs one of the programs of pass.
func (u *user) passRun(name string, args ...string) string {
	u.t.Helper()
	return u.start("", filepath.Join(os.Getenv("E2E_PASS"), name), args...).ok(u.t)
}

// passReaders are who shall be able to read, each by itself.
func (u *user) passReaders(reg *registryServer) map[string]func() result {
	readers := map[string]func() result{
		"portolan": func() result {
			return u.portolan("pull", reg.ref("team/harbour:1.0.0"), "-d", u.dir("got"))
		},
		"crane": func() result {
			return u.start("", crane.binary(u.t), "manifest", "--insecure", reg.ref("team/harbour:1.0.0"))
		},
	}
	for name, helm := range helms {
		readers[name] = func() result {
			return u.start("", helm.binary(u.t), "pull", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--plain-http", "-d", u.dir("tmp"))
		}
	}
	return readers
}

// passCheck looks whether everybody reads, or nobody.
func (u *user) passCheck(reg *registryServer, after string, reads bool) {
	u.t.Helper()
	for name, read := range u.passReaders(reg) {
		r := read()
		if (r.code == 0) != reads || name == "portolan" && !reads && r.code != exitDenied {
			u.t.Errorf("after %s, %s: exit status %d\n%s%s", after, name, r.code, r.stdout, r.stderr)
		}
	}
	u.passKeepsSecret(after)
	kept := strings.TrimSpace(u.passRun("docker-credential-pass", "list"))
	if strings.Contains(kept, reg.host) != reads {
		u.t.Errorf("after %s pass keeps %s", after, kept)
	}
}

// passKeepsSecret looks through every file of the user for the password in
// readable form.
func (u *user) passKeepsSecret(after string) {
	u.t.Helper()
	plain := [][]byte{[]byte(password), []byte(base64.StdEncoding.EncodeToString([]byte(userName + ":" + password)))}
	seen := 0
	err := filepath.WalkDir(u.home, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		seen++
		data := readFile(u.t, name)
		for _, secret := range plain {
			if bytes.Contains(data, secret) {
				u.t.Errorf("after %s the password is in %s", after, name)
			}
		}
		return nil
	})
	if err != nil || seen < 2 {
		u.t.Errorf("looked through %d files, %v", seen, err)
	}
}

// TestPassHelper: whoever logs in, with pass as the credential helper, has
// logged in everybody else, and whoever logs out has logged them out. No file
// holds the password.
func TestPassHelper(t *testing.T) {
	t.Parallel()
	reg, _, _ := guarded(t, registryOptions{htpasswd: true})
	type session struct{ in, out func(*user) result }
	sessions := map[string]session{
		"portolan": {
			func(u *user) result {
				return u.portolanWith(password+"\n", "login", reg.host, "-u", userName, "--password-stdin")
			},
			func(u *user) result { return u.portolan("logout", reg.host) },
		},
		"crane": {
			func(u *user) result {
				return u.start(password, crane.binary(u.t), "auth", "login", reg.host, "-u", userName, "--password-stdin")
			},
			func(u *user) result { return u.start("", crane.binary(u.t), "auth", "logout", reg.host) },
		},
	}
	for name, helm := range helms {
		sessions[name] = session{
			func(u *user) result {
				return u.start(password, helm.binary(u.t), "registry", "login", reg.host, "-u", userName, "--password-stdin", "--plain-http")
			},
			func(u *user) result { return u.start("", helm.binary(u.t), "registry", "logout", reg.host) },
		}
	}
	for name, who := range sessions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newPassUser(t)
			writeFile(t, u.dockerFile(), []byte(`{"credsStore":"pass"}`))
			u.passCheck(reg, "nothing", false)
			who.in(u).ok(t)
			u.passCheck(reg, "the login with "+name, true)
			if name != "portolan" {
				u.portolan("logout", reg.host).ok(t)
				u.passCheck(reg, "portolan logout", false)
				who.in(u).ok(t)
			}
			who.out(u).ok(t)
			u.passCheck(reg, "the logout with "+name, false)
		})
	}
}

// TestPassHelperOfHelm: helm picks pass by itself where nothing is configured,
// and portolan finds its login by way of Helm's file alone.
func TestPassHelperOfHelm(t *testing.T) {
	t.Parallel()
	reg, c, ref := guarded(t, registryOptions{htpasswd: true})
	for name, helm := range helms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newPassUser(t)
			u.start(password, helm.binary(t), "registry", "login", reg.host, "-u", userName, "--password-stdin", "--plain-http").ok(t)
			if file := string(readFile(t, u.path("helm", "registry.json"))); !strings.Contains(file, `"credsStore": "pass"`) {
				t.Errorf("helm has not taken pass, so that this test shows nothing: %s", file)
			}
			u.pulls(ref, c)
			u.passKeepsSecret("the login with " + name)
			u.run(helm, "registry", "logout", reg.host)
			u.portolan("pull", ref, "-d", u.dir("after")).fails(t, exitDenied, reg.host)
		})
	}
}
