package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/heap"
)

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
	if helperDefaultTimeout != 30*time.Second || commandGrace > 5*time.Second {
		t.Errorf("the limits are %s, and %s for children", helperDefaultTimeout, commandGrace)
	}
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
	// Where somebody else's names lead to something, that is not run either.
	t.Chdir(dir)
	program, err := os.ReadFile(helperPrefix + "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"../x", "a/x", "a b", "x;id", "$x", "ü", "x\n"} {
		name := helperPrefix + suffix
		if first, _, found := strings.Cut(name, "/"); found {
			if err := os.MkdirAll(first, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, program, 0o700); err != nil {
			t.Fatal(err)
		}
		refused(fmt.Sprintf("%q, which is there", suffix), fileStore(t, `{"credsStore":`+string(encodeString(suffix))+`}`, nil))
	}
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

// Test29CachedHelper: a helper is not run for each request; what it has is
// trusted for less than five minutes, which is how long the shortest tokens
// live, and that it has none for ten seconds.
func Test29CachedHelper(t *testing.T) {
	dir := installHelper(t, "rotating", `n=$(grep -c ^get "$dir/log")
if [ "$in" = none.io ]; then echo "credentials not found in native keychain"; exit 1; fi
echo "{\"Username\":\"u$n\",\"Secret\":\"1\"}"`)
	p, err := Cached(fileStore(t, `{"credsStore":"rotating"}`, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p.(*cached).answers.now = func() time.Time { return now }
	for i, s := range []struct {
		after time.Duration
		host  string
		runs  int
	}{
		{0, "r.io", 1}, {0, "none.io", 2}, {9 * time.Second, "none.io", 2}, {time.Second, "none.io", 3},
		{4 * time.Minute, "r.io", 3}, {40 * time.Second, "r.io", 4}, {time.Second, "r.io", 4},
	} {
		now = now.Add(s.after)
		c, err := p.Credential(t.Context(), Resource{Host: s.host})
		if s.host == "none.io" && err != ErrNoCredential || s.host == "r.io" && (err != nil || !strings.HasPrefix(c.Username, "u")) {
			t.Errorf("step %d: %q, %v", i, c.Username, err)
		}
		if runs := strings.Count(read(t, filepath.Join(dir, "log")), "get "); runs != s.runs {
			t.Errorf("step %d: the helper ran %d times, want %d", i, runs, s.runs)
		}
	}
}
