package e2e_test

import (
	"bytes"
	"encoding/base64"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startHole takes connections and never answers. asked gets a value for each.
func startHole(t *testing.T) (host string, asked <-chan bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns := make(chan bool, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			select {
			case conns <- true:
			default:
			}
		}
	}()
	return l.Addr().String(), conns
}

// TestTimeout: whatever a command waits for, --timeout ends it and says so.
func TestTimeout(t *testing.T) {
	t.Parallel()
	host, _ := startHole(t)
	c := smallChart(t, "harbour", "1.0.0")
	parent := newUser(t)
	dir := parent.dir("parent")
	writeFile(t, dir+"/Chart.yaml", []byte("apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- {name: harbour, version: 1.0.0, repository: \"oci://"+host+"/team\"}\n"))
	ref := host + "/team/harbour:1.0.0"
	for name, args := range map[string][]string{
		"pull":                   {"pull", ref},
		"pull without a version": {"pull", host + "/team/harbour"},
		"push":                   {"push", c.path, ref},
		"copy from":              {"copy", ref, "./x.tgz"},
		"copy to":                {"copy", c.path, ref},
		"copy of a repository":   {"copy", "http://" + host + "/charts", "127.0.0.1:1/x"},
		"dependency update":      {"dependency", "update", dir},
		"login":                  {"login", host, "-u", userName, "--password-stdin"},
		"resolve":                {"resolve", ref},
		"versions":               {"versions", host + "/team/harbour"},
		"show":                   {"show", "chart", ref},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			start := time.Now()
			r := u.portolanWith(password, append(args, "--timeout", "700ms")...)
			r.fails(t, exitUnreachable, "gave up after 700ms (--timeout)")
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			u.leavesNothing()
		})
	}
}

// TestInterrupt: somebody presses Ctrl-C, or a supervisor ends the command.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		signal syscall.Signal
		code   int
		line   string
	}{
		{syscall.SIGINT, 130, "portolan: interrupted\n"},
		{syscall.SIGTERM, 143, "portolan: terminated\n"},
	} {
		host, asked := startHole(t)
		u := newUser(t)
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), bin, "pull", host+"/team/harbour:1.0.0")
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = u.path("work"), u.environment(), &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := cmd.Process.Signal(tc.signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the state tells
		if code := cmd.ProcessState.ExitCode(); code != tc.code || stderr.String() != tc.line || stdout.Len() > 0 {
			t.Errorf("%s: exit status %d, %q; want %d, %q", tc.signal, code, stderr.String(), tc.code, tc.line)
		}
		u.leavesNothing()
	}
}

// TestDebug: each request is a line that can be read, warnings of the registry
// are shown once, and no secret is.
func TestDebug(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{htpasswd: true})
	host := startProxy(t, reg, func(r *http.Response) error {
		r.Header.Set("Warning", `299 - "moving in May"`)
		return nil
	})
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	login := u.portolanWith(password, "login", host, "-u", userName, "--password-stdin", "--debug")
	login.ok(t)
	push := u.portolan("push", c.path, host+"/team/harbour:1.0.0", "--debug")
	push.ok(t)
	for name, text := range map[string]string{"login": login.stderr, "push": push.stderr} {
		if n := strings.Count(text, "moving in May"); n != 1 {
			t.Errorf("%s: the warning is told %d times:\n%s", name, n, text)
		}
		for _, secret := range []string{password, base64.StdEncoding.EncodeToString([]byte(userName + ":" + password))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret:\n%s", name, text)
			}
		}
	}
	for _, want := range []string{"method=PUT", "status=201", "sent=", "_state=REDACTED"} {
		if !strings.Contains(push.stderr, want) {
			t.Errorf("%s is not in\n%s", want, push.stderr)
		}
	}
	if quiet := u.portolan("pull", host+"/team/harbour:1.0.0"); quiet.code != 0 || strings.Count(quiet.stderr, "\n") != 1 {
		t.Errorf("without --debug, more than the warning is shown:\n%s", quiet.stderr)
	}
}
