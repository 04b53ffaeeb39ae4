package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// How often credentials change under a process, and how soon.
const (
	outliveRotations = 24
	outlivePeriod    = 250 * time.Millisecond
	// outliveGrace is for what was looked up just before: a helper's answer may
	// be on its way to the token service.
	outliveGrace = 100 * time.Millisecond
)

// outliveKeeper builds the program that outlives its credentials.
var outliveKeeper = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, "portolan-e2e", "keeper-"+sum([]byte(wd))[:12])
	temp := fmt.Sprintf("%s.%d", bin, os.Getpid())
	defer os.Remove(temp)
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", temp, "./keeper").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the keeper: %w\n%s", err, out)
	}
	return bin, os.Rename(temp, bin)
})

// outliveSecret is what proves who somebody is, for a while.
type outliveSecret struct {
	user, password, token string // a password, or an identity token
}

// entry is the secret in docker's config.json.
func (s outliveSecret) entry() map[string]string {
	e := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(s.user + ":" + s.password))}
	if s.token != "" {
		e["identitytoken"] = s.token
	}
	return e
}

// outliveGuard lets secrets in, and from some moment on no longer.
type outliveGuard interface {
	options() registryOptions
	good(t testing.TB, secrets ...outliveSecret) // these and no others
}

// outliveService is a token service whose tokens end after a second or two.
type outliveService struct{ *authService }

func (g outliveService) options() registryOptions { return registryOptions{tokens: g.tokenServer} }

func (g outliveService) good(_ testing.TB, secrets ...outliveSecret) {
	now := map[string]string{}
	for _, s := range secrets {
		if s.token != "" {
			now[s.token] = userName
		} else {
			now[s.user+":"+s.password] = userName
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users = now
}

// outliveHtpasswd is a file that the registry reads again when it has changed.
type outliveHtpasswd struct{ file string }

func (g outliveHtpasswd) options() registryOptions { return registryOptions{users: g.file} }

func (g outliveHtpasswd) good(t testing.TB, secrets ...outliveSecret) {
	var lines bytes.Buffer
	for _, s := range secrets {
		hash, err := bcrypt.GenerateFromPassword([]byte(s.password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s:%s\n", s.user, hash)
	}
	outliveReplace(t, g.file, lines.Bytes())
}

func outliveReplace(t testing.TB, file string, data []byte) {
	t.Helper()
	writeFile(t, file+".new", data)
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// outliveHelper has a credential helper hand out the secret: a program that is
// run for it, and says nothing of when it ends.
func outliveHelper(t testing.TB, u *user, host string) (set func(outliveSecret)) {
	t.Helper()
	answer := u.path("answer.json")
	writeFile(t, u.dockerFile(), []byte(`{"credsStore":"outlive"}`))
	program := filepath.Join(u.dir("bin"), "docker-credential-outlive")
	writeFile(t, program, fmt.Appendf(nil, "#!/bin/sh\n[ \"$1\" = get ] && exec cat %s\nexit 1\n", answer))
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "PATH="+u.path("bin")+":"+os.Getenv("PATH"))
	return func(s outliveSecret) {
		out := map[string]string{"ServerURL": host, "Username": s.user, "Secret": s.password}
		if s.token != "" {
			out["Username"], out["Secret"] = "<token>", s.token
		}
		data, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		outliveReplace(t, answer, data)
	}
}

// outliveFile has docker's config.json replaced, as a login does it.
func outliveFile(t testing.TB, u *user, host string) (set func(outliveSecret)) {
	return func(s outliveSecret) {
		writeFile(t, u.path("docker", "keep"), nil)
		outliveReplace(t, u.dockerFile(), outliveConfig(t, host, s))
	}
}

// outliveVolume is a pull secret in a volume, rotated as kubelet does: the
// files are links through ..data, which is swapped, and what was behind it is
// removed.
func outliveVolume(t testing.TB, u *user, host string) (set func(outliveSecret)) {
	dir := u.dir("docker")
	if err := os.Symlink(filepath.Join("..data", "config.json"), filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	before, n := "", 0
	return func(s outliveSecret) {
		n++
		now := fmt.Sprintf("..2026_%d", n)
		writeFile(t, filepath.Join(dir, now, "config.json"), outliveConfig(t, host, s))
		link := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(now, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := os.RemoveAll(filepath.Join(dir, before)); err != nil {
				t.Fatal(err)
			}
		}
		before = now
	}
}

// outliveKubelet is a volume whose file is read as kubelet reads pull secrets.
func outliveKubelet(t testing.TB, u *user, host string) (set func(outliveSecret)) {
	u.env = append(u.env, "KEEPER_PULL_SECRET="+u.dockerFile())
	return outliveVolume(t, u, host)
}

func outliveConfig(t testing.TB, host string, s outliveSecret) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"auths": map[string]any{host: s.entry()}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOutlives runs one process through tens of credentials, each revoked a
// moment after the next one lies where the process looks: no operation fails,
// and nothing is started again.
func TestOutlives(t *testing.T) {
	t.Parallel()
	service := func(t *testing.T) outliveGuard {
		return outliveService{startAuthService(t, authServiceOptions{life: 2 * time.Second})}
	}
	htpasswd := func(t *testing.T) outliveGuard { return outliveHtpasswd{filepath.Join(t.TempDir(), "htpasswd")} }
	password := func(n int) outliveSecret {
		return outliveSecret{user: fmt.Sprintf("robot-%d", n), password: fmt.Sprintf("canary-%d", n)}
	}
	token := func(n int) outliveSecret { return outliveSecret{user: "alice", token: fmt.Sprintf("canary-%d", n)} }
	for name, tc := range map[string]struct {
		guard  func(*testing.T) outliveGuard
		source func(testing.TB, *user, string) func(outliveSecret)
		secret func(int) outliveSecret
	}{
		"helper, token service":                 {service, outliveHelper, password},
		"helper, htpasswd":                      {htpasswd, outliveHelper, password},
		"pull secret, token service":            {service, outliveVolume, password},
		"pull secret, htpasswd":                 {htpasswd, outliveVolume, password},
		"pull secret as kubelet, token service": {service, outliveKubelet, password},
		"identity token, token service":         {service, outliveFile, token},
		"identity token of a helper, a service": {service, outliveHelper, token},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := tc.guard(t)
			now := tc.secret(0)
			guard.good(t, now)
			reg := startRegistry(t, guard.options())
			u := newUser(t)
			set := tc.source(t, u, reg.host)
			set(now)
			c := smallChart(t, "harbour", "1.0.0")
			u.json("push", c.path, reg.ref("alice/harbour"))

			k := outliveStart(t, u, reg.ref("alice"), c)
			for n := range outliveRotations {
				next := tc.secret(n + 1)
				guard.good(t, now, next)
				set(next)
				time.Sleep(outliveGrace)
				guard.good(t, next)
				now = next
				time.Sleep(outlivePeriod - outliveGrace)
			}
			k.end(t)
		})
	}
}

// outliveProcess is a keeper that runs.
type outliveProcess struct {
	cmd            *exec.Cmd
	stdin          interface{ Close() error }
	stdout, stderr bytes.Buffer
}

func outliveStart(t testing.TB, u *user, at string, c chartFile) *outliveProcess {
	t.Helper()
	bin, err := outliveKeeper()
	if err != nil {
		t.Fatal(err)
	}
	k := &outliveProcess{cmd: exec.CommandContext(t.Context(), bin, at, c.path)}
	k.cmd.Env, k.cmd.Stdout, k.cmd.Stderr = u.environment(), &k.stdout, &k.stderr
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return k
}

// end ends the process and looks at what it has done.
func (k *outliveProcess) end(t testing.TB) {
	t.Helper()
	if err := k.stdin.Close(); err != nil {
		t.Error(err)
	}
	err := k.cmd.Wait()
	lines := slices.Collect(strings.Lines(k.stderr.String()))
	if err != nil || len(lines) > 0 {
		t.Errorf("%v: %d operations failed, the first:\n%s", err, len(lines), strings.Join(lines[:min(len(lines), 3)], ""))
	}
	if strings.Contains(k.stderr.String(), "canary") {
		t.Error("a secret is in an error")
	}
	var did struct{ Pulls, Pushes struct{ Done int } }
	if err := json.Unmarshal(k.stdout.Bytes(), &did); err != nil {
		t.Fatalf("%v in %q", err, k.stdout.String())
	}
	t.Logf("%d pulls and %d pushes under %d credentials", did.Pulls.Done, did.Pushes.Done, outliveRotations+1)
	if did.Pulls.Done < outliveRotations || did.Pushes.Done < outliveRotations {
		t.Errorf("too few to show anything: %s", k.stdout.String())
	}
}
