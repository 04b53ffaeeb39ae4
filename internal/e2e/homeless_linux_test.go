package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// homelessUser has a number and no name, as in many containers: what the
// system knows of the user does not lead to a home directory.
const homelessUser = 54321

// homeless runs portolan with this environment and no other, as homelessUser
// where the test may choose that, with a work directory that can be written.
type homeless struct {
	t   *testing.T
	bin string
	dir string
	env []string
}

func newHomeless(t *testing.T, env ...string) *homeless {
	t.Helper()
	dir, err := os.MkdirTemp("", "homeless-*") // which others may enter, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &homeless{t: t, dir: dir, bin: filepath.Join(dir, "portolan"), env: append(env, "PATH="+os.Getenv("PATH"), "TMPDIR="+filepath.Join(dir, "tmp"))}
	writeFile(t, h.bin, readFile(t, mustPortolan(t)))
	for name, mode := range map[string]os.FileMode{dir: 0o755, h.bin: 0o755, h.mkdir("work"): 0o777, h.mkdir("tmp"): 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// mkdir makes a directory that the user may read and not write.
func (h *homeless) mkdir(name string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(path, 0o555); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *homeless) portolan(stdin string, args ...string) result {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), h.bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = filepath.Join(h.dir, "work"), h.env, strings.NewReader(stdin)
	if os.Getuid() == 0 { // for whom nothing is read-only
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: homelessUser, Gid: homelessUser}}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return result{line: "portolan " + strings.Join(args, " "), stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
}

// TestHomeless has no place for what a user keeps: no home, one that cannot be
// written, one whose docker directory is empty. What is public is pulled as
// ever; a login says what is missing and what to do.
func TestHomeless(t *testing.T) {
	t.Parallel()
	open := startRegistry(t, registryOptions{})
	closed := startRegistry(t, registryOptions{htpasswd: true})
	c := smallChart(t, "harbour", "1.0.0")
	newUser(t).json("push", c.path, open.ref("team/harbour"))

	for name, tc := range map[string]struct {
		env   func(h *homeless) []string
		words []string // of the failure to log in
		named bool     // only who has no name has no home
	}{
		"no HOME":              {func(*homeless) []string { return nil }, []string{"DOCKER_CONFIG"}, true},
		"empty HOME":           {func(*homeless) []string { return []string{"HOME="} }, []string{"DOCKER_CONFIG"}, true},
		"HOME not there":       {func(*homeless) []string { return []string{"HOME=/nonexistent"} }, []string{"/nonexistent", "DOCKER_CONFIG"}, false},
		"HOME is read-only":    {func(h *homeless) []string { return []string{"HOME=" + h.mkdir("home")} }, []string{".docker", "DOCKER_CONFIG"}, false},
		"DOCKER_CONFIG is too": {func(h *homeless) []string { return []string{"DOCKER_CONFIG=" + h.mkdir("docker")} }, []string{"docker", "DOCKER_CONFIG"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.named && os.Getuid() != 0 {
				t.Skip("only root may run a program as somebody without a name")
			}
			h := newHomeless(t)
			h.env = append(h.env, tc.env(h)...)
			h.portolan("", "pull", open.ref("team/harbour:1.0.0")).ok(t)
			got := filepath.Join(h.dir, "work", filepath.Base(c.path))
			if !bytes.Equal(readFile(t, got), c.data) {
				t.Error("other bytes came")
			}
			if r := h.portolan("", "pull", closed.ref("team/harbour:1.0.0")); r.code != exitDenied || !strings.Contains(r.stderr, "log in to "+closed.host) {
				t.Errorf("%s: %d %s", r.line, r.code, r.stderr)
			}

			r := h.portolan(password, "login", closed.host, "-u", userName, "--password-stdin")
			if r.code == 0 {
				t.Errorf("login says it has worked: %s%s", r.stdout, r.stderr)
			}
			for _, word := range tc.words {
				if !strings.Contains(r.stderr, word) {
					t.Errorf("login does not say %q: %s", word, r.stderr)
				}
			}
			if strings.Contains(r.stderr, password) {
				t.Errorf("the password is in the error: %s", r.stderr)
			}
			// What it says to do helps.
			if err := os.Mkdir(filepath.Join(h.dir, "work", "docker"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(h.dir, "work", "docker"), 0o777); err != nil {
				t.Fatal(err)
			}
			h.env = append(h.env, "DOCKER_CONFIG="+filepath.Join(h.dir, "work", "docker"))
			h.portolan(password, "login", closed.host, "-u", userName, "--password-stdin").ok(t)
			if r := h.portolan("", "versions", closed.ref("team/harbour")); r.code != exitNotFound {
				t.Errorf("%s: %d %s", r.line, r.code, r.stderr)
			}
		})
	}
}

// TestEmptyDockerConfig logs in where DOCKER_CONFIG names a directory with
// nothing in it, or one that is not there yet: it is made, for its owner alone,
// and what lies in ~/.docker does not count.
func TestEmptyDockerConfig(t *testing.T) {
	t.Parallel()
	reg, c, ref := guarded(t, registryOptions{htpasswd: true})
	u := newUser(t)
	for name, dir := range map[string]string{"empty": u.dir("empty"), "not there": u.path("a", "b")} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			writeFile(t, u.path(".docker", "config.json"), []byte("this is no JSON"))
			u.env = append(u.env, "DOCKER_CONFIG="+dir)
			u.portolan("pull", ref).fails(t, exitDenied, reg.host)
			u.login(reg.host)
			u.pulls(ref, c)
			if files := listFiles(t, dir); !slices.Contains(files, "config.json") {
				t.Errorf("there are %q", files)
			}
			info, err := os.Stat(filepath.Join(dir, "config.json"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if info, err = os.Stat(dir); name == "not there" && (err != nil || info.Mode().Perm() != 0o700) {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
}
