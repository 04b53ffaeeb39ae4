package cache_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
var faultCalls = flag.Int("faultcalls", 25, "how many calls TestEachCallFails lets fail, in each of three caches; 0: every one, in every way")

// faultsChildEnv makes this binary the process: it is the cache's directory.
const faultsChildEnv = "PORTOLAN_CACHE_TEST_FAULTS"

func TestFaultsChild(t *testing.T) {
	dir := os.Getenv(faultsChildEnv)
	if dir == "" {
		t.Skip("runs as a process of another test")
	}
	runtime.GOMAXPROCS(1) // so that the calls come in much the same order
	s, _ := newStore(t, dir)
	if err := newFaultsSource(t).use(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// faultsCalls are the calls that a cache makes, with where their path or file
// stands, and how each may fail.
var faultsCalls = map[uint64]struct {
	name   string
	path   int // argument, from 1; 0: the first is a file descriptor
	errors []syscall.Errno
}{
	syscall.SYS_OPENAT:     {"openat", 2, []syscall.Errno{syscall.EACCES, syscall.EMFILE, syscall.EIO, syscall.ENOSPC, syscall.EROFS}},
	syscall.SYS_NEWFSTATAT: {"fstatat", 2, []syscall.Errno{syscall.EACCES, syscall.EIO, syscall.ENOENT}},
	syscall.SYS_MKDIRAT:    {"mkdirat", 2, []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EACCES}},
	syscall.SYS_UNLINKAT:   {"unlinkat", 2, []syscall.Errno{syscall.EROFS, syscall.EACCES, syscall.EIO}},
	syscall.SYS_RENAMEAT:   {"renameat", 2, []syscall.Errno{syscall.ENOSPC, syscall.EACCES, syscall.EXDEV, syscall.EIO, syscall.ENOENT}},
	syscall.SYS_UTIMENSAT:  {"utimensat", 2, []syscall.Errno{syscall.EPERM, syscall.EROFS}},
	syscall.SYS_WRITE:      {"write", 0, []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EDQUOT, syscall.EFBIG}},
	syscall.SYS_READ:       {"read", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_PREAD64:    {"pread", 0, []syscall.Errno{syscall.EIO, syscall.ESTALE}},
	syscall.SYS_FSTAT:      {"fstat", 0, []syscall.Errno{syscall.EIO, syscall.ESTALE}},
	syscall.SYS_GETDENTS64: {"getdents", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_FSYNC:      {"fsync", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_FLOCK:      {"flock", 0, []syscall.Errno{syscall.ENOLCK, syscall.ENOSYS, syscall.EIO}},
	syscall.SYS_CLOSE:      {"close", 0, []syscall.Errno{syscall.EIO, syscall.ENOSPC}},
}

// changes are the calls before which a kill leaves another directory than
// before the last.
func changes(number uint64) bool {
	return slices.Contains([]string{"openat", "mkdirat", "unlinkat", "renameat", "write"}, faultsCalls[number].name)
}

// faultsCall is a call to which something was done.
type faultsCall struct {
	number uint64
	where  string
}

func (c faultsCall) String() string { return faultsCalls[c.number].name + " " + c.where }

// traced runs the child on dir and calls at with each of its calls there, n
// counting them: an error is what the call then fails with, and SIGKILL kills the
// child before it. It returns what the child said and whether it succeeded.
func traced(t *testing.T, dir string, at func(n int, call faultsCall) error) (output string, ok bool) {
	t.Helper()
	runtime.LockOSThread() // the one that traces
	defer runtime.UnlockOSThread()
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFaultsChild$")
	cmd.Env = append(os.Environ(), faultsChildEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT TRIED: ptrace is not allowed: %v", err)
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WALL, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child has not stopped: %v", err)
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|exitKill); err != nil {
		t.Fatal(err)
	}
	tr := tracer{pid: pid, dir: dir, at: at, inside: map[int]*syscall.Errno{}}
	for tid := pid; ; {
		if err := syscall.PtraceSyscall(tid, tr.deliver); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
		for {
			tid, err = syscall.Wait4(-pid, &status, syscall.WALL, nil)
			if err == nil && !(status.Exited() || status.Signaled()) || err != nil && err != syscall.EINTR {
				break
			}
			if err == nil && tid == pid {
				said, err := os.ReadFile(out.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(said), status.Exited() && status.ExitStatus() == 0
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		tr.stopped(tid, status)
	}
}

type tracer struct {
	pid     int
	dir     string
	at      func(n int, call faultsCall) error
	n       int
	inside  map[int]*syscall.Errno // threads in a call, and what it shall fail with
	deliver int                    // the signal that the thread that stopped is given
}

func (tr *tracer) stopped(tid int, status syscall.WaitStatus) {
	tr.deliver = 0
	switch sig := status.StopSignal(); {
	case sig == syscall.SIGTRAP|0x80:
		tr.call(tid)
	case sig != syscall.SIGTRAP && sig != syscall.SIGSTOP: // a clone, or a new thread
		tr.deliver = int(sig)
	}
}

// call is the begin or the end of a call.
func (tr *tracer) call(tid int) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return // killed meanwhile
	}
	if fails, ok := tr.inside[tid]; ok {
		delete(tr.inside, tid)
		if fails != nil {
			regs.Rax = uint64(-int64(*fails))
			syscall.PtraceSetRegs(tid, &regs)
		}
		return
	}
	tr.inside[tid] = nil
	where, ok := tr.where(tid, &regs)
	if !ok {
		return
	}
	tr.n++
	err := tr.at(tr.n, faultsCall{regs.Orig_rax, where})
	if err == nil {
		return
	}
	if errors.Is(err, errKill) {
		syscall.Kill(tr.pid, syscall.SIGKILL)
		return
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		tr.inside[tid] = &errno
		regs.Orig_rax = ^uint64(0) // no call
		syscall.PtraceSetRegs(tid, &regs)
	}
}

var errKill = errors.New("kill it")

// where tells what in the cache a call is about.
func (tr *tracer) where(tid int, regs *syscall.PtraceRegs) (string, bool) {
	call, ok := faultsCalls[regs.Orig_rax]
	if !ok {
		return "", false
	}
	var path string
	if call.path == 0 {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, regs.Rdi))
	} else {
		text := make([]byte, 512)
		n, _ := syscall.PtracePeekData(tid, uintptr(regs.Rsi), text)
		text, _, _ = bytes.Cut(text[:n], []byte{0})
		path = string(text)
	}
	if path != tr.dir && !strings.HasPrefix(path, tr.dir+"/") {
		return "", false
	}
	return kindOf(tr.dir, path), true
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
	for name, state := range faultsStates(t) {
		t.Run(name, func(t *testing.T) {
			calls := faultsCounted(t, state())
			killed := 0
			for n := 1; n <= len(calls); n++ {
				if !changes(calls[n-1].number) {
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
	for name, state := range faultsStates(t) {
		t.Run(name, func(t *testing.T) {
			calls := faultsCounted(t, state())
			every, ways := 1, 8
			if *faultCalls > 0 {
				every, ways = max(1, len(calls) / *faultCalls), 1
			}
			outcomes := map[string]int{}
			for n := 1 + rand.IntN(every); n <= len(calls); n += every {
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
		if i != n || *faultCalls == 0 && way >= len(all) {
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
