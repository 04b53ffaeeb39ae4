package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// user is somebody at a machine of their own: a home directory with nothing
// in it, shared by the programs that this user runs.
type user struct {
	t    testing.TB
	home string
	env  []string // on top of the usual
}

func newUser(t testing.TB) *user {
	t.Helper()
	u := &user{t: t, home: t.TempDir()}
	for _, dir := range []string{"tmp", "work"} {
		if err := os.Mkdir(u.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// path names a file beneath the user's home.
func (u *user) path(elem ...string) string {
	return filepath.Join(append([]string{u.home}, elem...)...)
}

// dir is path for a directory, which it makes if need be.
func (u *user) dir(elem ...string) string {
	u.t.Helper()
	name := u.path(elem...)
	if err := os.MkdirAll(name, 0o755); err != nil {
		u.t.Error(err)
	}
	return name
}

func (u *user) environment() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + u.home,
		"TMPDIR=" + u.path("tmp"),
		"DOCKER_CONFIG=" + u.path("docker"),
		"HELM_CONFIG_HOME=" + u.path("helm", "config"),
		"HELM_CACHE_HOME=" + u.path("helm", "cache"),
		"HELM_DATA_HOME=" + u.path("helm", "data"),
		"HELM_REGISTRY_CONFIG=" + u.path("helm", "registry.json"),
		"PORTOLAN_CACHE=" + u.cache(),
	}, u.env...)
}

func (u *user) cache() string      { return u.path("cache") }
func (u *user) dockerFile() string { return u.path("docker", "config.json") }

// result is how a program ended.
type result struct {
	line           string // what was run
	stdout, stderr string
	code           int
}

// start runs a program to its end, in the user's work directory. It may be
// called from any goroutine: a program that cannot be run has the exit code -1.
func (u *user) start(stdin, program string, args ...string) result {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = u.path("work"), u.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		u.t.Errorf("%s %s: %v (%v)", filepath.Base(program), strings.Join(args, " "), err, ctx.Err())
	}
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	return result{
		line:   filepath.Base(program) + " " + strings.Join(args, " "),
		stdout: stdout.String(), stderr: stderr.String(), code: code,
	}
}

// run runs one of the other programs, which must succeed.
func (u *user) run(p *tool, args ...string) string {
	u.t.Helper()
	return u.start("", p.binary(u.t), args...).ok(u.t)
}

// portolan runs the command under test.
func (u *user) portolan(args ...string) result {
	u.t.Helper()
	return u.portolanWith("", args...)
}

// portolanWith is portolan with something on standard input.
func (u *user) portolanWith(stdin string, args ...string) result {
	u.t.Helper()
	bin, err := portolan()
	if err != nil {
		u.t.Fatal(err)
	}
	return u.start(stdin, bin, args...)
}

// outcome is what portolan's results have in common under -o json.
type outcome struct {
	Reference, Digest, Path, Name, Version, Tag, Origin string
	Size, Sent                                          int64 // bytes
	Exists                                              bool
}

// json runs the command under test with -o json; it must succeed.
func (u *user) json(args ...string) outcome {
	u.t.Helper()
	stdout := u.portolan(append(args, "-o", "json")...).ok(u.t)
	var out outcome
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		u.t.Fatalf("portolan %s: %v in\n%s", strings.Join(args, " "), err, stdout)
	}
	return out
}

// ok fails the test unless the program has succeeded, and returns its output.
func (r result) ok(t testing.TB) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s: exit status %d\n%s%s", r.line, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// Exit statuses of the command under test.
const (
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitVerify      = 5
	exitConflict    = 6
	exitUnreachable = 7
)

// fails checks how a failure shows: this status, one line on standard error
// that holds each of these words, and nothing on standard output.
func (r result) fails(t testing.TB, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("%s: exit status %d, want %d\n%s%s", r.line, r.code, code, r.stdout, r.stderr)
		return
	}
	if r.stdout != "" {
		t.Errorf("%s: standard output of a failure:\n%s", r.line, r.stdout)
	}
	line, rest, _ := strings.Cut(r.stderr, "\n")
	if line == "" || rest != "" {
		t.Errorf("%s: standard error is not one line:\n%s", r.line, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(line), strings.ToLower(word)) {
			t.Errorf("%s: %q is not in: %s", r.line, word, line)
		}
	}
}

// leavesNothing checks that no half-written file is in any of the places that
// the command writes to.
func (u *user) leavesNothing() {
	u.t.Helper()
	for _, dir := range []string{u.path("tmp"), u.path("work"), filepath.Join(u.cache(), "ingest")} {
		for _, name := range listFiles(u.t, dir) {
			u.t.Errorf("left behind: %s", filepath.Join(dir, name))
		}
	}
}
