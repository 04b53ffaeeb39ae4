package cache_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/portolan-oci/portolan/cache"
)

// What a process asks the system to do with a cache is a list of calls. These
// tests run a process under ptrace and end it before the first call, or let the
// call fail, then do so at the second, and so on: every point at which it can be
// killed, and every way in which a disk can fail it.

// faultCalls bounds the time of TestEachCallFails: some 50 ms each.
var faultCalls = flag.Int("faultcalls", max(25/sparse, 5), "how many calls TestEachCallFails lets fail, in each of three caches; 0: every one, in every way")

// faultsChildEnv makes this binary the process: it is the cache's directory.
const faultsChildEnv = "PORTOLAN_CACHE_TEST_FAULTS"

func TestFaultsChild(t *testing.T) {
	dir := os.Getenv(faultsChildEnv)
	if dir == "" {
		t.Skip("runs as a process of another test")
	}
	runtime.GOMAXPROCS(1) // so that the calls come in much the same order
	if from := os.Getenv(durableLayoutEnv); from != "" {
		if err := durableChild(t, dir, from); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, _ := newStore(t, dir)
	if err := newFaultsSource(t).use(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// faultsCounted runs the child undisturbed and returns its calls.
func faultsCounted(t *testing.T, dir string) (calls []faultsCall) {
	t.Helper()
	said, ok := traced(t, dir, func(_ int, call faultsCall) error {
		calls = append(calls, call)
		return nil
	})
	if !ok {
		t.Fatal(said)
	}
	kinds := map[string]int{}
	for _, call := range calls {
		kinds[faultsCalls[call.number].name]++
	}
	t.Logf("%d calls: %v", len(calls), kinds)
	if len(calls) < 20 {
		t.Fatal("the calls of a cache are not seen")
	}
	return calls
}

// faultsStates are the caches on which it is tried: one that has nothing, one
// that has all, and one of which all is bad.
func faultsStates(t *testing.T) map[string]func() string {
	_, sound, _, _ := faultsCache(t)
	files, _ := faultsFiles(t, sound.Dir())
	return map[string]func() string{
		"empty": func() string { return filepath.Join(t.TempDir(), "cache") },
		"sound": func() string { return faultsCopy(t, sound.Dir()) },
		"bad": func() string {
			dir := faultsCopy(t, sound.Dir())
			for _, path := range files {
				if err := faultsOfFiles()["other bytes"](strings.Replace(path, sound.Dir(), dir, 1)); err != nil {
					t.Fatal(err)
				}
			}
			return dir
		},
	}
}

// faultsAfter is what must hold after whatever was done: nothing wrong is in
// the cache, and the next user gets all of it, and keeps it.
func faultsAfter(t *testing.T, dir, what string) {
	t.Helper()
	f := newFaultsSource(t)
	s, log := newStore(t, dir)
	for _, fault := range faultsFound(t, s, cache.VerifyOptions{KeepBad: true}) {
		bad := strings.Contains(what, "bad cache")
		if !bad {
			t.Errorf("%s: Verify tells of %+v", what, fault)
		}
	}
	err := faultsSoon(t, func(ctx context.Context) error { return errors.Join(f.use(ctx, s), f.use(ctx, s), f.pack(ctx, s)) })
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if _, err := fetch(t.Context(), s.Through(nil, team, cache.Policy{}), f.layer); err != nil {
		t.Errorf("%s: not mended: %v; log: %s", what, err, log)
	}
	faultsWant(t, s, cache.VerifyOptions{})
}

// TestKilledAtEachCall kills a process before each call that changes the cache.
func TestKilledAtEachCall(t *testing.T) {
	t.Parallel()
	for name, state := range faultsStates(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := faultsCounted(t, state())
			killed := 0
			for n := 1; n <= len(calls); n++ {
				if !changes(calls[n-1].number) || n%sparse != 0 {
					continue
				}
				dir := state()
				var what string
				_, ok := traced(t, dir, func(i int, call faultsCall) error {
					if i != n {
						return nil
					}
					what = fmt.Sprintf("%s cache, killed before call %d, %s", name, n, call)
					return errKill
				})
				if what != "" && !ok {
					killed++
				}
				faultsAfter(t, dir, what)
			}
			t.Logf("killed at %d points", killed)
			if killed == 0 {
				t.Error("nothing was killed")
			}
		})
	}
}

// TestEachCallFails lets each call on the cache fail, or by default some of
// them: the process gets all that it wants, but from the archive that it has
// open already, which may fail it as any file may.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	for name, state := range faultsStates(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := faultsCounted(t, state())
			every := 1
			if *faultCalls > 0 {
				every = max(1, len(calls) / *faultCalls)
			}
			outcomes := map[string]int{}
			for n := 1 + rand.IntN(every); n <= len(calls); n += every {
				ways := 1
				if *faultCalls == 0 {
					ways = len(faultsCalls[calls[n-1].number].errors)
				}
				for way := range ways {
					outcomes[failedCall(t, name, state(), n, way)]++
				}
			}
			t.Log(outcomes)
		})
	}
}

// failedCall lets one call fail in one of its ways, and says what came of it.
func failedCall(t *testing.T, name, dir string, n, way int) (outcome string) {
	what, number := "", uint64(0)
	var failure syscall.Errno
	said, ok := traced(t, dir, func(i int, call faultsCall) error {
		all := faultsCalls[call.number].errors
		if i != n {
			return nil
		}
		number, failure = call.number, all[(n+way)%len(all)]
		what = fmt.Sprintf("%s cache, call %d, %s: %v", name, n, call, failure)
		return failure
	})
	open := number == syscall.SYS_PREAD64 && (strings.Contains(said, "config: ") || strings.Contains(said, "layer: "))
	switch {
	case what == "":
		return "undisturbed"
	case ok:
		outcome = "served"
	case open && strings.Contains(said, failure.Error()):
		outcome = "failed to read what was open"
	default:
		t.Errorf("%s:\n%s", what, said)
	}
	faultsAfter(t, dir, what)
	return outcome
}
