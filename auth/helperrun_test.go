package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/internal/heap"
)

// Test22HelperTranscripts holds what helpers are told for each of their verbs
// to the letter, and what their answers come to.
func Test22HelperTranscripts(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	f := fileStore(t, `{"credsStore":"keeper","auths":{"r.io":{"auth":"dTox","note":1}}}`, nil)
	r := Resource{Host: "r.io"}
	if _, err := f.Credential(t.Context(), r); err != ErrNoCredential {
		t.Errorf("before: %v; the file's entry must not answer beside a helper", err)
	}
	origin, err := f.Put(t.Context(), r, password("bob", canary))
	if err != nil || origin.Location != "docker-credential-keeper" || origin.Key != "r.io" {
		t.Fatalf("%s, %v", origin, err)
	}
	if got := read(t, f.Path()); strings.Contains(got, "dTox") || !strings.Contains(got, `"note": 1`) {
		t.Errorf("the older secret stays in the file: %s", got)
	}
	c, err := f.Credential(t.Context(), Resource{"r.io", "team/app"})
	if err != nil || c.Username != "bob" || c.Password.Reveal() != canary || c.Origin != origin {
		t.Errorf("user %q from %s, %v", c.Username, c.Origin, err)
	}
	users, err := f.helpers.list(t.Context(), "keeper")
	if err != nil || cmp.Diff(users, map[string]string{"r.io": "bob", "s.io": "eve"}) != "" {
		t.Errorf("list: %v, %v", users, err)
	}
	removed, err := f.Delete(t.Context(), r)
	if err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := f.Credential(t.Context(), r); err != ErrNoCredential {
		t.Errorf("after: %v", err)
	}
	want := "get r.io\n" +
		`store {"ServerURL":"r.io","Username":"bob","Secret":"` + canary + "\"}\n" +
		"get r.io\nlist unused\nget r.io\nerase r.io\nget r.io\n"
	if diff := cmp.Diff(want, read(t, filepath.Join(dir, "log"))); diff != "" {
		t.Error(diff)
	}
}

// Test22HelperRefusals: a helper that cannot do what it is asked, as ecr-login
// cannot store and not erase, says so to the caller.
func Test22HelperRefusals(t *testing.T) {
	installHelper(t, "reader", `
case $1 in
get) echo '{"ServerURL":"r.io","Username":"AWS","Secret":"`+canary+`"}' ;;
*) echo "not implemented"; exit 1 ;;
esac`)
	f := fileStore(t, `{"credsStore":"reader"}`, nil)
	r := Resource{Host: "r.io"}
	_, stored := f.Put(t.Context(), r, password("bob", canary))
	_, erased := f.Delete(t.Context(), r)
	_, listed := f.helpers.list(t.Context(), "reader")
	for what, err := range map[string]error{"store": stored, "erase": erased, "list": listed} {
		if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "docker-credential-reader") || !strings.Contains(err.Error(), "not implemented") {
			t.Errorf("%s: %v", what, err)
		}
		noCanary(t, what, fmt.Sprint(err))
	}
}

// Test23HelperFailures: one of the three fixed texts, on standard output, with
// or without the end of the line, means that there is nothing; all else is a
// failure, of which one line is shown and no secret.
func Test23HelperFailures(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         string // in the error; "": none
	}{
		{"not found", `printf "credentials not found in native keychain"; exit 1`, ""},
		{"not found and newline", `echo "credentials not found in native keychain"; exit 1`, ""},
		{"not found and newlines", `printf "credentials not found in native keychain\r\n\n"; exit 1`, ""},
		{"not found on standard error", `echo "credentials not found in native keychain" >&2; exit 1`, "exit status 1"},
		{"not found and success", `echo "credentials not found in native keychain"`, "not what a helper says"},
		{"no server URL", `printf "no credentials server URL"; exit 1`, "no credentials server URL"},
		{"no server URL and newline", `echo "no credentials server URL"; exit 1`, "no credentials server URL"},
		{"no user name", `printf "no credentials username"; exit 1`, "no credentials username"},
		{"no user name and newline", `echo "no credentials username"; exit 1`, "no credentials username"},
		{"empty answer", `echo '{"Username":"","Secret":""}'`, ""},
		{"words", `printf 'first\033[31m line\nsecond ` + canary + `\n'; exit 3`, "exit status 3: first[31m line"},
		{"a secret before the failure", `echo '{"Username":"u","Secret":"` + canary + `"}'; exit 1`, "withheld"},
		{"standard error", `echo ` + canary + ` >&2; exit 1`, "exit status 1"},
		{"no JSON", `echo ` + canary, "not what a helper says"},
		{"secret without a user", `echo '{"Username":"","Secret":"` + canary + `"}'`, "needs a user name"},
		{"long line", `head -c 5000 /dev/zero | tr '\0' x; exit 1`, "xxx"},
		{"killed", `kill -9 $$`, "killed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			installHelper(t, "bad", tc.script)
			f := fileStore(t, `{"credsStore":"bad"}`, nil)
			_, err := f.Credential(t.Context(), Resource{Host: "r.io"})
			if !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrHelper) != (tc.want != "") || tc.want != "" && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			noCanary(t, "error", err.Error())
			if strings.Count(err.Error(), "x") > maxCommandLine+10 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%d bytes: %q", len(err.Error()), err)
			}
		})
	}
}

// Test23HelperECR: ecr-login says "not found" of every failure, so for a
// registry of its own the error tells where the cause may be.
func Test23HelperECR(t *testing.T) {
	installHelper(t, "ecr-login", `echo "credentials not found in native keychain"; exit 1`)
	f := fileStore(t, `{"credsStore":"ecr-login"}`, nil)
	const ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	if _, err := f.Credential(t.Context(), Resource{Host: ecr}); !errors.Is(err, ErrNoCredential) || !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "~/.ecr/log") {
		t.Errorf("its own: %v", err)
	}
	if _, err := f.Credential(t.Context(), Resource{Host: "r.io"}); err != ErrNoCredential {
		t.Errorf("another: %v", err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: ecr}); err != nil || len(removed) != 0 {
		t.Errorf("logout: %v, %v", removed, err)
	}
}

// Test23HelperStderr: what a helper says on standard error is for the debug log.
func Test23HelperStderr(t *testing.T) {
	installHelper(t, "chatty", `echo "warning: old keychain" >&2; echo '{"Username":"u","Secret":"1"}'`)
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var log bytes.Buffer
		opts := &FileOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))}
		if _, err := fileStore(t, `{"credsStore":"chatty"}`, opts).Credential(t.Context(), Resource{Host: "r.io"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "old keychain") != want {
			t.Errorf("at level %s the log has %q", level, log.String())
		}
	}
}

// Test24HelperIdentityToken: the user name <token> marks an identity token, on
// the way to the helper and back.
func Test24HelperIdentityToken(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	f := fileStore(t, `{"credsStore":"keeper"}`, nil)
	if _, err := f.Put(t.Context(), Resource{Host: "docker.io"}, Credential{Username: "alice", IdentityToken: NewSecret("t")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "kept")); !strings.Contains(got, `"ServerURL":"https://index.docker.io/v1/"`) || !strings.Contains(got, `"Username":"\u003ctoken\u003e","Secret":"t"`) {
		t.Errorf("the helper got %s", got)
	}
	for _, host := range hubHosts {
		c, err := f.Credential(t.Context(), Resource{Host: host})
		if err != nil || c.IdentityToken.Reveal() != "t" || !c.Password.IsZero() || c.Username != "" {
			t.Errorf("%s: user %q, %v", host, c.Username, err)
		}
	}
}

// helperOrphans ends what a helper has left behind, the ids of which it wrote
// into the file "orphan".
func helperOrphans(t *testing.T, dir string) {
	t.Cleanup(func() {
		for _, id := range strings.Fields(read(t, filepath.Join(dir, "orphan"))) {
			_ = exec.Command("kill", id).Run() // it may have ended
		}
	})
}

// Test25HelperHangs: a helper that does not answer is given up after its time,
// or its caller's, even where a process that it has started holds its output
// open; one that has answered counts, whatever it leaves behind.
func Test25HelperHangs(t *testing.T) {
	helperOrphans(t, installHelper(t, "slow", `sleep 60 & echo $! >>"$dir/orphan"; wait`))
	helperOrphans(t, installHelper(t, "agent", `sleep 60 & echo $! >>"$dir/orphan"; echo '{"Username":"u","Secret":"1"}'`))
	agents := fileStore(t, `{"credHelpers":{"agent.io":"agent"}}`, nil)
	start := time.Now()
	var agent sync.WaitGroup
	agent.Go(func() {
		if c, err := agents.Credential(t.Context(), Resource{Host: "agent.io"}); err != nil || c.Username != "u" {
			t.Errorf("a helper that leaves an agent behind: %v", err)
		}
	})
	f := fileStore(t, `{"credsStore":"slow"}`, &FileOptions{HelperTimeout: 100 * time.Millisecond})
	_, err := f.Credential(t.Context(), Resource{Host: "r.io"})
	if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("got %v", err)
	}
	f = fileStore(t, `{"credsStore":"slow"}`, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := f.Credential(ctx, Resource{Host: "slow.io"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrHelper) {
		t.Errorf("with a deadline: %v", err)
	}
	agent.Wait()
	if took := time.Since(start); took > 3*commandGrace+10*time.Second {
		t.Errorf("took %s", took)
	}
}

// Test26HelperOutput: of 1 GiB that a helper writes, no more than the limit is
// read, and the helper ends.
func Test26HelperOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	for name, script := range map[string]string{
		"zeros":             `head -c 1073741824 /dev/zero`,
		"and a failure":     `head -c 1073741824 /dev/zero; exit 1`,
		"on both":           `head -c 1073741824 /dev/zero >&2; head -c 1073741824 /dev/zero`,
		"JSON that goes on": `echo '{"Username":"u","Secret":"` + canary + `"}'; yes ` + canary + ` | head -c 1073741824`,
	} {
		t.Run(name, func(t *testing.T) {
			installHelper(t, "endless", script)
			f := fileStore(t, `{"credsStore":"endless"}`, nil)
			var err error
			grown := heap.Growth(func() { _, err = f.Credential(t.Context(), Resource{Host: "r.io"}) })
			if !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "wrote more than 1048576 bytes") {
				t.Errorf("got %v", err)
			}
			noCanary(t, "error", err.Error())
			if grown > 8<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
		})
	}
}

// Test27HelperNames: a suffix that is more than a name, one that is not on
// PATH, and one in the current directory (helm#11951) run nothing; so does
// anything where running is switched off.
func Test27HelperNames(t *testing.T) {
	dir := installHelper(t, "x", `echo '{"Username":"u","Secret":"1"}'`)
	refused := func(what string, f *FileStore) {
		t.Helper()
		_, err := f.Credential(t.Context(), Resource{Host: "r.io"})
		_, stored := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", canary))
		if !errors.Is(err, ErrHelper) || !errors.Is(stored, ErrHelper) {
			t.Errorf("%s: %v, %v", what, err, stored)
		}
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
			t.Fatalf("%s: it has run: %s", what, log)
		}
	}
	for _, suffix := range []string{"../x", "a/x", "/x", `a\x`, "..", ".", "a b", " x", "x ", "x;id", "x\n", "x\x00", "$x", "-x/../x", "ü"} {
		refused(fmt.Sprintf("%q", suffix), fileStore(t, `{"credsStore":`+string(encodeString(suffix))+`}`, nil))
	}
	refused("NoExec", fileStore(t, `{"credsStore":"x"}`, &FileOptions{NoExec: true}))
	refused("NoExec for the host", fileStore(t, `{"credHelpers":{"r.io":"x"}}`, &FileOptions{NoExec: true}))
	t.Chdir(dir)
	for _, path := range []string{"", ".", "." + string(os.PathListSeparator) + "/nowhere"} {
		t.Setenv("PATH", path)
		refused("current directory with PATH="+path, fileStore(t, `{"credsStore":"x"}`, nil))
	}
}

// Test28HelperSerialised: of a helper program one process runs at a time,
// whichever stores start it; who waits for it obeys its own context; other
// helpers do not wait for it.
func Test28HelperSerialised(t *testing.T) {
	dir := installHelper(t, "single", `mkdir "$dir/busy" || { echo "asked in parallel"; exit 1; }
while [ -f "$dir/hold" ]; do sleep 0.01; done
sleep 0.02; rmdir "$dir/busy"; echo '{"Username":"u","Secret":"1"}'`)
	installHelper(t, "other", `echo '{"Username":"o","Secret":"1"}'`)
	const file = `{"credsStore":"single","credHelpers":{"other.io":"other"}}`
	stores := []*FileStore{fileStore(t, file, nil), fileStore(t, file, nil), fileStore(t, file, nil)}
	hold := writeFile(t, filepath.Join(dir, "hold"), "")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := stores[i%len(stores)].Credential(t.Context(), Resource{Host: "r.io"}); err != nil {
				t.Error(err)
			}
		})
	}
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "busy")); err == nil {
			break
		} else if time.Now().After(limit) {
			t.Fatal("the helper does not run")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := stores[0].Credential(ctx, Resource{Host: "r.io"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller with a deadline: %v", err)
	}
	if c, err := stores[0].Credential(t.Context(), Resource{Host: "other.io"}); err != nil || c.Username != "o" {
		t.Errorf("another helper: %v", err)
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// TestHelperEnvironment: helpers see this process's environment, and what the
// options add to it.
func TestHelperEnvironment(t *testing.T) {
	installHelper(t, "env", `printf '{"Username":"%s","Secret":"%s"}' "$EXEC_A" "$EXEC_B"`)
	t.Setenv("EXEC_A", "passed")
	t.Setenv("EXEC_B", "passed")
	f := fileStore(t, `{"credsStore":"env"}`, &FileOptions{HelperEnv: []string{"EXEC_B=overridden"}})
	if c, err := f.Credential(t.Context(), Resource{Host: "r.io"}); err != nil || c.Username != "passed" || c.Password.Reveal() != "overridden" {
		t.Errorf("%q %q, %v", c.Username, c.Password.Reveal(), err)
	}
}
